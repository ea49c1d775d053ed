// The small curve beside a run's name, of one metric, for the rows in view.

import { get } from "../lib/api.js";
import { colourOf } from "../lib/colour.js";
import { afterSilence } from "../lib/dom.js";
import { sparkline } from "../lib/spark.js";

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
  const made = sparkline(steps, values.map(Number), 56, 16);
  made.id = `spark-${run}-${steps.length}-${values.at(-1)}`;
  for (const line of made.querySelectorAll("path")) line.style.stroke = colourOf(run);
  return made;
}
