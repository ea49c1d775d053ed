// Parallel coordinates: a line for each run over axes of params and metrics. A part of an axis can be brushed.

import { colourAt, rampAt, token } from "../lib/colour.js";
import { fill, h, onceAFrame, svg } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { columnOf } from "../runs/columns.js";
import { focus, onFocus } from "./focus.js";
import { askValues, pointAt, saysRuns, sheet } from "./panel_parts.js";
import { condition, extent, holds, scaleOf } from "./scales.js";

/** @typedef {import("./panel_parts.js").Found} Found */
/** @typedef {Record<string, import("./scales.js").Brush>} Brushes */

const HEIGHT = 230;
const TOP = 10;
const BOTTOM = 10;
const SIDE = 56;
const NEAR = 7;
const MANY = 300;

export class Parallel {
  /** @param {HTMLElement} body @param {import("./panels.js").Acts} acts */
  constructor(body, acts) {
    this.body = body;
    this.acts = acts;
    /** @type {Found | null} */
    this.found = null;
    this.width = 0;
    /** What the axes were laid out for. */
    this.sign = "";
    /** @type {import("./scales.js").Scale[]} */
    this.scales = [];
    /** Where each run is on each axis. @type {(number | null)[][]} */
    this.places = [];
    /** @type {Brushes} */
    this.brushes = {};
    /** The axis that is being brushed. */
    this.held = -1;
    this.heads = h("div.parallel-heads");
    this.canvas = h("canvas");
    this.over = h("canvas.panel-over");
    this.marks = svg("svg", { class: "panel-marks", "aria-hidden": "true" });
    this.strips = h("div");
    this.plot = h("div.panel-plot", { role: "img" }, this.canvas, this.over, this.marks, this.strips);
    this.chosen = h("div.panel-chosen");
    this.root = h("div", {}, this.heads, this.plot, this.chosen);
    pointAt(this.plot, (x, y) => this.nearest(x, y), () => this.found);
    this.forget = onFocus(onceAFrame(() => this.light()));
    this.soon = onceAFrame(() => this.ink());
  }

  /** @param {{fields: string[]}} panel @param {Record<string, any>} query @param {AbortSignal} signal @returns {Promise<Found>} */
  ask(panel, query, signal) {
    return askValues(panel.fields, query, signal);
  }

  leave() {
    this.forget();
  }

  /** @param {Found} found @param {{brush?: Brushes}} panel */
  draw(found, panel) {
    const fresh = found !== this.found;
    this.found = found;
    if (this.held < 0) this.brushes = { ...panel.brush };
    const why = found.fields.length < 2 ? "Choose two axes or more: the pencil above." : !found.runs.length ? "No run matches." : "";
    if (why) {
      fill(this.body, h("p.panel-none", {}, why));
      return "";
    }
    if (!this.root.isConnected) fill(this.body, this.root);
    if (fresh) {
      this.scales = found.fields.map((field) => scaleOf(found.values[field]));
      this.places = found.runs.map((_, at) => found.fields.map((field, axis) => this.scales[axis].place(found.values[field][at])));
    }
    this.layOut(found);
    this.ink();
    const shown = this.places.filter((row) => row.filter((one) => one !== null).length > 1).length;
    const same = found.fields.filter((_, axis) => this.scales[axis].distinct === 1).map((field) => columnOf(field).label);
    const log = found.fields.filter((_, axis) => this.scales[axis].kind === "log").map((field) => columnOf(field).label);
    return [`${saysRuns(shown, found.runs.length)}, coloured by ${columnOf(found.fields[found.fields.length - 1]).label}`,
      log.length && `logarithmic: ${log.join(", ")}`, same.length && `the same in all: ${same.join(", ")}`].filter(Boolean).join("; ");
  }

  // where things are ---------------------------------------------------------------------------------

  /** @param {number} axis */
  x(axis) {
    return SIDE + (axis * (this.width - 2 * SIDE)) / (this.scales.length - 1);
  }

  /** @param {number} place */
  y(place) {
    return TOP + (1 - place) * (HEIGHT - TOP - BOTTOM);
  }

  /** @param {Found} found */
  layOut(found) {
    const sign = JSON.stringify([this.body.clientWidth, found.fields]);
    this.plot.setAttribute("aria-label", `${count(found.runs.length)} runs over ${found.fields.map((field) => columnOf(field).label).join(", ")}`);
    if (sign === this.sign || this.held >= 0) return; // what the pointer is on, or holds, stays
    this.sign = sign;
    this.width = this.body.clientWidth;
    const gap = (this.width - 2 * SIDE) / (found.fields.length - 1);
    fill(this.heads, found.fields.map((field, axis) => {
      const { label } = columnOf(field);
      const room = Math.min(gap - 8, 2 * SIDE - 4);
      return h("span.cut", { title: label, style: { left: `${this.x(axis) - room / 2}px`, width: `${room}px` } }, label);
    }));
    fill(this.strips, found.fields.map((_, axis) => h("div.parallel-strip", {
      style: { left: `${this.x(axis) - 11}px` }, title: "Drag to choose runs",
      onpointerdown: (/** @type {PointerEvent} */ event) => this.hold(axis, event), onclick: (/** @type {Event} */ event) => event.stopPropagation(),
    })));
  }

