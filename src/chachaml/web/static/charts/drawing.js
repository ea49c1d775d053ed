// Curves on a canvas: lines, what lies between lowest and highest, and marks where a value is none.

import { MINUS_INF, NAN, PLUS_INF, placeOf } from "./curves.js";
import { smoothed } from "./transform.js";

/** @typedef {import("./curves.js").Curve} Curve */

/**
 * @typedef {object} Plane Where values are on a canvas.
 * @property {CanvasRenderingContext2D} ctx
 * @property {number} left @property {number} top @property {number} width @property {number} height In the canvas' pixels.
 * @property {number} ratio Its pixels in one of the page's.
 * @property {[number, number]} x @property {[number, number]} y From where to where the axes go.
 * @property {boolean} logX @property {boolean} logY
 */

/**
 * @typedef {object} Look
 * @property {number} smoothing @property {"auto" | "always" | "never"} points
 * @property {boolean} dense Whether there are so many curves that each gets less ink.
 * @property {number} faint How strong the area from lowest to highest is.
 */

const FAR = 1e5;
/** Where a logarithmic axis has what is not above 0: far below, and no line goes there. */
const NOWHERE = 2 * FAR;
const SPIKE = 3;
const ROOM_OF_A_POINT = 9;

/**
 * Return a function from values to pixels.
 * @param {[number, number]} range @param {boolean} log @param {number} start @param {number} length
 * @returns {(value: number) => number}
 */
function scale(range, log, start, length) {
  const turned = log ? Math.log10 : (/** @type {number} */ value) => value;
  const low = turned(range[0]);
  const factor = length / (turned(range[1]) - low);
  return (value) => {
    if (log && value <= 0) return -Math.sign(length) * NOWHERE;
    const pixel = start + (turned(value) - low) * factor;
    return pixel > FAR ? FAR : pixel < -FAR ? -FAR : pixel;
  };
}

/** Return where x and y are on a plane. @param {Plane} plane */
export function scales(plane) {
  return {
    toX: scale(plane.x, plane.logX, plane.left, plane.width),
    toY: scale(plane.y, plane.logY, plane.top + plane.height, -plane.height),
  };
}

/**
 * Draw a curve.
 * @param {Plane} plane @param {Curve} curve @param {string} colour @param {Look} look @param {number} [thickness] In the page's pixels.
 */
export function drawCurve(plane, curve, colour, look, thickness = look.dense ? 1 : 1.5) {
  const { ctx, ratio } = plane;
  const { toX, toY } = scales(plane);
  const start = Math.max(0, placeOf(curve.x, plane.x[0]) - 1);
  const end = Math.min(curve.x.length, placeOf(curve.x, plane.x[1]) + 2);
  if (end <= start) return;
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineJoin = "round";
  if (curve.low !== curve.mean) {
    if (!look.dense) drawBand(plane, curve, start, end, toX, toY, look.faint);
    drawSpikes(plane, curve, start, end, toX, toY, look.dense ? 0.1 : 0);
  }
  ctx.lineWidth = thickness * ratio;
  if (look.smoothing > 0) {
    ctx.globalAlpha = 0.22;
    ctx.stroke(lineOf(curve.x, curve.mean, start, end, toX, toY));
    ctx.globalAlpha = 1;
    ctx.stroke(lineOf(curve.x, smoothed(curve.mean, look.smoothing), start, end, toX, toY));
  } else {
    ctx.globalAlpha = look.dense ? 0.75 : 1;
    ctx.stroke(lineOf(curve.x, curve.mean, start, end, toX, toY));
    ctx.globalAlpha = 1;
  }
  const roomy = (end - start) * ROOM_OF_A_POINT * ratio < plane.width && !look.dense;
  if (look.points === "always" || end - start === 1 || (look.points === "auto" && roomy)) {
    drawPoints(plane, curve, start, end, toX, toY, thickness);
  }
}

/** @param {Float64Array} x @param {Float64Array} values @param {number} start @param {number} end @param {(x: number) => number} toX @param {(y: number) => number} toY */
function lineOf(x, values, start, end, toX, toY) {
  const path = new Path2D();
  let pen = false;
  for (let at = start; at < end; at++) {
    const value = values[at];
    const py = toY(value);
    if (value !== value || py === NOWHERE) pen = false;
    else if (pen) path.lineTo(toX(x[at]), py);
    else { path.moveTo(toX(x[at]), py); pen = true; }
  }
  return path;
}

