// How much a metric depends on each param, by itself: a bar for each, and which way it goes.

import { get } from "../lib/api.js";
import { colourAt } from "../lib/colour.js";
import { fill, h } from "../lib/dom.js";
import { value as asText } from "../lib/format.js";
import { columnOf } from "../runs/columns.js";

/** @typedef {{param: string, importance: number, correlation: number | null, best: any, runs: number, values: number}} Weight */
/** @typedef {{metric: string, direction: "min" | "max", runs: number, params: Weight[], about: string}} Found */

const MOST = 20;
/** What is weaker says no direction. */
const WEAK = 0.2;

export class Importance {
  /** @param {HTMLElement} body */
  constructor(body) {
    this.body = body;
  }

  /** @param {{fields: string[]}} panel @param {Record<string, any>} query @param {AbortSignal} signal @returns {Promise<Found | null>} null where nothing can be asked. */
  async ask({ fields: [field] }, { filter, experiment, status, archived }, signal) {
    if (!field || archived) return null;
    const conditions = [filter && `(${filter})`, status && `status = '${status}'`].filter(Boolean);
    return get("/api/importance", { metric: columnOf(field).key, experiment, filter: conditions.join(" and ") }, signal);
  }

  leave() {}

  /** @param {Found | null} found */
  draw(found) {
    const why = !found ? "Choose a metric, and runs that are not archived." : !found.runs ? "No run that matches has this metric." : !found.params.length ? "No param has several values over five runs or more that have this metric." : "";
    if (!found || why) {
      fill(this.body, h("p.panel-none", {}, why));
      return found?.runs ? found.about : "";
    }
    const best = found.direction === "min" ? "Lowest at" : "Highest at";
    fill(this.body, h("div.importance-table", { tabindex: "0", role: "group", "aria-label": `What ${found.metric} depends on` }, h("table", {},
      h("thead", {}, h("tr", {}, ["Param", "Share", "", "As it grows", best].map((name) => h(name ? "th" : "td", {}, name)))),
      h("tbody", {}, found.params.slice(0, MOST).map((one) => this.row(one))))));
    const more = found.params.length - MOST;
    return [found.about, more > 0 && `${more} more params`].filter(Boolean).join("; ");
  }

  /** @param {Weight} one */
  way({ importance, correlation }) {
    if (correlation === null) return "";
    if (Math.abs(correlation) < WEAK) return importance > WEAK ? "↕ both ways" : "";
    return correlation > 0 ? "↑ rises" : "↓ falls";
  }

  /** @param {Weight} one */
  row(one) {
    const { param, importance, correlation, best, runs, values } = one;
    const way = this.way(one);
    const colour = way.startsWith("↑") ? colourAt(1) : way.startsWith("↓") ? colourAt(0) : "var(--line-strong)";
    return h("tr", { title: `${param}: ${values} values over ${runs} runs${correlation === null ? "" : `, correlation ${correlation.toFixed(2)}`}` },
      h("th.cut", { scope: "row" }, param),
      h("td.num", {}, `${Math.round(100 * importance)} %`),
      h("td.importance-track", {}, h("i", { style: { width: `${100 * importance}%`, background: colour } })),
      h("td", {}, way),
      h("td.cut", { title: asText(best) }, asText(best)));
  }
}
