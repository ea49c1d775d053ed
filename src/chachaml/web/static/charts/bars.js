// A metric that every run has one value of: bars in order, for a line would be a dot.

import { fill, h } from "../lib/dom.js";
import { number, whole } from "../lib/format.js";
import { setFocus } from "./focus.js";

const MOST = 200;

/**
 * @param {HTMLElement} host @param {Map<string, import("./curves.js").Curve>} curves Each of one point; none at all says so.
 * @param {(run: string) => {name: string, colour: string}} about @param {number} height
 */
export function bars(host, curves, about, height) {
  host.style.height = `${height}px`;
  if (!curves.size) {
    fill(host, h("p.chart-none", {}, "no points"));
    return;
  }
  const rows = [...curves].map(([run, curve]) => ({ run, value: curve.mean[0], flags: curve.flags[0] }));
  rows.sort((one, other) => other.value - one.value || Number(Number.isNaN(one.value)) - Number(Number.isNaN(other.value)));
  const values = rows.map((row) => row.value).filter(Number.isFinite);
  const low = Math.min(0, ...values), high = Math.max(0, ...values);
  const share = (/** @type {number} */ value) => high > low ? (value - low) / (high - low) : 0;
  fill(host, h("div.chart-bars", { tabindex: "0" }, rows.slice(0, MOST).map((row) => {
    const { name, colour } = about(row.run);
    const odd = !Number.isFinite(row.value);
    const text = odd ? (row.flags & 4 ? "∞" : row.flags & 8 ? "-∞" : "NaN") : number(row.value);
    const [from, to] = odd ? [0, 0] : [share(Math.min(0, row.value)), share(Math.max(0, row.value))];
    return h("div.chart-bar", { title: `${name}: ${odd ? text : whole(row.value)}`, onmouseenter: () => setFocus(row.run), onmouseleave: () => setFocus("") },
      h("span.cut", {}, name),
      h("span.chart-bar-track", {}, h("i", { style: { left: `${100 * from}%`, width: `${100 * (to - from)}%`, background: colour } })),
      h("span.num", { class: odd ? "nan" : "" }, text));
  }), rows.length > MOST && h("p.faint", {}, `and ${rows.length - MOST} more`)));
}
