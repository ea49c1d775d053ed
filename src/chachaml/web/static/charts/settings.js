// What people choose about charts, for all of them or for one section, and the popover where they do.

import { h } from "../lib/dom.js";
import { floating } from "../lib/menu.js";
import { PLAIN } from "./chart.js";

/** @typedef {import("./chart.js").Style} Style */
/** @typedef {Omit<Style, "groups"> & {grouped: boolean}} Settings `grouped`: where groups are given, whether they are drawn. */

/** @type {Settings} */
export const USUAL = { x: PLAIN.x, logX: false, logY: false, smoothing: 0, outliers: true, points: "auto", band: "range", grouped: true };

/**
 * The fields that a page's UrlState must have for the charts that it shows:
 * - `hidden`: ids of runs that are not drawn;
 * - `keys`: what metrics must have in their names, as a regular expression;
 * - `pinned`: metrics that come first; `order`: metrics in the order that somebody put them in; `closed`: folded sections;
 * - `zoom`: by name of the x axis, from where to where it goes;
 * - `panels`: under `list`, what panels.js shows on top;
 * - `charts`: settings that are not the usual ones, for all charts, and under `sections` those of single sections.
 */
export const WORKSPACE_STATE = {
  hidden: /** @type {string[]} */ ([]),
  keys: "",
  pinned: /** @type {string[]} */ ([]),
  order: /** @type {string[]} */ ([]),
  closed: /** @type {string[]} */ ([]),
  zoom: /** @type {Record<string, [number, number]>} */ ({}),
  panels: /** @type {{list?: import("./panels.js").Panel[]}} */ ({}),
  charts: /** @type {Partial<Settings> & {sections?: Record<string, Partial<Settings>>}} */ ({}),
};

/** Return how a section's charts are to look. @param {typeof WORKSPACE_STATE.charts} chosen @param {string} section @returns {Settings} */
export function settingsOf(chosen, section) {
  const { sections, ...all } = chosen ?? {};
  const found = { ...USUAL, ...all, ...sections?.[section] };
  // An address may be mistyped: what is none of ours is as usual.
  if (!["step", "relative", "wall"].includes(/** @type {any} */ (found.x)) && typeof (/** @type {any} */ (found.x)?.metric) !== "string") found.x = USUAL.x;
  if (!(found.smoothing >= 0 && found.smoothing < 1)) found.smoothing = USUAL.smoothing;
  return found;
}

/** Return the part of an x axis that is zoomed to, null for all. @param {typeof WORKSPACE_STATE.zoom} zoom @param {import("./curves.js").Axis} x @returns {[number, number] | null} */
export function windowOf(zoom, x) {
  const found = zoom?.[axisName(x)];
  return Array.isArray(found) && Number.isFinite(found[0]) && found[0] < found[1] && Number.isFinite(found[1]) ? [found[0], found[1]] : null;
}

/**
 * Return what was chosen, with something chosen differently.
 * @param {typeof WORKSPACE_STATE.charts} chosen @param {string | null} section null for all. @param {Partial<Settings>} change
 */
export function chosenAnew(chosen, section, change) {
  const { sections = {}, ...all } = chosen ?? {};
  const usual = section === null ? USUAL : { ...USUAL, ...all };
  const some = section === null ? { ...all, ...change } : { ...sections[section], ...change };
  const kept = Object.fromEntries(Object.entries(some).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(usual[/** @type {keyof Settings} */ (name)])));
  const others = section === null ? sections : { ...sections, [section]: kept };
  const left = Object.fromEntries(Object.entries(others).filter(([, those]) => Object.keys(those).length));
  return { ...(section === null ? kept : all), ...(Object.keys(left).length ? { sections: left } : {}) };
}

/** Return the name of an x axis, for `zoom`. @param {import("./curves.js").Axis} x */
export function axisName(x) {
  return typeof x === "string" ? x : `metric:${x.metric}`;
}

/**
 * Open the popover.
 * @param {HTMLElement} anchor
 * @param {object} about
 * @param {Settings} about.now
 * @param {string} about.title
 * @param {string[]} about.keys Metrics, for the x axis.
 * @param {boolean} about.groups Whether there are groups.
 * @param {(change: Partial<Settings>) => void} about.change
 * @param {(() => void) | null} about.reset Goes back to what is chosen for all.
 */
export function openSettings(anchor, about) {
  const { now, change } = about;
  floating(anchor, (close) => [
    h("h3", {}, about.title),
    xField(now, about.keys, change),
    h("div.chart-checks", {},
      check("Log x", now.logX, (logX) => change({ logX })),
      check("Log y", now.logY, (logY) => change({ logY })),
      check("Leave out outliers", !now.outliers, (without) => change({ outliers: !without }))),
    smoothingField(now.smoothing, (smoothing) => change({ smoothing })),
    choice("Points", now.points, { auto: "Where there are few", always: "Always", never: "Never" }, (points) => change({ points })),
    about.groups && check("One line for each group", now.grouped, (grouped) => change({ grouped })),
    about.groups && choice("Around it", now.band, { range: "Lowest to highest", sd: "Standard deviation" }, (band) => change({ band })),
    about.reset && h("button", { type: "button", onclick: () => { about.reset?.(); close(); } }, "As for all charts"),
  ], "menu chart-settings");
}

/** @param {Settings} now @param {string[]} keys @param {(change: Partial<Settings>) => void} change */
function xField(now, keys, change) {
  const other = typeof now.x === "object";
  const input = h("input", {
    list: "chart-keys", value: other ? /** @type {{metric: string}} */ (now.x).metric : "", placeholder: "metric", "aria-label": "Metric on the x axis", hidden: !other,
    onchange: () => { if (input.value.trim()) change({ x: { metric: input.value.trim() } }); },
  });
  const kinds = { step: "Step", relative: "Time since the start", wall: "Date and time", metric: "Another metric" };
  return h("label.field", {}, "Horizontal axis",
    h("select", {
      onchange: (/** @type {any} */ event) => {
        const kind = event.target.value;
        input.hidden = kind !== "metric";
        if (kind !== "metric") change({ x: kind });
        else input.focus();
      },
    }, Object.entries(kinds).map(([kind, name]) => h("option", { value: kind, selected: kind === (other ? "metric" : now.x) }, name))),
    input, h("datalist", { id: "chart-keys" }, keys.map((key) => h("option", { value: key }))));
}

/** @param {string} label @param {boolean} on @param {(on: boolean) => void} act */
function check(label, on, act) {
  return h("label", {}, h("input", { type: "checkbox", checked: on, onchange: (/** @type {any} */ event) => act(event.target.checked) }), label);
}

/** @param {number} now @param {(weight: number) => void} act */
function smoothingField(now, act) {
  const shown = h("output", {}, now.toFixed(2));
  return h("label.field", {}, h("span.chart-named", {}, "Smoothing", shown),
    h("input", {
      type: "range", min: 0, max: 0.99, step: 0.01, value: String(now), "aria-label": "Smoothing",
      oninput: (/** @type {any} */ event) => { shown.textContent = Number(event.target.value).toFixed(2); act(Number(event.target.value)); },
    }));
}

/** @param {string} label @param {string} now @param {Record<string, string>} names @param {(value: any) => void} act */
function choice(label, now, names, act) {
  return h("label.field", {}, label, h("select", { onchange: (/** @type {any} */ event) => act(event.target.value) },
    Object.entries(names).map(([value, name]) => h("option", { value, selected: value === now }, name))));
}
