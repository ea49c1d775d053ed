// A table with a row for each key, folded by what keys begin with: model.layers and model.width under model.

import { fill, h, icon } from "../../lib/dom.js";

/** @typedef {{depth: number, label: string, key: string | null, path: string, count: number}} Row A key's row, or with no key one that others are folded under. */

/**
 * Return rows for keys: those that share a beginning, up to a dot or slash, under a row of their own.
 * @param {string[]} keys Sorted. @param {number} [depth] @param {string} [path]
 * @returns {Row[]}
 */
export function rowsOf(keys, depth = 0, path = "") {
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  for (const key of keys) {
    const rest = key.slice(path.length);
    const at = rest.search(/[./]/);
    const head = at > 0 && at < rest.length - 1 ? rest.slice(0, at + 1) : rest;
    const group = groups.get(head);
    if (group) group.push(key);
    else groups.set(head, [key]);
  }
  return [...groups].flatMap(([head, inside]) => {
    if (inside.length === 1 || depth > 8) return inside.map((key) => ({ depth, label: key.slice(path.length), key, path: key, count: 1 }));
    const below = path + head;
    if (groups.size === 1) return rowsOf(inside, depth, below).map((row) => ({ ...row, label: row.depth === depth ? head + row.label : row.label }));
    return [{ depth, label: head.slice(0, -1), key: null, path: below, count: inside.length }, ...rowsOf(inside, depth + 1, below)];
  });
}

export class KeysTable {
  /**
   * @param {HTMLTableElement} table Its body is made here.
   * @param {HTMLInputElement} find What narrows the rows.
   * @param {{columns: number, cells: (key: string) => HTMLElement[], update: (key: string, cells: HTMLElement[]) => void}} how
   */
  constructor(table, find, how) {
    this.body = table.tBodies[0];
    this.find = find;
    this.how = how;
    /** @type {string[]} */
    this.keys = [];
    /** @type {Map<string, {row: HTMLElement, cells: HTMLElement[]}>} */
    this.rows = new Map();
    /** @type {Set<string>} */
    this.closed = new Set();
    find.addEventListener("input", () => this.narrow());
  }

  /** Show these keys; their cells are told to update. @param {string[]} keys Sorted. */
  show(keys) {
    if (keys.length !== this.keys.length || keys.some((key, at) => key !== this.keys[at])) this.draw(keys);
    else for (const [key, { cells }] of this.rows) this.how.update(key, cells);
  }

  /** @param {string[]} keys */
  draw(keys) {
    const known = this.rows;
    this.keys = keys;
    this.rows = new Map();
    this.order = rowsOf(keys);
    fill(this.body, this.order.map((row) => row.key === null ? this.branch(row) : this.leaf(row, row.key, known)));
    this.narrow();
  }

  /** @param {Row} row */
  branch(row) {
    const button = h("button", { type: "button", "aria-expanded": String(!this.closed.has(row.path)), onclick: () => {
      if (!this.closed.delete(row.path)) this.closed.add(row.path);
      button.setAttribute("aria-expanded", String(!this.closed.has(row.path)));
      this.narrow();
    } }, icon("down"), h("span.cut.mono", {}, row.label), h("span.faint", {}, row.count));
    return h("tr.branch", { data: { path: row.path } }, h("th", { colspan: this.how.columns, scope: "rowgroup" }, indented(button, row.depth)));
  }

  /** @param {Row} row @param {string} key @param {Map<string, {row: HTMLElement, cells: HTMLElement[]}>} known */
  leaf(row, key, known) {
    const cells = known.get(key)?.cells ?? this.how.cells(key);
    this.how.update(key, cells);
    const made = h("tr", { data: { key } }, h("th.cut.mono", { scope: "row", title: key }, indented(h("span", {}, row.label), row.depth)), cells);
    this.rows.set(key, { row: made, cells });
    return made;
  }

  /** Hide what is not looked for, or folded. */
  narrow() {
    const words = this.find.value.toLowerCase();
    const folded = (/** @type {string} */ path) => !words && [...this.closed].some((one) => path.startsWith(one) && path !== one);
    const kept = words ? this.keys.filter((key) => key.toLowerCase().includes(words)) : this.keys;
    const keep = new Set(kept);
    this.order?.forEach((row, at) => {
      const shown = row.key === null ? kept.some((key) => key.startsWith(row.path)) : keep.has(row.key);
      /** @type {HTMLElement} */ (this.body.children[at]).hidden = !shown || folded(row.path);
    });
  }
}

/** @param {HTMLElement} element @param {number} depth */
function indented(element, depth) {
  if (depth) element.style.setProperty("margin-left", `${depth * 16}px`);
  return element;
}
