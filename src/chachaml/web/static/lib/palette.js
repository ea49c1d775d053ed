// The command palette: go to a page, a run, an experiment or a model, or do something, by typing a part of its name.

import { get, runUrl, url } from "./api.js";
import { afterSilence, fill, h, icon } from "./dom.js";
import { short } from "./format.js";

/** @typedef {{label: string, kind: string, icon: string, act: () => void}} Command */

/** @type {Command[]} */
const own = [];

/** Offer something to do in the palette. @param {string} label @param {string} picture @param {() => void} act */
export function command(label, picture, act) {
  own.push({ label, kind: "do", icon: picture, act });
}

/** @param {string} address */
const go = (address) => () => location.assign(address);

/** @returns {Command[]} */
function pages() {
  return /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll(".rail a")]).map((link) => ({
    label: link.textContent?.trim() ?? "", kind: "page", icon: link.querySelector("use")?.getAttribute("href")?.slice(3) ?? "runs", act: go(link.href),
  }));
}

/** Find runs, experiments and models by a part of their name. @param {string} text @param {AbortSignal} signal @returns {Promise<Command[]>} */
async function found(text, signal) {
  const quoted = text.replaceAll("'", "''").replaceAll("%", "");
  const byId = /^[0-9a-f]{4,32}$/.test(text) ? get(`/api/runs/${text}`, {}, signal).then((run) => [run], () => []) : Promise.resolve([]);
  const byName = get("/api/runs", { filter: `name ilike '%${quoted}%'`, columns: "name,experiment,status", limit: 8 }, signal).then((page) => page.runs, () => []);
  const [one, runs, experiments, models] = await Promise.all([
    byId, byName,
    get("/api/experiments", {}, signal).catch(() => []),
    get("/api/models", {}, signal).catch(() => []),
  ]);
  const has = (/** @type {{name: string}} */ each) => each.name.toLowerCase().includes(text.toLowerCase());
  return [
    ...[...one, ...runs].map((run) => ({ label: run.name || short(run.id), kind: `run in ${run.experiment}`, icon: "runs", act: go(runUrl(run.id)) })),
    ...experiments.filter(has).slice(0, 6).map((/** @type {any} */ each) => ({ label: each.name, kind: "experiment", icon: "experiments", act: go(url("/runs", { experiment: each.name })) })),
    ...models.filter(has).slice(0, 6).map((/** @type {any} */ each) => ({ label: each.name, kind: "model", icon: "models", act: go(url(`/models/${encodeURIComponent(each.name)}`)) })),
  ];
}

/** @param {string} text @returns {Command} */
const searchFor = (text) => ({ label: `Search for “${text}”`, kind: "everywhere", icon: "search", act: go(url("/search", { q: text })) });

/** Show the palette. */
export function openPalette() {
  if (document.querySelector("dialog.palette")) return;
  const input = h("input", { type: "search", placeholder: "Run, experiment, model, page, or what to do", "aria-label": "Go to or do", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list" });
  const list = h("ul", { role: "listbox", id: "palette-list" });
  const made = h("dialog.palette", { "aria-label": "Go to or do" }, input, list);
  const fixed = [...own, ...pages()];
  /** @type {Command[]} */
  let shown = [];
  let at = 0;
  let asking = new AbortController();

  const draw = () => {
    at = Math.max(0, Math.min(at, shown.length - 1));
    fill(list, shown.map((one, place) => h("li", {
      role: "option", id: `palette-${place}`, "aria-selected": String(place === at), onclick: () => choose(place),
    }, icon(one.icon), h("span.cut", {}, one.label), h("small", {}, one.kind))), !shown.length && h("p", {}, "Nothing of that name."));
    input.setAttribute("aria-activedescendant", `palette-${at}`);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  const choose = (/** @type {number} */ place) => { made.close(); shown[place]?.act(); };
  const near = (/** @type {string} */ text) => fixed.filter((one) => one.label.toLowerCase().includes(text.toLowerCase()));
  const look = afterSilence(async (/** @type {string} */ text) => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const more = await found(text, signal);
    if (!signal.aborted) { shown = [...near(text), ...more, searchFor(text)]; draw(); }
  }, 120);

  input.addEventListener("input", () => {
    const text = input.value.trim();
    shown = near(text);
    at = 0;
    draw();
    if (text) look(text);
  });
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % Math.max(shown.length, 1);
      draw();
    } else if (event.key === "Enter") { event.preventDefault(); choose(at); }
  });
  made.addEventListener("close", () => { asking.abort(); made.remove(); });
  made.addEventListener("click", (/** @type {Event} */ event) => { if (event.target === made) made.close(); });
  document.body.append(made);
  made.showModal();
  shown = fixed;
  draw();
}
