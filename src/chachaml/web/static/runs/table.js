// The runs table: as many rows in the page as fit the window, however many runs there are.

import { colourOf } from "../lib/colour.js";
import { fill, h, icon, onceAFrame } from "../lib/dom.js";
import { cellOf, nameOf } from "./columns.js";

/**
 * @typedef {import("./columns.js").Column} Column
 * @typedef {{
 *   columns: Column[], facets: Map<string, import("./columns.js").Facet>, selected: Set<string>, hidden: Set<string>,
 *   sort: string, pinned: Set<string>, widths: Record<string, number>, isMore: (key: string) => boolean,
 * }} Shown
 * @typedef {{
 *   onSort: (field: string, add: boolean) => void, onSelect: (ids: string[], on: boolean) => void, onHide: (id: string) => void,
 *   onHead: (column: Column, anchor: HTMLElement) => void, onMove: (from: string, to: string) => void, onWidth: (field: string, width: number) => void,
 *   onRows: (runs: any[]) => void, onHover: (id: string | null) => void,
 * }} Acts
 */

const SPARE = 12;
const NAME = 268;

export class Table {
  /**
   * @param {HTMLElement} host
   * @param {import("./source.js").Source} source
   * @param {Acts} acts
   */
  constructor(host, source, acts) {
    this.source = source;
    this.acts = acts;
    /** @type {Shown} */
    this.shown = { columns: [], facets: new Map(), selected: new Set(), hidden: new Set(), sort: "", pinned: new Set(), widths: {}, isMore: () => false };
    this.cursor = -1;
    this.anchor = -1;
    /** @type {Map<string, {sign: string, element: any}>} */
    this.kept = new Map();
    /** @type {WeakMap<any, string>} */
    this.texts = new WeakMap();
    /** What columns and facets all rows show, as a number that changes with them. */
    this.look = 0;
    this.lookSign = "";
    /** @type {Map<string, Element>} */
    this.sparks = new Map();
    this.head = h("div.head", { role: "row" });
    this.body = h("div.rows", { role: "rowgroup" });
    this.room = h("div.room", {}, this.body);
    this.scroller = h("div.scroller", { role: "table", "aria-label": "Runs", tabindex: 0 }, h("div", { role: "rowgroup", class: "heads" }, this.head), this.room);
    fill(host, this.scroller);
    const draw = onceAFrame(() => this.draw());
    this.scroller.addEventListener("scroll", draw, { passive: true });
    new ResizeObserver(draw).observe(this.scroller);
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("mouseover", (event) => acts.onHover(rowOf(event.target)?.dataset.id ?? null));
    this.body.addEventListener("mouseleave", () => acts.onHover(null));
  }

  get rowHeight() {
    return parseInt(getComputedStyle(this.scroller).getPropertyValue("--row"), 10) || 28;
  }

