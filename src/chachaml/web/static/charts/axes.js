// How the axes of charts look, and what stands beside them.

import { token } from "../lib/colour.js";
import { duration, number } from "../lib/format.js";

/** @typedef {import("./curves.js").Axis} Axis */

const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const MINUTE = 60, HOUR = 3600, DAY = 86400;
const SPANS = [
  1e-6, 1e-5, 1e-4, 0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 50 * DAY, 100 * DAY, 500 * DAY, 1000 * DAY, 1e4 * DAY,
];

/** Return a number of steps in short: 1.5M. @param {number} n */
function steps(n) {
  const size = Math.abs(n);
  if (size >= 1e9 || !Number.isInteger(n)) return number(n);
  if (size >= 1e6) return `${number(n / 1e6)}M`;
  return size >= 1e4 ? `${number(n / 1e3)}k` : String(n);
}

/** Return a span of time in short: 1h 30m. @param {number} seconds */
function span(seconds) {
  if (seconds === 0) return "0";
  const size = Math.abs(seconds), sign = seconds < 0 ? "-" : "";
  if (size < MINUTE) return `${number(seconds)}s`;
  const parts = [[Math.floor(size / DAY), "d"], [Math.floor(size / HOUR) % 24, "h"], [Math.floor(size / MINUTE) % 60, "m"], [Math.round(size % MINUTE), "s"]];
  return sign + parts.filter(([count]) => count).slice(0, 2).map(([count, unit]) => `${count}${unit}`).join(" ");
}

/** Return what a place on the x axis is called. @param {Axis} x @param {number} value */
export function placeName(x, value) {
  if (x === "step") return `step ${Math.round(value).toLocaleString("en-US")}`;
  if (x === "relative") return value < 0 ? `-${duration(-value)}` : duration(value);
  if (x === "wall") return new Date(value * 1000).toLocaleString("sv-SE");
  return `${x.metric} ${number(value, 6)}`;
}

/** Return what the axes of a chart look like. @param {Axis} x */
export function axesOf(x) {
  const [text, line] = [token("muted"), token("line")];
  const shared = { font: FONT, stroke: text, gap: 4 };
  const grid = { stroke: line, width: 1 };
  const ticks = { stroke: line, width: 1, size: 4 };
  const own = x === "wall" ? {} : x === "relative" ? { incrs: SPANS, values: named(span) } : { values: named(x === "step" ? steps : number) };
  return [
    { ...shared, grid: { show: false }, ticks, size: 28, space: 60, ...own },
    { ...shared, grid, ticks: { show: false }, space: 32, values: named(number), size: wideEnough },
  ];
}

/** @param {(value: number) => string} name */
function named(name) {
  return (/** @type {any} */ _, /** @type {(number | null)[]} */ values) => values.map((value) => value === null ? "" : name(value));
}

/** @param {any} plot @param {string[] | null} values @param {number} axis @param {number} cycle */
function wideEnough(plot, values, axis, cycle) {
  if (cycle > 1) return plot.axes[axis]._size;
  plot.ctx.font = FONT;
  const widths = (values ?? []).map((value) => plot.ctx.measureText(value).width);
  return Math.ceil(Math.max(28, ...widths) + 10);
}