  /** @param {number} x @param {number} y */
  nearest(x, y) {
    const last = this.scales.length - 2;
    const axis = Math.max(0, Math.min(last, Math.floor(((x - SIDE) / (this.width - 2 * SIDE)) * (last + 1))));
    const share = (x - this.x(axis)) / (this.x(axis + 1) - this.x(axis));
    if (share < 0 || share > 1) return -1;
    let best = -1, least = NEAR;
    this.places.forEach((row, at) => {
      const a = row[axis], b = row[axis + 1];
      if (a === null || b === null || !this.meets(at)) return;
      const far = Math.abs(this.y(a + (b - a) * share) - y);
      if (far < least) [best, least] = [at, far];
    });
    return best;
  }

  // brushing -----------------------------------------------------------------------------------------

  /** @param {number} at */
  meets(at) {
    const { found } = this;
    return found !== null && Object.entries(this.brushes).every(([field, brush]) => !found.values[field] || holds(brush, found.values[field][at]));
  }

  /** @param {number} axis @param {PointerEvent} event */
  hold(axis, event) {
    const strip = /** @type {HTMLElement} */ (event.currentTarget), { top } = this.plot.getBoundingClientRect();
    const field = this.found?.fields[axis] ?? "", place = (/** @type {number} */ y) => 1 - (y - top - TOP) / (HEIGHT - TOP - BOTTOM);
    const start = event.clientY;
    event.preventDefault();
    this.held = axis;
    strip.setPointerCapture(event.pointerId);
    const move = (/** @type {PointerEvent} */ moved) => {
      const [low, high] = [place(start), place(moved.clientY)].sort((a, b) => a - b);
      const brush = Math.abs(moved.clientY - start) > 3 ? this.scales[axis].between(low, high) : null;
      const { [field]: _, ...others } = this.brushes;
      this.brushes = brush ? { ...others, [field]: brush } : others;
      this.soon();
    };
    const end = (/** @type {PointerEvent} */ moved) => {
      move(moved);
      strip.onpointermove = strip.onpointerup = strip.onpointercancel = null;
      this.held = -1;
      this.acts.onBrush(this.brushes);
    };
    strip.onpointermove = move;
    strip.onpointerup = strip.onpointercancel = end;
  }

  /** @param {number} some @param {[string, import("./scales.js").Brush][]} brushes */
  offer(some, brushes) {
    fill(this.chosen, brushes.length > 0 && [
      h("span", { role: "status" }, `${count(some)} of ${count(this.places.length)} chosen`),
      h("button", { type: "button", disabled: !some, onclick: () => this.acts.onFilter(brushes.map(([field, brush]) => condition(field, brush)).join(" and ")) }, "Search for these"),
      h("button.quiet", { type: "button", onclick: () => this.acts.onBrush({}) }, "Clear"),
    ]);
  }

  // drawing ------------------------------------------------------------------------------------------

  /** @param {(number | null)[]} row */
  colourOf(row) {
    const last = this.scales.length - 1, place = row[last], scale = this.scales[last];
    if (place === null) return token("faint");
    return scale.kind === "category" && scale.distinct <= 12 ? colourAt(Math.round(place * scale.distinct - 0.5)) : rampAt(place);
  }

  /** @param {CanvasRenderingContext2D} ink @param {(number | null)[]} row */
  line(ink, row) {
    ink.beginPath();
    let on = false;
    row.forEach((place, axis) => {
      if (place !== null) ink[on ? "lineTo" : "moveTo"](this.x(axis), this.y(place));
      on = place !== null;
    });
    ink.stroke();
  }

  ink() {
    const ink = sheet(this.canvas, this.width, HEIGHT);
    const chosen = this.places.map((_, at) => this.meets(at));
    ink.strokeStyle = token("faint");
    ink.globalAlpha = Math.min(0.12, 40 / this.places.length);
    this.places.forEach((row, at) => { if (!chosen[at]) this.line(ink, row); });
    const some = chosen.filter(Boolean).length;
    ink.globalAlpha = some > MANY ? 0.4 : 0.75;
    ink.lineWidth = 1.25;
    this.places.forEach((row, at) => {
      if (!chosen[at]) return;
      ink.strokeStyle = this.colourOf(row);
      this.line(ink, row);
    });
    this.mark();
    this.offer(some, Object.entries(this.brushes));
    this.light();
  }

  mark() {
    const axes = this.scales.map((scale, axis) => {
      const x = this.x(axis), made = svg("g", {}, svg("line", { x1: x, x2: x, y1: this.y(1), y2: this.y(0) }));
      const brush = this.brushes[this.found?.fields[axis] ?? ""];
      const ends = brush && extent(brush, scale);
      if (ends) made.append(svg("rect", { x: x - 6, width: 12, y: this.y(ends[1]), height: Math.max(2, this.y(ends[0]) - this.y(ends[1])) }));
      const isLast = axis === this.scales.length - 1 && axis > 0;
      for (const { at, text } of scale.ticks) {
        const label = svg("text", { x: x + (isLast ? -6 : 6), y: this.y(at) + 3.5, "text-anchor": isLast ? "end" : "start" });
        label.textContent = text.length > 14 ? `${text.slice(0, 13)}…` : text;
        made.append(label);
      }
      return made;
    });
    this.marks.setAttribute("width", this.width);
    this.marks.setAttribute("height", HEIGHT);
    fill(this.marks, axes);
  }

  /** Let the run in focus stand out. */
  light() {
    if (!this.found || !this.root.isConnected) return;
    const ink = sheet(this.over, this.width, HEIGHT), at = focus.run ? this.found.runs.indexOf(focus.run) : -1;
    if (at < 0) return;
    for (const [width, colour] of /** @type {[number, string][]} */ ([[5, token("raised")], [2.5, this.colourOf(this.places[at])]])) {
      ink.lineWidth = width;
      ink.strokeStyle = colour;
      this.line(ink, this.places[at]);
    }
  }
}
