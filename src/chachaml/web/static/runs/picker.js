// Choosing columns and groups: what runs have, what varies first.

import { fill, h, icon } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { floating } from "../lib/menu.js";
import { ATTRIBUTES, columnOf, fieldOf } from "./columns.js";

/** @typedef {import("./columns.js").Facet} Facet */

/**
 * Choose among fields.
 * @param {HTMLElement} anchor
 * @param {{title: string, facets: Facet[], chosen: string[], onChoose: (fields: string[]) => void, usual?: () => void, parts?: boolean}} about
 */
export function pick(anchor, about) {
  let chosen = [...about.chosen];
  let varying = true;
  const list = h("div.fields");
  const find = h("input", { type: "search", placeholder: "Find a param, metric or tag", "aria-label": "Find", autofocus: true, oninput: () => draw() });
  const change = (next) => { chosen = next; about.onChoose(chosen); draw(); };
  const toggle = (field) => change(chosen.includes(field) ? chosen.filter((one) => one !== field) : [...chosen, field]);

  const option = (field, label, says) => h("label.field-option", {},
    h("input", { type: "checkbox", checked: chosen.includes(field), onchange: () => toggle(field) }),
    h("span.cut", { title: field }, label), h("small.muted.cut", {}, says));

  const draw = () => {
    const wanted = find.value.trim().toLowerCase();
    const meets = (text) => text.toLowerCase().includes(wanted);
    const keyed = about.facets.filter((one) => meets(one.key) && (!varying || wanted || one.distinct > 1));
    const left = about.facets.filter((one) => one.distinct <= 1).length;
    fill(list,
      ...(chosen.length ? [h("h3", {}, "Shown"), ...chosen.map((field) => option(field, columnOf(field).label, columnOf(field).kind))] : []),
      ...["metric", "param", "tag"].flatMap((kind) => {
        const some = keyed.filter((one) => one.kind === kind && !chosen.includes(fieldOf(kind, one.key))).slice(0, 200);
        return some.length ? [h("h3", {}, `${kind}s`), ...some.map((one) => option(fieldOf(kind, one.key), one.key, saysOf(one)))] : [];
      }),
      h("h3", {}, "Of every run"),
      Object.entries(ATTRIBUTES).filter(([field, { label }]) => meets(label) && !chosen.includes(field)).map(([field, { label }]) => option(field, label, "")),
      left > 0 && !wanted && h("button", { type: "button", onclick: () => { varying = !varying; draw(); } }, varying ? `Show ${left} more that are the same in all runs` : "Only what varies"));
  };
  draw();
  floating(anchor, () => [h("div.pick-head", {}, find, about.usual && h("button", { type: "button", onclick: () => { about.usual?.(); chosen = []; draw(); } }, "As usual")), list], "picker");
}

/** @param {Facet} one */
function saysOf(one) {
  if (one.min !== null && one.max !== null && one.max !== one.min) return `${number(one.min)} to ${number(one.max)}`;
  return one.distinct > 1 ? `${one.distinct} values` : "the same in all";
}

/**
 * Offer what can be done with a column.
 * @param {HTMLElement} anchor
 * @param {import("./columns.js").Column} column
 * @param {{onSort: (way: string) => void, onRemove: () => void, onGroup: () => void, onPart: (field: string) => void, onSpark: () => void, onFirst: () => void}} acts
 */
export function columnMenu(anchor, column, acts) {
  floating(anchor, (close) => {
    const item = (label, act, picture) => h("button", { type: "button", onclick: () => { close(); act(); } }, picture && icon(picture), label);
    return [
      h("h3", {}, column.field),
      item("Sort ascending", () => acts.onSort("asc"), "up"),
      item("Sort descending", () => acts.onSort("desc"), "down"),
      h("hr"),
      item("Group by it", acts.onGroup, "group"),
      item("Move to the front", acts.onFirst, "pin"),
      item("Remove the column", acts.onRemove, "close"),
      column.kind === "metric" && [h("hr"), ["last", "min", "max", "mean"].filter((part) => part !== column.part).map((part) => item(`Show its ${part}`, () => acts.onPart(fieldOf("metric", column.key, part)))),
        item("Draw it beside names", acts.onSpark, "chart")],
    ];
  });
}
