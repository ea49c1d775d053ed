// Panels over runs: many params and metrics of many runs in one picture. Which there are is in the address.

import { get } from "../lib/api.js";
import { onTheme } from "../lib/colour.js";
import { afterSilence, fill, h, icon } from "../lib/dom.js";
import { onChange } from "../lib/live.js";
import { floating, menu } from "../lib/menu.js";
import { complain, dialog } from "../lib/told.js";
import { columnOf, fieldOf } from "../runs/columns.js";
import { pick } from "../runs/picker.js";
import { Handmade, plainName, usualChart } from "./handmade.js";
import { Importance } from "./importance.js";
import { Parallel } from "./parallel.js";
import { isBrush } from "./scales.js";
import { Scatter } from "./scatter.js";

/**
 * @typedef {import("../runs/columns.js").Facet} Facet
 * @typedef {{filter?: string, experiment?: string, status?: string, archived?: string}} Query
 * @typedef {{kind: "parallel" | "scatter" | "importance" | "handmade", fields: string[], chart?: string, brush?: Record<string, import("./scales.js").Brush>}} Panel
 *   `fields` as in searches: the axes; x and y; the metric; the columns of the rows. `chart` is Vega-Lite, as JSON.
 * @typedef {object} Acts
 * @property {(brush: Record<string, import("./scales.js").Brush>) => void} onBrush
 * @property {(condition: string) => void} onFilter Narrows the page's search.
 * @typedef {{ask: (panel: Panel, query: Query, signal: AbortSignal) => Promise<any>, draw: (found: any, panel: Panel) => string, leave: () => void}} View
 *   `ask` gets what `draw` shows; that returns a line about it.
 */

/** Changes are shown so many milliseconds apart, at least. */
const OFTEN = 3000;
const PANELS = 12;
const FIELDS = 12;
/** Characters of a chart that is written by hand. */
const LONGEST = 8000;

const KINDS = {
  parallel: { label: "Parallel coordinates", make: (/** @type {HTMLElement} */ body, /** @type {Acts} */ acts) => new Parallel(body, acts) },
  scatter: { label: "Scatter", make: (/** @type {HTMLElement} */ body) => new Scatter(body) },
  importance: { label: "Parameter importance", make: (/** @type {HTMLElement} */ body) => new Importance(body) },
  handmade: { label: "Chart by hand (Vega-Lite)", make: (/** @type {HTMLElement} */ body) => new Handmade(body) },
};

/** Return the panels of an address, without what is none. @param {any} chosen @returns {Panel[]} */
function panelsOf(chosen) {
  const given = Array.isArray(chosen?.list) ? chosen.list : [];
  return given.slice(0, PANELS).flatMap((/** @type {any} */ one) => {
    if (!one || !Object.hasOwn(KINDS, one.kind) || !Array.isArray(one.fields)) return [];
    const fields = one.fields.filter((/** @type {any} */ field) => typeof field === "string").slice(0, FIELDS);
    const brush = Object.fromEntries(Object.entries(one.brush ?? {}).filter(([field, some]) => fields.includes(field) && isBrush(some)));
    const chart = typeof one.chart === "string" ? { chart: one.chart.slice(0, LONGEST) } : {};
    return [{ kind: one.kind, fields, ...chart, ...(Object.keys(brush).length ? { brush } : {}) }];
  });
}

export class Panels {
  /** @param {HTMLElement} host @param {import("../lib/state.js").UrlState<any>} state With the fields of WORKSPACE_STATE, and with `q`. */
  constructor(host, state) {
    this.state = state;
    /** @type {Query} */
    this.query = {};
    /** @type {Facet[]} */
    this.facets = [];
    /** @type {Shown[]} */
    this.shown = [];
    this.grid = h("div.panel-grid");
    this.add = h("button.quiet", { type: "button", "aria-haspopup": "true", onclick: () => this.choose() }, icon("plus"), "Add a panel");
    this.host = h("section.panels", { "aria-label": "Panels" }, h("div.panels-head", {}, h("h2", {}, "Panels"), this.add), this.grid);
    fill(host, this.host);
    this.forget = onChange((news) => { if (news.all || news.runs.size) this.hear(); });
    this.last = 0;
    this.waiting = 0;
    this.sizes = new ResizeObserver(afterSilence(() => { for (const one of this.shown) one.show(); }, 80));
    this.sizes.observe(this.host);
    onTheme(() => { for (const one of this.shown) one.draw(); });
    state.onChange((changed) => { if (changed.has("panels")) this.layOut(); });
    this.layOut();
  }

  /** @param {Query} query */
  setQuery(query) {
    if (JSON.stringify(query) === JSON.stringify(this.query)) return;
    this.query = query;
    for (const one of this.shown) one.ask(query);
  }

