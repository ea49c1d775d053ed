// The small curve beside a run's name, of one metric, for the rows in view.

import { get } from "../lib/api.js";
import { colourOf } from "../lib/colour.js";
import { afterSilence, svg } from "../lib/dom.js";

const WIDTH = 56;
const HEIGHT = 16;
const POINTS = 40;

export class Sparks {
  /** @param {import("./table.js").Table} table */
  constructor(table) {
    this.table = table;
    this.metric = "";
    /** @type {Map<string, string>} Of a run, how many points its curve was drawn with. */
    this.known = new Map();
    this.ask = afterSilence((runs) => this.fetch(runs), 120);
  }

  /** Draw another metric. @param {string} metric */
  choose(metric) {
    if (metric === this.metric) return;
    this.metric = metric;
    this.known.clear();
    this.table.sparks.clear();
  }

  /** See to the curves of runs in view. @param {any[]} runs */
  show(runs) {
    if (!this.metric) return;
    const missing = runs.filter((run) => {
      const count = run.summaries[this.metric]?.count ?? 0;
      return count > 1 && this.known.get(run.id) !== String(count);
    });
    if (missing.length) this.ask(missing);
  }

  async fetch(runs) {
    const { metric } = this;
    for (const run of runs) this.known.set(run.id, String(run.summaries[metric]?.count ?? 0));
    const found = await get("/api/series", { ids: runs.map((run) => run.id).join(","), metric, max_points: POINTS }).catch(() => []);
    if (metric !== this.metric) return;
    for (const series of found) this.table.sparks.set(series.run, drawn(series));
    if (found.length) this.table.draw();
  }
}

function drawn({ run, steps, values }) {
  const points = steps.map((step, at) => [step, Number(values[at])]).filter(([, value]) => Number.isFinite(value));
  const made = svg("svg", { class: "spark", id: `spark-${run}-${steps.length}-${values.at(-1)}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  if (points.length < 2) return made;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const text = points.map(([x, y], at) => {
    const px = 1 + ((x - left) / (right - left || 1)) * (WIDTH - 2);
    const py = HEIGHT - 2 - ((y - low) / (high - low || 1)) * (HEIGHT - 4);
    return `${at ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`;
  });
  const line = svg("path", { d: text.join("") });
  line.style.stroke = colourOf(run);
  made.append(line);
  return made;
}
