// A dot for each run, over two params or metrics.

import { colourOf, token } from "../lib/colour.js";
import { fill, h, onceAFrame, svg } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { columnOf } from "../runs/columns.js";
import { focus, onFocus } from "./focus.js";
import { askValues, pointAt, saysRuns, sheet } from "./panel_parts.js";
import { scaleOf } from "./scales.js";

/** @typedef {import("./panel_parts.js").Found} Found */

const HEIGHT = 240;
const ROOM = { left: 58, right: 20, top: 22, bottom: 36 };
const NEAR = 10;
const MANY = 300;

export class Scatter {
  /** @param {HTMLElement} body */
  constructor(body) {
    this.body = body;
    /** @type {Found | null} */
    this.found = null;
    this.width = 0;
    /** Where each run is; null for one that lacks a value. @type {([number, number] | null)[]} */
    this.places = [];
    this.canvas = h("canvas");
    this.over = h("canvas.panel-over");
    this.marks = svg("svg", { class: "panel-marks", "aria-hidden": "true" });
    this.across = h("span.scatter-across.cut");
    this.up = h("span.scatter-up.cut");
    this.plot = h("div.panel-plot", { role: "img" }, this.marks, this.canvas, this.over, this.up, this.across);
    pointAt(this.plot, (x, y) => this.nearest(x, y), () => this.found);
    this.forget = onFocus(onceAFrame(() => this.light()));
  }

  /** @param {{fields: string[]}} panel @param {Record<string, any>} query @param {AbortSignal} signal @returns {Promise<Found>} */
  ask(panel, query, signal) {
    return askValues(panel.fields.slice(0, 2), query, signal);
  }

  leave() {
    this.forget();
  }

  /** @param {Found} found */
  draw(found) {
    this.found = found;
    const [x, y] = found.fields.map((field) => ({ label: columnOf(field).label, scale: scaleOf(found.values[field]), values: found.values[field] }));
    this.places = y ? found.runs.map((_, at) => {
      const across = x.scale.place(x.values[at]), up = y.scale.place(y.values[at]);
      return across === null || up === null ? null : [across, up];
    }) : [];
    const shown = this.places.filter(Boolean).length;
    if (!shown) {
      fill(this.body, h("p.panel-none", {}, !y ? "Choose two axes: the pencil above." : found.runs.length ? `No run has both ${x.label} and ${y.label}.` : "No run matches."));
      return "";
    }
    if (!this.plot.isConnected) fill(this.body, this.plot);
    this.width = this.body.clientWidth;
    this.plot.setAttribute("aria-label", `${count(shown)} runs, ${y.label} over ${x.label}`);
    for (const [place, { label }] of /** @type {[HTMLElement, any][]} */ ([[this.across, x], [this.up, y]])) {
      place.textContent = label;
      place.title = label;
    }
    this.mark(x.scale, y.scale);
    this.ink(shown);
    const of = (/** @type {"log" | "one"} */ what) => [x, y].filter(({ scale }) => (what === "log" ? scale.kind === "log" : scale.distinct === 1)).map(({ label }) => label).join(", ");
    return [saysRuns(shown, found.runs.length), of("log") && `logarithmic: ${of("log")}`, of("one") && `the same in all: ${of("one")}`].filter(Boolean).join("; ");
  }

  /** @param {[number, number]} place @returns {[number, number]} */
  at([across, up]) {
    return [ROOM.left + across * (this.width - ROOM.left - ROOM.right), ROOM.top + (1 - up) * (HEIGHT - ROOM.top - ROOM.bottom)];
  }

  /** @param {number} x @param {number} y */
  nearest(x, y) {
    let best = -1, least = NEAR;
    this.places.forEach((place, run) => {
      if (!place) return;
      const [left, top] = this.at(place), far = Math.hypot(left - x, top - y);
      if (far < least) [best, least] = [run, far];
    });
    return best;
  }

  /** @param {import("./scales.js").Scale} x @param {import("./scales.js").Scale} y */
  mark(x, y) {
    const [left, bottom] = this.at([0, 0]), [right, top] = this.at([1, 1]);
    this.marks.setAttribute("width", this.width);
    this.marks.setAttribute("height", HEIGHT);
    const fits = Math.max(1, Math.ceil((x.ticks.length * 52) / (right - left)));
    const label = (/** @type {string} */ text, /** @type {Record<string, string | number>} */ where) => {
      const made = svg("text", where);
      made.textContent = text.length > 9 ? `${text.slice(0, 8)}…` : text;
      return made;
    };
    fill(this.marks,
      ...x.ticks.filter((_, place) => place % fits === 0).flatMap(({ at, text }) => {
        const [place] = this.at([at, 0]);
        return [svg("line", { x1: place, x2: place, y1: top - 6, y2: bottom + 6 }), label(text, { x: place, y: bottom + 18, "text-anchor": "middle" })];
      }),
      ...y.ticks.flatMap(({ at, text }) => {
        const [, place] = this.at([0, at]);
        return [svg("line", { x1: left - 6, x2: right + 6, y1: place, y2: place }), label(text, { x: left - 10, y: place + 3.5, "text-anchor": "end" })];
      }));
  }

  /** @param {number} shown */
  ink(shown) {
    const ink = sheet(this.canvas, this.width, HEIGHT), size = shown > MANY ? 3 : 4;
    ink.globalAlpha = shown > MANY ? 0.65 : 0.85;
    this.places.forEach((place, run) => { if (place) this.dot(ink, place, size, colourOf(this.found?.runs[run] ?? "")); });
    this.light();
  }

  /** @param {CanvasRenderingContext2D} ink @param {[number, number]} place @param {number} size @param {string} colour */
  dot(ink, place, size, colour) {
    ink.beginPath();
    ink.arc(...this.at(place), size, 0, 7);
    ink.fillStyle = colour;
    ink.fill();
  }

  /** Let the run in focus stand out. */
  light() {
    if (!this.found || !this.plot.isConnected) return;
    const ink = sheet(this.over, this.width, HEIGHT), place = this.places[this.found.runs.indexOf(focus.run)];
    if (!place) return;
    this.dot(ink, place, 8, token("text"));
    this.dot(ink, place, 6.5, token("raised"));
    this.dot(ink, place, 5, colourOf(focus.run));
  }
}