/** @param {Plane} plane @param {Curve} curve @param {number} start @param {number} end @param {(x: number) => number} toX @param {(y: number) => number} toY @param {number} alpha */
function drawBand({ ctx }, curve, start, end, toX, toY, alpha) {
  const path = new Path2D();
  for (let from = start; from < end;) {
    if (Number.isNaN(curve.low[from])) { from += 1; continue; }
    let to = from;
    while (to < end && !Number.isNaN(curve.low[to])) to += 1;
    for (let at = from; at < to; at++) {
      const [px, py] = [toX(curve.x[at]), toY(curve.high[at])];
      if (at === from) path.moveTo(px, py);
      else path.lineTo(px, py);
    }
    for (let at = to - 1; at >= from; at--) path.lineTo(toX(curve.x[at]), toY(curve.low[at]));
    path.closePath();
    from = to;
  }
  ctx.globalAlpha = alpha;
  ctx.fill(path);
  ctx.globalAlpha = 1;
}

/**
 * Draw what goes from lowest to highest: clearly where it goes further than beside it, as faint as said elsewhere.
 * @param {Plane} plane @param {Curve} curve @param {number} start @param {number} end @param {(x: number) => number} toX @param {(y: number) => number} toY @param {number} faint
 */
function drawSpikes({ ctx, ratio }, curve, start, end, toX, toY, faint) {
  const clear = new Path2D(), others = new Path2D();
  const far = SPIKE * ratio;
  const lows = new Float64Array(end - start), highs = new Float64Array(end - start);
  for (let at = start; at < end; at++) {
    lows[at - start] = toY(curve.low[at]);
    highs[at - start] = toY(curve.high[at]);
  }
  for (let at = 0; at < lows.length; at++) {
    const [low, high] = [lows[at], highs[at]];
    if (!(low - high >= far)) continue;
    const [before, behind] = [Math.max(0, at - 2), Math.min(lows.length - 1, at + 2)];
    const above = Math.min(highs[before], highs[behind]) - high, below = low - Math.max(lows[before], lows[behind]);
    const spike = Math.max(above, below) > 2 * far;
    if (!spike && !faint) continue;
    const px = toX(curve.x[start + at]);
    const path = spike ? clear : others;
    path.moveTo(px, low);
    path.lineTo(px, high);
  }
  ctx.lineWidth = ratio;
  ctx.globalAlpha = faint;
  if (faint) ctx.stroke(others);
  ctx.globalAlpha = faint ? 0.35 : 0.7;
  ctx.stroke(clear);
  ctx.globalAlpha = 1;
}

/** @param {Plane} plane @param {Curve} curve @param {number} start @param {number} end @param {(x: number) => number} toX @param {(y: number) => number} toY @param {number} thickness */
function drawPoints({ ctx, ratio }, curve, start, end, toX, toY, thickness) {
  const path = new Path2D();
  for (let at = start; at < end; at++) {
    const value = curve.mean[at];
    const [px, py] = [toX(curve.x[at]), toY(value)];
    if (value !== value || py === NOWHERE) continue;
    path.moveTo(px, py);
    path.arc(px, py, (1 + thickness) * ratio, 0, 7);
  }
  ctx.fill(path);
}

/**
 * Mark where values are NaN (a cross by the value before) or infinite (a triangle at the edge).
 * @param {Plane} plane @param {Curve} curve @param {string} colour
 */
export function drawOddOnes(plane, curve, colour) {
  const { ctx, ratio, top, height, left, width } = plane;
  const { toX, toY } = scales(plane);
  const size = 3 * ratio;
  const path = new Path2D();
  let before = NaN, free = -Infinity;
  for (let at = 0; at < curve.x.length; at++) {
    if (curve.mean[at] === curve.mean[at]) before = curve.mean[at];
    if (curve.flags[at] < NAN) continue;
    const px = toX(curve.x[at]);
    if (px < left || px > left + width || px < free) continue;
    free = px + 3 * size;
    if (curve.flags[at] & NAN) cross(path, px, Number.isNaN(before) ? top + height - 2 * size : within(toY(before), top + size, top + height - size), size);
    if (curve.flags[at] & PLUS_INF) triangle(path, px, top + 1, size);
    if (curve.flags[at] & MINUS_INF) triangle(path, px, top + height - 1, -size);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5 * ratio;
  ctx.stroke(path);
}

/** @param {number} value @param {number} low @param {number} high */
function within(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

/** @param {Path2D} path @param {number} x @param {number} y @param {number} size */
function cross(path, x, y, size) {
  path.moveTo(x - size, y - size);
  path.lineTo(x + size, y + size);
  path.moveTo(x - size, y + size);
  path.lineTo(x + size, y - size);
}

/** @param {Path2D} path @param {number} x @param {number} y @param {number} size */
function triangle(path, x, y, size) {
  path.moveTo(x, y);
  path.lineTo(x - size, y + 1.6 * size);
  path.lineTo(x + size, y + 1.6 * size);
  path.closePath();
}
