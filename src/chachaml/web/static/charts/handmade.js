// A chart that somebody wrote by hand, as Vega-Lite. Its libraries are loaded when the first one is shown.
//
// Expressions are walked as trees, never made into functions, and no address is asked for anything: the pages' policy
// allows neither.

import { fill, h } from "../lib/dom.js";
import { token } from "../lib/colour.js";
import { askValues, saysRuns } from "./panel_parts.js";

const HEIGHT = 240;

/** @type {Promise<any> | null} */
let libraries = null;

function load() {
  libraries ??= (async () => {
    await import("../vendor/vega-6.4.0.js");
    await import("../vendor/vega-lite-6.5.0.js");
    const { expressionInterpreter } = await import("../vendor/vega-interpreter-2.3.2.js");
    const { vega, vegaLite } = /** @type {any} */ (globalThis);
    return { vega, vegaLite, interpreter: expressionInterpreter };
  })();
  return libraries;
}

/** Return the name of a field in the rows of a chart: dots mean something else there. @param {string} field As in searches. */
export function plainName(field) {
  return field.replace(/[^\p{L}\p{N}_-]+/gu, "_").replace(/^_+|_+$/g, "");
}

/** Return a chart to begin with. @param {string[]} fields */
export function usualChart(fields) {
  const [x, y] = fields.map(plainName);
  return JSON.stringify({
    mark: { type: "point", filled: true },
    encoding: { x: { field: x ?? "name", type: "quantitative" }, y: { field: y ?? x ?? "name", type: "quantitative" } },
  }, null, 2);
}

/** What refuses every address that a chart names. */
const NOTHING = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

function refuse() {
  return Promise.reject(new Error("a chart here gets its data from the runs, and asks for no address"));
}

export class Handmade {
  /** @param {HTMLElement} body */
  constructor(body) {
    this.place = h("div.handmade-place");
    this.body = body;
    /** @type {any} */
    this.view = null;
    this.turn = 0;
  }

  /** @param {{fields: string[]}} panel @param {Record<string, any>} query @param {AbortSignal} signal */
  async ask(panel, query, signal) {
    const [found] = await Promise.all([askValues(panel.fields, query, signal), load()]);
    return found;
  }

  leave() {
    this.view?.finalize();
    this.view = null;
  }

  /** @param {import("./panel_parts.js").Found} found @param {{fields: string[], chart?: string}} panel */
  draw(found, panel) {
    if (!this.place.isConnected) fill(this.body, this.place);
    this.show(found, panel).catch((error) => fill(this.place, h("p.panel-none.problem", {}, error.message)));
    return saysRuns(found.runs.length, found.runs.length);
  }

  async show(found, panel) {
    const turn = ++this.turn;
    const { vega, vegaLite, interpreter } = await load();
    const names = [...new Set([...found.fields, "name"])];
    const values = found.runs.map((run, at) => Object.fromEntries([["id", run], ...names.map((field) => [plainName(field), found.values[field][at]])]));
    const chart = JSON.parse(panel.chart || usualChart(panel.fields));
    const whole = { width: Math.max(120, this.body.clientWidth - 20), height: HEIGHT, autosize: { type: "fit", contains: "padding" }, ...chart, background: null, data: { values }, datasets: undefined };
    const { spec } = vegaLite.compile(whole, { config: colours(), logger: vega.logger(vega.None) });
    const view = new vega.View(vega.parse(spec, null, { ast: true }), { expr: interpreter, loader: NOTHING, renderer: "canvas", logLevel: vega.None });
    if (turn !== this.turn) return;
    this.leave();
    fill(this.place);
    this.view = view;
    await view.initialize(this.place).runAsync();
  }
}

/** The colours of the page, for what a chart does not say otherwise. */
function colours() {
  const [text, line, accent] = ["muted", "line", "accent"].map(token);
  const axis = { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal" };
  return { axis, legend: { labelColor: text, titleColor: text }, title: { color: text }, view: { stroke: "transparent" }, mark: { color: accent }, header: { labelColor: text, titleColor: text } };
}
