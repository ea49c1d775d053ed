// Curves in an answer: what the model looked up of a metric is drawn, once for each call.

import { chart } from "../charts/chart.js";
import { ask } from "../charts/curves.js";
import { runUrl } from "../lib/api.js";
import { colourOf } from "../lib/colour.js";
import { fill, h } from "../lib/dom.js";

const HEIGHT = 180;
const MOST_RUNS = 20;

/** @type {Map<any, {element: HTMLElement, chart: import("../charts/chart.js").Chart}>} */
const drawn = new Map();

/**
 * Return the drawing of a call that gave points of a metric, null for any other call.
 * @param {{name: string, arguments: any, runs?: string[], error?: string}} call
 * @returns {HTMLElement | null}
 */
export function curves(call) {
  const metric = call.arguments?.metric;
  if (call.name !== "get_series" || call.error || !call.runs?.length || typeof metric !== "string") return null;
  const known = drawn.get(call);
  if (known) return known.element;
  const keys = h("div.keys", {});
  const element = h("figure.curves", {}, h("figcaption", {}, metric), keys);
  const made = chart(element, { title: `${metric} of ${call.runs.length} runs`, height: HEIGHT });
  drawn.set(call, { element, chart: made });
  made.onShown = () => fill(keys, [...made.shown.keys()].map(key));
  draw(made, element, call.runs.slice(0, MOST_RUNS), metric);
  return element;
}

/** Return whose colour is which. @param {string} run */
function key(run) {
  return h("a", { href: runUrl(run) }, h("i.dot", { style: { background: colourOf(run) } }), run.slice(-8));
}

/** @param {import("../charts/chart.js").Chart} made @param {HTMLElement} element @param {string[]} runs @param {string} metric */
async function draw(made, element, runs, metric) {
  try {
    const found = await ask({ runs, keys: [metric], x: "step", window: null, buckets: 400, log_x: false });
    made.setData(found.get(metric)?.curves ?? new Map(), new Map(runs.map((run) => [run, run.slice(-8)])));
  } catch {
    element.hidden = true; // the numbers are in what the tool answered
  }
}

/** Let go of all drawings. */
export function forgetCurves() {
  for (const one of drawn.values()) one.chart.destroy();
  drawn.clear();
}