  hear() {
    this.waiting ||= window.setTimeout(() => {
      this.waiting = 0;
      this.last = Date.now();
      for (const one of this.shown) one.ask(this.query);
    }, Math.max(0, this.last + OFTEN - Date.now()));
  }

  destroy() {
    this.forget();
    clearTimeout(this.waiting);
    this.sizes.disconnect();
    for (const one of this.shown) one.leave();
  }

  get panels() {
    return panelsOf(this.state.now.panels);
  }

  /** @param {Panel[]} panels @param {boolean} [replace] */
  set(panels, replace = false) {
    this.state.set({ panels: panels.length ? { list: panels } : {} }, { replace });
  }

  /** Show what the address says; what was shown and still is stays. */
  layOut() {
    const { panels } = this;
    const stays = panels.length === this.shown.length && panels.every((one, at) => one.kind === this.shown[at].panel.kind);
    if (stays) {
      this.shown.forEach((one, at) => one.become(panels[at], this.query));
      return;
    }
    for (const one of this.shown) one.leave();
    this.shown = panels.map((panel, at) => new Shown(panel, {
      onBrush: (brush) => this.change(at, { brush }, true),
      onFilter: (condition) => this.narrow(at, condition),
      onEdit: (anchor) => this.edit(at, anchor),
      onRemove: () => this.set(this.panels.filter((_, place) => place !== at)),
    }));
    fill(this.grid, this.shown.map((one) => one.element));
    for (const one of this.shown) one.ask(this.query);
  }

  /** @param {number} at @param {Partial<Panel>} some @param {boolean} [replace] */
  change(at, some, replace = false) {
    this.set(this.panels.map((one, place) => (place === at ? { ...one, ...some } : one)), replace);
  }

  /** @param {number} at @param {string} condition */
  narrow(at, condition) {
    const { q } = this.state.now;
    const panels = this.panels.map((one, place) => (place === at ? { ...one, brush: {} } : one));
    this.state.set({ q: q ? `(${q}) and ${condition}` : condition, panels: { list: panels } });
  }

  // choosing -----------------------------------------------------------------------------------------

  async learn() {
    this.facets = await get("/api/facets", this.query);
  }

  choose() {
    const learning = this.learn();
    menu(this.add, Object.entries(KINDS).map(([kind, { label }]) => ({
      label, act: () => learning.then(() => {
        const panel = { kind: /** @type {Panel["kind"]} */ (kind), fields: this.usual(/** @type {Panel["kind"]} */ (kind)) };
        this.set([...this.panels, panel].slice(-PANELS));
        this.shown.at(-1)?.element.scrollIntoView({ block: "nearest" });
      }, complain),
    })));
  }

  /** What can be on an axis that needs numbers. */
  get numeric() {
    const some = this.facets.filter((one) => one.kind !== "tag" && one.min !== null && !/^(system|sys)[./]/.test(one.key));
    return [...some.map((one) => fieldOf(one.kind, one.key)), "duration"];
  }

  /** @param {Panel["kind"]} kind @returns {string[]} */
  usual(kind) {
    const often = (/** @type {string} */ of) => this.facets.filter((one) => one.kind === of && !/^(system|sys)[./]/.test(one.key))
      .sort((a, b) => Number(b.distinct > 1) - Number(a.distinct > 1) || b.runs - a.runs);
    const metric = often("metric").map((one) => fieldOf("metric", one.key))[0];
    const params = often("param").filter((one) => one.distinct > 1);
    if (kind === "importance") return metric ? [metric] : [];
    if (kind === "parallel" || kind === "handmade") return [...params.slice(0, 5).map((one) => fieldOf("param", one.key)), ...(metric ? [metric] : [])];
    const x = params.find((one) => one.min !== null);
    return [x ? fieldOf("param", x.key) : "duration", metric ?? "duration"];
  }

  /** @param {number} at @param {HTMLElement} anchor */
  async edit(at, anchor) {
    await this.learn().catch(complain);
    const { kind, fields } = this.panels[at];
    if (kind === "parallel") {
      pick(anchor, { title: "Axes", facets: this.facets, chosen: fields, onChoose: (chosen) => this.change(at, { fields: chosen.slice(0, FIELDS) }, true) });
      return;
    }
    if (kind === "handmade") {
      this.write(at);
      return;
    }
    const some = kind === "importance" ? this.facets.filter((one) => one.kind === "metric").map((one) => fieldOf("metric", one.key)) : this.numeric;
    const names = kind === "importance" ? ["Metric"] : ["Across", "Up"];
    const change = (/** @type {number} */ place, /** @type {string} */ field) => this.change(at, { fields: names.map((_, axis) => (axis === place ? field : this.panels[at].fields[axis] ?? "duration")) });
    floating(anchor, () => names.map((name, place) => h("label.field", {}, name, h("select", {
      onchange: (/** @type {any} */ event) => change(place, event.target.value),
    }, [...new Set([fields[place] ?? "", ...some])].map((field) => h("option", { value: field, selected: field === fields[place] }, columnOf(field).label))))), "menu panel-edit");
  }

