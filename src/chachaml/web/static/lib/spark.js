// Tiny charts.

import { fill, svg } from "./dom.js";

/**
 * Return a curve without axes; NaN leaves a gap, and with fewer than two finite values there is none.
 * @param {number[]} xs @param {number[]} ys @param {number} wide @param {number} high
 */
export function sparkline(xs, ys, wide, high) {
  const made = svg("svg", { class: "spark", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const finite = ys.filter(Number.isFinite);
  if (finite.length < 2) return made;
  const [left, low] = [Math.min(...xs), Math.min(...finite)];
  const [width, height] = [Math.max(...xs) - left || 1, Math.max(...finite) - low || 1];
  let path = "", pen = "M";
  ys.forEach((y, at) => {
    if (!Number.isFinite(y)) { pen = "M"; return; }
    path += `${pen}${(1 + (xs[at] - left) / width * (wide - 2)).toFixed(1)} ${(high - 2 - (y - low) / height * (high - 4)).toFixed(1)}`;
    pen = "L";
  });
  made.append(svg("path", { d: path }));
  return made;
}

/** Draw values into an element. @param {Element} host @param {unknown[]} values Numbers, or texts for what JSON lacks. */
export function spark(host, values) {
  fill(host, sparkline(values.map((_, at) => at), values.map(Number), 84, 20));
}
