// Where values stand on an axis, from 0 to 1: numbers, on a logarithmic axis if they span decades, or else categories.

import { number, value as asText } from "../lib/format.js";
import { groupFilter } from "../runs/groups.js";

/**
 * @typedef {[number, number] | any[][]} Brush From where to where, both included; or the categories, each in a list of its own.
 * @typedef {object} Scale
 * @property {"number" | "log" | "category"} kind
 * @property {number} distinct How many values there are.
 * @property {(value: any) => number | null} place null for none, and for what is no finite number among numbers.
 * @property {{at: number, text: string}[]} ticks
 * @property {(low: number, high: number) => Brush | null} between What lies between two places; null for nothing.
 */

const TICKS = 7;
/** How near ticks stand at most, where each value has one. */
const NEAR = 0.07;
const LABELS = 12;
const ODD = new Set(["NaN", "Infinity", "-Infinity"]);
const clamp = (/** @type {number} */ share) => Math.max(0, Math.min(1, share));

/** Return the scale of some values. @param {any[]} values @returns {Scale} */
export function scaleOf(values) {
  const given = values.filter((one) => one !== null && one !== undefined);
  const numbers = given.filter(Number.isFinite);
  return given.every((one) => typeof one === "number" || ODD.has(one)) && numbers.length ? ofNumbers(numbers) : ofCategories(given);
}

/** @param {number[]} numbers @returns {Scale} */
function ofNumbers(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const low = sorted[0], high = sorted[sorted.length - 1];
  // Half of evenly spread numbers are near the highest, however small the lowest happens to be.
  const log = low > 0 && high / low > 1000 && high / sorted[(sorted.length - 1) >> 1] > 10;
  const to = log ? Math.log10 : Number, from = (/** @type {number} */ x) => (log ? 10 ** x : x);
  const start = to(low), span = to(high) - to(low);
  // Rounded outwards, so that what lies at the end of a brush is in it.
  const value = (/** @type {number} */ share, /** @type {-1 | 1} */ way) => {
    const found = from(start + share * span), unit = 10 ** (Math.floor(Math.log10(Math.abs(found) || 1)) - 4);
    return Number(((way < 0 ? Math.floor(found / unit) : Math.ceil(found / unit)) * unit).toPrecision(6));
  };
  const each = [...new Set(sorted)];
  const place = (/** @type {number} */ one) => (span > 0 ? (to(one) - start) / span : 0.5);
  const few = each.length <= TICKS && each.every((one, at) => !at || place(one) - place(each[at - 1]) > NEAR);
  return {
    kind: log ? "log" : "number",
    distinct: each.length,
    place: (one) => (Number.isFinite(one) && (!log || one > 0) ? place(one) : null),
    ticks: (few ? each : steps(to(low), to(high), log).map(from)).map((one) => ({ at: place(one), text: number(one) })),
    between: (a, b) => (span > 0 ? [value(clamp(a), -1), value(clamp(b), 1)] : a <= 0.5 && b >= 0.5 ? [low, high] : null),
  };
}

/** Return round numbers. @param {number} low @param {number} high @param {boolean} whole */
function steps(low, high, whole) {
  const rough = (high - low) / TICKS, power = 10 ** Math.floor(Math.log10(rough));
  const unit = (/** @type {number[]} */ ([1, 2, 5, 10]).find((one) => one * power >= rough) ?? 10) * power;
  const step = whole ? Math.max(1, Math.ceil(unit)) : unit;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** @param {any[]} given @returns {Scale} */
function ofCategories(given) {
  const all = [...new Map(given.map((one) => [JSON.stringify(one), one])).values()].sort((a, b) => asText(a).localeCompare(asText(b), "en", { numeric: true }));
  const at = new Map(all.map((one, place) => [JSON.stringify(one), (place + 0.5) / all.length]));
  const each = Math.ceil(all.length / LABELS);
  return {
    kind: "category",
    distinct: all.length,
    place: (one) => at.get(JSON.stringify(one)) ?? null,
    ticks: all.flatMap((one, place) => (place % each ? [] : [{ at: (place + 0.5) / all.length, text: asText(one) }])),
    between: (a, b) => {
      const some = all.filter((_, place) => (place + 0.5) / all.length >= a && (place + 0.5) / all.length <= b);
      return some.length ? some.map((one) => [one]) : null;
    },
  };
}

/** @param {Brush} brush @returns {brush is any[][]} */
const isCategories = (brush) => Array.isArray(brush[0]);

/** Tell whether an address's brush is one. @param {any} brush */
export function isBrush(brush) {
  return Array.isArray(brush) && brush.length > 0 && (brush.every((one) => Array.isArray(one) && one.length === 1) || (brush.length === 2 && brush.every(Number.isFinite)));
}

/** Tell whether a brush holds a value. @param {Brush} brush @param {any} value */
export function holds(brush, value) {
  if (isCategories(brush)) return brush.some(([one]) => JSON.stringify(one) === JSON.stringify(value));
  return Number.isFinite(value) && value >= brush[0] && value <= brush[1];
}

/** Return from where to where a brush goes on an axis; null if it is of another kind. @param {Brush} brush @param {Scale} scale */
export function extent(brush, scale) {
  const half = scale.kind === "category" ? 0.5 / scale.distinct : 0;
  const places = (isCategories(brush) ? brush.map(([one]) => one) : brush).map(scale.place).filter((one) => one !== null);
  return places.length ? [clamp(Math.min(...places) - half), clamp(Math.max(...places) + half)] : null;
}

/** Return a brush as a condition of a search. @param {string} field @param {Brush} brush */
export function condition(field, brush) {
  if (!isCategories(brush)) return `${field} >= ${brush[0]} and ${field} <= ${brush[1]}`;
  const any = brush.map((one) => groupFilter([field], one));
  return any.length > 1 ? `(${any.join(" or ")})` : any[0];
}
