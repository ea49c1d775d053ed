// From curves to what is drawn: details put into the whole, smoothing, groups, and the range that shows it all.

import { placeOf } from "./curves.js";

/** @typedef {import("./curves.js").Curve} Curve */
/** @typedef {Map<string, Curve>} Curves */

/**
 * Return a curve with the part within a window in detail.
 * @param {Curve} whole @param {Curve} detail @param {[number, number]} window
 * @returns {Curve}
 */
export function withDetail(whole, detail, window) {
  const start = placeOf(whole.x, window[0]);
  let end = placeOf(whole.x, window[1]);
  while (end < whole.x.length && whole.x[end] === window[1]) end += 1;
  const join = (/** @type {"x" | "mean" | "low" | "high" | "flags"} */ name) => {
    const made = new /** @type {any} */ (whole[name].constructor)(start + detail.x.length + whole.x.length - end);
    made.set(whole[name].subarray(0, start));
    made.set(detail[name], start);
    made.set(whole[name].subarray(end), made.length - (whole.x.length - end));
    return made;
  };
  const mean = join("mean");
  const same = whole.low === whole.mean && detail.low === detail.mean;
  return { ...whole, x: join("x"), mean, low: same ? mean : join("low"), high: same ? mean : join("high"), flags: join("flags") };
}

/** @type {WeakMap<Float64Array, {weight: number, values: Float64Array}>} */
const known = new WeakMap();

/** Return what `smooth` makes of values, and keep it for the next time. @param {Float64Array} values @param {number} weight */
export function smoothed(values, weight) {
  const last = known.get(values);
  if (last?.weight === weight) return last.values;
  const made = smooth(values, weight);
  known.set(values, { weight, values: made });
  return made;
}

/**
 * Return an exponential moving average that its start does not draw to 0.
 * @param {Float64Array} values NaN is passed over. @param {number} weight From 0, nothing, to below 1, of what was before.
 */
export function smooth(values, weight) {
  const averages = new Float64Array(values.length);
  let average = 0, share = 1;
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (Number.isFinite(value)) {
      average = average * weight + (1 - weight) * value;
      share *= weight;
      averages[at] = average / (1 - share);
    } else averages[at] = NaN;
  }
  return averages;
}

/**
 * Return a curve for each group: the mean of its runs, with the lowest and highest of all, or the standard deviation around it.
 * @param {Curves} curves @param {Map<string, string>} groups The group of each run; those without are left out. @param {"range" | "sd"} band
 * @returns {Curves}
 */
export function grouped(curves, groups, band) {
  /** @type {Map<string, Curve[]>} */
  const members = new Map();
  for (const [run, curve] of curves) {
    const group = groups.get(run);
    if (group === undefined) continue;
    const known = members.get(group);
    if (known) known.push(curve);
    else members.set(group, [curve]);
  }
  return new Map([...members].map(([group, those]) => [group, together(those, band)]));
}

/** @param {Curve[]} curves @param {"range" | "sd"} band @returns {Curve} */
function together(curves, band) {
  const x = Float64Array.from(new Set(curves.flatMap((curve) => [...curve.x]))).sort();
  const [count, mean, squares] = [new Uint32Array(x.length), new Float64Array(x.length), new Float64Array(x.length)];
  const low = new Float64Array(x.length).fill(Infinity), high = new Float64Array(x.length).fill(-Infinity);
  const flags = new Uint8Array(x.length).fill(1);
  for (const curve of curves) {
    const own = onto(x, curve.x, curve.mean);
    const least = curve.low === curve.mean ? own : onto(x, curve.x, curve.low);
    const most = curve.high === curve.mean ? own : onto(x, curve.x, curve.high);
    for (let at = 0; at < x.length; at++) {
      if (!Number.isFinite(own[at])) continue;
      const off = own[at] - mean[at];
      count[at] += 1;
      mean[at] += off / count[at];
      squares[at] += off * (own[at] - mean[at]);
      low[at] = Math.min(low[at], least[at]);
      high[at] = Math.max(high[at], most[at]);
    }
    for (let at = 0; at < curve.flags.length; at++) if (curve.flags[at] > 1) flags[placeOf(x, curve.x[at])] |= curve.flags[at];
  }
  for (let at = 0; at < x.length; at++) {
    if (!count[at]) mean[at] = low[at] = high[at] = NaN;
    else if (band === "sd") {
      const around = count[at] > 1 ? Math.sqrt(squares[at] / (count[at] - 1)) : 0;
      low[at] = mean[at] - around;
      high[at] = mean[at] + around;
    }
  }
  return { x, mean, low, high, flags, points: Math.max(...curves.map((curve) => curve.points)) };
}

/** Return a column at other places, straight lines between its own; NaN outside of them. @param {Float64Array} x @param {Float64Array} own @param {Float64Array} column */
function onto(x, own, column) {
  const found = new Float64Array(x.length).fill(NaN);
  let next = 0;
  for (let at = 0; at < x.length; at++) {
    while (next < own.length && own[next] < x[at]) next += 1;
    if (next === own.length) break;
    if (own[next] === x[at]) found[at] = column[next];
    else if (next > 0) {
      const share = (x[at] - own[next - 1]) / (own[next] - own[next - 1]);
      found[at] = column[next - 1] * (1 - share) + column[next] * share;
    }
  }
  return found;
}

/** @typedef {{logY: boolean, outliers: boolean, window: [number, number] | null}} Shown `outliers`: whether even they are within the range. */

/**
 * Return from where to where the values of curves go.
 * @param {Iterable<Curve>} curves @param {Shown} how
 * @returns {[number, number] | null} null if there are none.
 */
export function rangeOf(curves, how) {
  let low = Infinity, high = -Infinity;
  /** @type {number[]} */
  const all = [];
  for (const curve of curves) {
    const [start, end] = how.window ? [placeOf(curve.x, how.window[0]), placeOf(curve.x, how.window[1])] : [0, curve.x.length];
    for (let at = start; at < Math.min(end + 1, curve.x.length); at++) {
      if (how.window && curve.x[at] > how.window[1]) break;
      const [least, most] = [curve.low[at], curve.high[at]];
      if (how.logY && !(most > 0)) continue;
      if (!how.outliers) all.push(least, most);
      if (least < low && !(how.logY && least <= 0)) low = least;
      if (most < low && how.logY && most > 0) low = most;
      if (most > high) high = most;
    }
  }
  if (!how.outliers && all.length) [low, high] = middling(all, how.logY) ?? [low, high];
  return low <= high ? [low, high] : null;
}

/** Return the range of all but the outermost fiftieth on both sides. @param {number[]} values @param {boolean} aboveZero @returns {[number, number] | null} */
function middling(values, aboveZero) {
  const sorted = Float64Array.from(values.filter((value) => aboveZero ? value > 0 : value === value)).sort();
  if (sorted.length < 8) return null;
  const cut = Math.max(1, Math.floor(sorted.length * 0.02));
  return [sorted[cut], sorted[sorted.length - 1 - cut]];
}