  /** Which rows are in view. @returns {[number, number]} */
  get view() {
    const height = this.rowHeight;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height));
    return [first, Math.min(this.source.total, first + Math.ceil(this.scroller.clientHeight / height) + 1)];
  }

  /** Show it otherwise. @param {Partial<Shown>} some */
  set(some) {
    Object.assign(this.shown, some);
    const sign = JSON.stringify([this.shown.columns, [...this.shown.facets.values()]]);
    if (sign !== this.lookSign) this.look += 1;
    this.lookSign = sign;
    this.drawHead();
    this.draw();
  }

  drawHead() {
    const { columns, widths } = this.shown;
    const tracks = [`${widths.name ?? NAME}px`, ...columns.map((one) => `${widths[one.field] ?? one.width}px`)];
    this.scroller.style.setProperty("--columns", `${tracks.join(" ")} minmax(0, 1fr)`);
    fill(this.head, h("div.cell.frozen", { role: "columnheader" }, this.checkAll(), this.title({ field: "name", label: "Name" })), columns.map((one) => this.headCell(one)));
  }

  checkAll() {
    const ids = this.source.between(...this.view).map((run) => run.id);
    const all = ids.length > 0 && ids.every((id) => this.shown.selected.has(id));
    return h("input", { type: "checkbox", checked: all, "aria-label": "Select what is in view", onchange: (event) => {
      this.acts.onSelect(this.source.between(...this.view).map((run) => run.id), event.target.checked);
    } });
  }

  /** @param {Column} column */
  headCell(column) {
    const cell = h("div.cell", { role: "columnheader", class: column.numeric ? "num" : "", draggable: "true", data: { field: column.field }, "aria-sort": this.direction(column.field) },
      this.title(column),
      h("button.more", { type: "button", "aria-label": `More about ${column.label}`, onclick: (event) => this.acts.onHead(column, event.currentTarget) }, icon("down")),
      h("i.grip", { onpointerdown: (event) => this.resize(event, column) }));
    cell.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/x-column", column.field));
    cell.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("text/x-column")) event.preventDefault(); });
    cell.addEventListener("drop", (event) => { event.preventDefault(); this.acts.onMove(event.dataTransfer.getData("text/x-column"), column.field); });
    return cell;
  }

  /** @param {{field: string, label: string, kind?: string}} column */
  title(column) {
    const way = this.direction(column.field);
    return h("button.title", { type: "button", title: `Sort by ${column.field}; with shift as well`, onclick: (event) => this.acts.onSort(column.field, event.shiftKey) },
      h("span.cut", {}, column.label), way !== "none" && h("span.way", {}, way === "ascending" ? "↑" : "↓"));
  }

  /** @param {string} field */
  direction(field) {
    const found = this.shown.sort.split(", ").find((one) => one.startsWith(`${field} `));
    return found ? (found.endsWith(" asc") ? "ascending" : "descending") : "none";
  }

  /** @param {PointerEvent} event @param {Column} column */
  resize(event, column) {
    event.preventDefault();
    const from = event.clientX;
    const was = this.shown.widths[column.field] ?? column.width;
    const grip = /** @type {HTMLElement} */ (event.currentTarget);
    grip.setPointerCapture(event.pointerId);
    const width = (moved) => Math.max(48, was + moved.clientX - from);
    grip.onpointermove = (moved) => { this.shown.widths = { ...this.shown.widths, [column.field]: width(moved) }; this.track(); };
    grip.onpointerup = (moved) => { grip.onpointermove = grip.onpointerup = null; this.acts.onWidth(column.field, width(moved)); };
  }

  track() {
    const { columns, widths } = this.shown;
    const tracks = [`${widths.name ?? NAME}px`, ...columns.map((one) => `${widths[one.field] ?? one.width}px`)];
    this.scroller.style.setProperty("--columns", `${tracks.join(" ")} minmax(0, 1fr)`);
  }

  /** Put the rows that are in view into the page. */
  draw() {
    const height = this.rowHeight;
    const [first, last] = this.view;
    const from = Math.max(0, first - SPARE);
    const to = Math.min(this.source.total, last + SPARE);
    this.scroller.setAttribute("aria-rowcount", String(this.source.total + 1));
    this.room.style.height = `${this.source.total * height}px`;
    this.body.style.transform = `translateY(${from * height}px)`;
    this.put(Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at));
    this.acts.onRows(this.source.between(first, last));
    this.source.need(from, to).then((fetched) => { if (fetched) this.draw(); }, () => {});
  }

  /** Show rows: those that are as they were stay the very same elements. @param {number[]} places */
  put(places) {
    /** @type {Map<string, {sign: string, element: any}>} */
    const next = new Map();
    const elements = places.map((place) => {
      const run = this.source.at(place);
      const sign = run ? this.sign(run, place) : "";
      const known = run && this.kept.get(run.id);
      const element = known && known.sign === sign ? known.element : this.row(place);
      if (run) next.set(run.id, { sign, element });
      return element;
    });
    this.kept = next;
    const { children } = this.body;
    for (const [at, element] of elements.entries()) if (children[at] !== element) this.body.insertBefore(element, children[at] ?? null);
    while (children.length > elements.length) children[elements.length].remove();
  }

  /** Return what a row depends on, besides what is the same for all. */
  sign(run, place) {
    if (!this.texts.has(run)) this.texts.set(run, JSON.stringify(run));
    const { selected, hidden } = this.shown;
    return [place, this.look, selected.has(run.id), hidden.has(run.id), place === this.cursor, this.sparks.get(run.id)?.id, this.texts.get(run)].join("|");
  }

  /** @param {number} place */
  row(place) {
    const run = this.source.at(place);
    if (!run) return h("div.row.waiting", { role: "row", "aria-rowindex": place + 2 }, h("div.cell.frozen", { role: "cell" }, h("i.skeleton")));
    const { columns, facets, selected, hidden, isMore } = this.shown;
    const made = h("div.row", { role: "row", "aria-rowindex": place + 2, data: { id: run.id, place },
      class: `${selected.has(run.id) ? "on" : ""}${hidden.has(run.id) ? " hid" : ""}${place === this.cursor ? " cursor" : ""}` });
    made.append(this.frozen(run), ...columns.map((one) => cellOf(run, one, one.part === "last" || one.kind === "param" ? facets.get(`${one.kind} ${one.key}`) : undefined, isMore(one.key))));
    return made;
  }

  frozen(run) {
    const { selected, hidden } = this.shown;
    const dot = h("button.eye", { type: "button", tabindex: -1, "aria-pressed": String(!hidden.has(run.id)), "aria-label": `Show ${run.name} in charts`, title: "Show or hide in charts" }, h("span.dot", { style: { background: colourOf(run.id) } }));
    return h("div.cell.frozen", { role: "rowheader" },
      h("input", { type: "checkbox", tabindex: -1, checked: selected.has(run.id), "aria-label": `Select ${run.name || run.id}` }),
      dot, h(`span.status.${run.status}`, { title: run.archived ? "archived" : run.status }, h("i"), h("span.visually-hidden", {}, run.status)),
      nameOf(run), this.sparks.get(run.id) ?? h("i.spark"));
  }

  /** @param {MouseEvent} event */
  click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = rowOf(target);
    if (!row?.dataset.id) return;
    const place = Number(row.dataset.place);
    if (target.closest(".eye")) return this.acts.onHide(row.dataset.id);
    if (target.closest("a")) return;
    const box = target.closest("input");
    if (event.shiftKey && this.anchor >= 0) {
      this.source.ids(this.anchor, place).then((ids) => this.acts.onSelect(ids, true), () => {});
    } else if (box || event.ctrlKey || event.metaKey) {
      this.acts.onSelect([row.dataset.id], !this.shown.selected.has(row.dataset.id));
    }
    this.anchor = place;
    this.move(place, { scroll: false });
  }

  /** Put the cursor on a row. @param {number} place @param {{scroll?: boolean}} [how] */
  move(place, how = {}) {
    this.cursor = Math.max(0, Math.min(place, this.source.total - 1));
    const height = this.rowHeight;
    const top = this.cursor * height;
    const { scrollTop, clientHeight } = this.scroller;
    if (how.scroll !== false) {
      if (top < scrollTop) this.scroller.scrollTop = top;
      else if (top + 2 * height > scrollTop + clientHeight) this.scroller.scrollTop = top + 2 * height - clientHeight;
    }
    this.draw();
  }

  /** The run under the cursor. */
  get current() {
    return this.source.at(this.cursor);
  }
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
function rowOf(target) {
  return target instanceof Element ? target.closest(".row") : null;
}
