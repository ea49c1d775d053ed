// One small chart in the workspace: its head, and the chart while it is in view.

import { h, icon } from "../lib/dom.js";
import { menu } from "../lib/menu.js";
import { chart } from "./chart.js";
import { PINNED } from "./sections.js";

/** @typedef {import("./curves.js").Curve} Curve */

/**
 * @typedef {object} Acts What can be done with a card.
 * @property {(key: string) => void} expand @property {(key: string) => void} pin
 * @property {(key: string, where: string) => void} move To where another one stands, or to "first" or "last".
 * @property {(key: string, kind: "csv" | "png") => void} save
 * @property {(window: [number, number] | null, moving: boolean) => void} zoom
 */

export const HEIGHT = 200;
const SPARE = 50;

export class Card {
  /** @param {string} key @param {Acts} acts */
  constructor(key, acts) {
    this.key = key;
    this.acts = acts;
    /** @type {import("./chart.js").Chart | null} */
    this.chart = null;
    /** What `curves` answer to, but for the runs, and what the detail does: "" for nothing. */
    this.sign = "";
    /** The runs that were asked for, whether they have the metric or not. @type {Set<string>} */
    this.asked = new Set();
    this.detailSign = "";
    this.exact = false;
    /** @type {Map<string, Curve>} */
    this.curves = new Map();
    this.section = "";
    this.body = h("div.chart-body", { style: { height: `${HEIGHT}px` } });
    const more = h("button.quiet.square", { type: "button", "aria-label": `More about ${key}`, title: "More", onclick: () => this.openMenu(more) }, icon("more"));
    const head = h("header", {
      draggable: "true",
      ondragstart: (/** @type {DragEvent} */ event) => { event.dataTransfer?.setData("text/x-chart", key); this.element.classList.add("dragged"); },
      ondragend: () => this.element.classList.remove("dragged"),
    },
      h("h3.cut", { title: key }, key),
      h("button.quiet.square", { type: "button", "aria-label": `Enlarge ${key}`, title: "Enlarge", onclick: () => acts.expand(key) }, icon("expand")), more);
    this.element = h("article.chart-card", {
      data: { key }, "aria-label": key,
      ondragover: (/** @type {DragEvent} */ event) => { if (event.dataTransfer?.types.includes("text/x-chart")) { event.preventDefault(); this.element.classList.add("target"); } },
      ondragleave: () => this.element.classList.remove("target"),
      ondrop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        this.element.classList.remove("target");
        const dragged = event.dataTransfer?.getData("text/x-chart");
        if (dragged && dragged !== key) acts.move(dragged, key);
      },
    }, head, this.body);
  }

  /** @param {HTMLElement} anchor */
  openMenu(anchor) {
    const { acts, key } = this;
    menu(anchor, [
      { label: this.section === PINNED ? "Unpin" : "Pin to the top", act: () => acts.pin(key), icon: icon("pin") },
      { label: "Enlarge", act: () => acts.expand(key), icon: icon("expand") },
      { label: "Move to the front", act: () => acts.move(key, "first"), icon: icon("up") },
      { label: "Move to the back", act: () => acts.move(key, "last"), icon: icon("down") },
      null,
      { label: "Save data as CSV", act: () => acts.save(key, "csv"), icon: icon("download") },
      { label: "Save picture as PNG", act: () => acts.save(key, "png"), icon: icon("download") },
    ]);
  }

  get inView() {
    return this.chart !== null;
  }

  enter() {
    this.chart ??= chart(this.body, { title: this.key, height: HEIGHT, onZoom: (window, moving) => this.acts.zoom(window, moving) });
  }

  leave() {
    this.chart?.destroy();
    this.chart = null;
    this.detailSign = "";
  }

  forget() {
    this.curves = new Map();
    this.asked = new Set();
    this.sign = "";
  }

  /**
   * Take what was answered: for some runs anew, or for others too.
   * @param {import("./curves.js").Drawn} drawn @param {string} sign What it answers to. @param {string[]} runs Those that were asked for.
   */
  take(drawn, sign, runs) {
    if (this.sign !== sign) {
      this.forget();
      this.sign = sign;
      this.exact = true;
    }
    this.exact &&= drawn.exact;
    this.detailSign = "";
    for (const run of runs) {
      this.asked.add(run);
      const curve = drawn.curves.get(run);
      if (curve) this.curves.set(run, curve);
      else this.curves.delete(run);
    }
  }

  /** Return the curves of some runs, in their order; those of others are forgotten once they are many. @param {string[]} runs */
  curvesOf(runs) {
    if (this.asked.size > 2 * runs.length + SPARE) {
      this.asked = new Set(runs.filter((run) => this.asked.has(run)));
      for (const run of this.curves.keys()) if (!this.asked.has(run)) this.curves.delete(run);
    }
    return new Map(runs.flatMap((run) => {
      const curve = this.curves.get(run);
      return curve ? [[run, curve]] : [];
    }));
  }
}
