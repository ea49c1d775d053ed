// Tiny charts.

import { fill, svg } from "./dom.js";

const WIDE = 84, HIGH = 20;

/** Draw values into an element; NaN leaves a gap. @param {Element} host @param {unknown[]} values Numbers, or texts for what JSON lacks. */
export function spark(host, values) {
  const numbers = values.map(Number);
  const finite = numbers.filter(Number.isFinite);
  if (finite.length < 2) { fill(host); return; }
  const low = Math.min(...finite), span = Math.max(...finite) - low || 1;
  let path = "", pen = "M";
  numbers.forEach((value, at) => {
    if (!Number.isFinite(value)) { pen = "M"; return; }
    path += `${pen}${(at / (numbers.length - 1) * WIDE).toFixed(1)} ${(HIGH - 2 - (value - low) / span * (HIGH - 4)).toFixed(1)}`;
    pen = "L";
  });
  fill(host, svg("svg", { class: "spark", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { d: path })));
}
