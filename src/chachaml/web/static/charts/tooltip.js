// What stands beside the pointer: the values of the nearest runs, in order.

import { fill, h } from "../lib/dom.js";

/** @typedef {{name: string, colour: string, value: string, odd: boolean, range: string, marked: boolean}} Row */

/** @type {any} */
let made = null;

/**
 * Show values beside the pointer.
 * @param {Element} place What lies over it lies over the page too: the open dialog, or the body.
 * @param {{x: number, y: number}} pointer In the window. @param {string} title @param {Row[]} rows @param {string} more What is left out, in words.
 */
export function showTooltip(place, pointer, title, rows, more) {
  const tip = made ??= h("div.chart-tip");
  if (tip.parentNode !== place) place.append(tip);
  fill(tip, h("div.chart-tip-x", {}, title), h("table", {}, rows.map((row) => h("tr", { class: row.marked ? "on" : "" },
    h("td", {}, h("i.dot", { style: { background: row.colour } })),
    h("td.cut", {}, row.name),
    h("td.num", { class: row.odd ? "nan" : "" }, row.value),
    h("td.faint", {}, row.range)))), more && h("div.faint", {}, more));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = pointer.x + 16 + width > innerWidth ? pointer.x - 16 - width : pointer.x + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, Math.min(pointer.y + 14, innerHeight - height - 4))}px`;
}

export function hideTooltip() {
  if (made) made.hidden = true;
}
