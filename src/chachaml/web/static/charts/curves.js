// Asking for curves, and reading the packed answer: columns are views of its bytes, nothing is copied.

import { postForBytes } from "../lib/api.js";

/**
 * @typedef {object} Curve What is drawn for one run, or one group: columns of one length.
 * @property {Float64Array} x
 * @property {Float64Array} mean NaN where no value is finite.
 * @property {Float64Array} low
 * @property {Float64Array} high The same arrays as `mean` where no place has more than one point.
 * @property {Uint8Array} flags What a place has: 1 points, 2 NaN, 4 infinity, 8 minus infinity, added up.
 * @property {number} points How many there are, drawn or not.
 */

/** @typedef {{exact: boolean, curves: Map<string, Curve>}} Drawn A chart's curves by run; exact if no zoom shows more. */

/** @typedef {"step" | "relative" | "wall" | {metric: string}} Axis */

/** @typedef {{runs: string[], keys: string[], x: Axis, window: [number, number] | null, buckets: number, log_x: boolean}} Question */

export const NAN = 2, PLUS_INF = 4, MINUS_INF = 8;

/**
 * Ask for the charts of some keys over some runs.
 * @param {Question} question @param {AbortSignal} [signal]
 * @returns {Promise<Map<string, Drawn>>} By key.
 */
export async function ask(question, signal) {
  return read(await postForBytes("/api/curves", question, signal));
}

/** Read an answer of /api/curves. @param {ArrayBuffer} bytes @returns {Map<string, Drawn>} */
export function read(bytes) {
  const size = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size)));
  const floats = (/** @type {[number, number]} */ [at, count]) => new Float64Array(bytes, 4 + size + at, count);
  const found = new Map();
  for (const chart of head.charts) {
    const grid = floats(chart.x);
    const curves = new Map();
    for (const one of chart.runs) {
      const flags = new Uint8Array(bytes, 4 + size + one.flags[0], one.flags[1]);
      const mean = floats(one.mean);
      const same = one.min[0] === one.mean[0];
      curves.set(one.run, filled({
        x: grid.subarray(one.first, one.first + flags.length),
        mean, low: same ? mean : floats(one.min), high: same ? mean : floats(one.max), flags, points: one.points,
      }));
    }
    found.set(chart.key, { exact: chart.exact, curves });
  }
  return found;
}

/** Return a curve without its places that have no points. @param {Curve} curve @returns {Curve} */
function filled(curve) {
  if (!curve.flags.includes(0)) return curve;
  const { flags } = curve;
  const pick = (/** @type {any} */ column) => column.filter((/** @type {any} */ _, /** @type {number} */ at) => flags[at]);
  const mean = pick(curve.mean);
  const same = curve.low === curve.mean;
  return {
    ...curve, x: pick(curve.x), mean, low: same ? mean : pick(curve.low), high: same ? mean : pick(curve.high), flags: pick(flags),
  };
}

/** Return the first place at or behind x. @param {Float64Array} column Ascending. @param {number} x */
export function placeOf(column, x) {
  let low = 0, high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the place nearest to x. @param {Float64Array} column @param {number} x */
export function nearestPlace(column, x) {
  const at = placeOf(column, x);
  if (at === column.length) return at - 1;
  return at > 0 && x - column[at - 1] < column[at] - x ? at - 1 : at;
}