  /** Let a chart be written. @param {number} at */
  write(at) {
    const { fields, chart } = this.panels[at];
    const text = h("textarea", { rows: 14, spellcheck: "false", "aria-label": "The chart, as Vega-Lite in JSON" }, chart ?? usualChart(fields));
    const rows = h("input", { value: fields.join(", "), "aria-label": "Fields of the rows", placeholder: "params.lr, metrics.loss" });
    const told = h("p.problem", { role: "alert" });
    dialog("Chart by hand", (close) => [h("form", { onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      try {
        JSON.parse(text.value);
      } catch (error) {
        told.textContent = String(error);
        return;
      }
      const chosen = rows.value.split(",").map((/** @type {string} */ field) => field.trim()).filter(Boolean).slice(0, FIELDS);
      this.change(at, { fields: chosen, chart: text.value.slice(0, LONGEST) });
      close();
    } },
    h("label.field", {}, "Fields of the runs, one column each", rows),
    h("p.muted", {}, "In the chart they are called ", fields.flatMap((field) => [h("code", {}, plainName(field)), " "]), "besides name and id."),
    h("label.field", {}, "Vega-Lite: mark, encoding and the rest; the data are the runs", text), told,
    h("div.actions", {}, h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button.primary", {}, "Draw")))], "wide");
  }
}

/** One panel: its head, and what it shows. */
class Shown {
  /** @param {Panel} panel @param {Acts & {onEdit: (anchor: HTMLElement) => void, onRemove: () => void}} acts */
  constructor(panel, acts) {
    this.panel = panel;
    /** What was found. @type {any} */
    this.found = undefined;
    /** @type {AbortController | null} */
    this.asking = null;
    /** What is to be asked once the panel is to be seen. @type {Query | null} */
    this.due = null;
    const { label, make } = KINDS[panel.kind];
    const edit = h("button.quiet.square", { type: "button", "aria-label": `Edit ${label}`, title: "What it shows", "aria-haspopup": "true", onclick: () => acts.onEdit(edit) }, icon("edit"));
    this.title = h("h3.cut");
    this.says = h("p.panel-says.faint", { role: "status" });
    this.body = h("div.panel-body");
    this.element = h(`article.panel.${panel.kind}`, { "aria-label": label },
      h("header", {}, this.title, edit, h("button.quiet.square", { type: "button", "aria-label": `Remove ${label}`, title: "Remove", onclick: acts.onRemove }, icon("close"))),
      this.body, this.says);
    /** @type {View} */
    this.view = make(this.body, acts);
    this.name();
  }

  name() {
    const { kind, fields } = this.panel;
    const labels = fields.map((field) => columnOf(field).label);
    this.title.textContent = kind === "scatter" ? `${labels[1] ?? ""} over ${labels[0] ?? ""}` : kind === "importance" ? `Importance for ${labels[0] ?? "no metric"}` : KINDS[kind].label;
    this.title.title = labels.join(", ");
  }

  /** Be another panel of the same kind. @param {Panel} panel @param {Query} query */
  become(panel, query) {
    const same = JSON.stringify(panel.fields) === JSON.stringify(this.panel.fields);
    this.panel = panel;
    this.name();
    if (same) this.draw();
    else this.ask(query);
  }

  /** @param {Query} query */
  ask(query) {
    this.due = query;
    this.show();
  }

  /** Draw as wide as there is room, and ask for what was not needed while nobody could see it. */
  show() {
    if (!this.body.clientWidth) return;
    if (this.due) this.load(this.due);
    this.draw();
  }

  /** @param {Query} query */
  async load(query) {
    this.due = null;
    this.asking?.abort();
    const { signal } = this.asking = new AbortController();
    const { panel } = this;
    try {
      const found = await this.view.ask(panel, query, signal);
      if (signal.aborted) return;
      this.found = found;
      this.draw();
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  /** @param {any} error */
  fail(error) {
    this.found = undefined;
    fill(this.body, h("p.panel-none.problem", {}, error.why ?? String(error)));
    this.says.textContent = "";
  }

  draw() {
    if (this.found !== undefined && this.body.clientWidth) this.says.textContent = this.view.draw(this.found, this.panel);
  }

  leave() {
    this.asking?.abort();
    this.view.leave();
  }
}
