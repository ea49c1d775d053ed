// The search box: the search language, with its names and values completed and its mistakes shown where they are.

import { get } from "./api.js";
import { afterSilence, fill, h } from "./dom.js";
import { counted } from "./format.js";
import { fieldOf } from "../runs/columns.js";

const ATTRIBUTES = ["name", "status", "experiment", "created_by", "started", "ended", "duration", "parent", "error", "error_type", "archived", "git.sha", "git.branch", "git.dirty", "host", "python", "id"];
const OPERATORS = ["=", "!=", ">", ">=", "<", "<=", "like", "ilike", "in", "is nan", "is null", "~"];
const STATUSES = ["running", "completed", "failed", "interrupted", "crashed", "archived"];
const MOST = 12;

/** @typedef {{text: string, says: string}} Hint */

export class SearchBox {
  /**
   * @param {HTMLElement} host
   * @param {{value: string, placeholder?: string, onSearch: (text: string) => void, facets: () => import("../runs/columns.js").Facet[]}} about
   */
  constructor(host, about) {
    this.about = about;
    this.back = h("div.under", { "aria-hidden": "true" });
    this.input = h("input", {
      type: "text", role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": "search-hints", "aria-label": "Search runs",
      spellcheck: "false", autocomplete: "off", value: about.value, placeholder: about.placeholder ?? "metrics.loss < 0.1 and params.lr = 0.01",
    });
    this.list = h("ul.hints", { id: "search-hints", role: "listbox", hidden: true });
    this.told = h("p.wrongness", { role: "alert", hidden: true });
    fill(host, this.back, this.input, this.list, this.told);
    /** @type {Hint[]} */
    this.hints = [];
    this.at = -1;
    /** @type {Map<string, string[]>} */
    this.values = new Map();
    const search = afterSilence(() => about.onSearch(this.input.value.trim()), 250);
    this.input.addEventListener("input", () => { this.wrong(null); this.suggest(); search(); });
    this.input.addEventListener("keydown", (event) => this.keydown(event));
    this.input.addEventListener("focus", () => this.suggest());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("scroll", () => { this.back.scrollLeft = this.input.scrollLeft; });
  }

  get value() {
    return this.input.value;
  }

  set value(text) {
    if (this.input.value !== text && document.activeElement !== this.input) this.input.value = text;
  }

  /** Show what is wrong, and where; null for nothing. @param {{why: string, hint: string, at?: number} | null} error */
  wrong(error) {
    this.input.classList.toggle("wrong", Boolean(error));
    this.input.setAttribute("aria-invalid", String(Boolean(error)));
    this.told.hidden = !error;
    fill(this.back);
    if (!error) return;
    fill(this.told, error.why, error.hint && h("span.muted", {}, ` ${error.hint}`));
    if (error.at === undefined) return;
    const text = this.input.value;
    const from = Math.min(error.at, text.length);
    const length = Math.max(1, /^\S*/.exec(text.slice(from))?.[0].length ?? 1);
    fill(this.back, text.slice(0, from), h("u", {}, text.slice(from, from + length) || " "), text.slice(from + length));
    this.back.scrollLeft = this.input.scrollLeft;
  }

  /** Return the word before the cursor, and what stands before it. */
  context() {
    const before = this.input.value.slice(0, this.input.selectionStart ?? 0);
    const word = /(?:'[^']*|"[^"]*|[\w./:@`$+-]*)$/.exec(before)?.[0] ?? "";
    const rest = before.slice(0, before.length - word.length).trimEnd();
    return { word, rest, from: before.length - word.length, to: before.length };
  }

  async suggest() {
    const { word, rest } = this.context();
    const compared = /((?:params|tags|metrics)\.(?:`[^`]+`|[^\s=!<>~]+)|[a-z_.]+)\s*(?:=|!=|like|ilike|~|in\s*\(?[^)]*[,(]?)$/i.exec(rest);
    let found;
    if (compared) found = await this.valuesOf(compared[1]);
    else if (/(?:^|\b(?:and|or|not)\b|\()$/i.test(rest)) found = this.fields();
    else if (/(?:=|>|<)$/.test(rest)) found = [];
    else if (/^[\w./:@`$+-]+$/.test(lastWord(rest)) && !/\b(?:nan|null|'|\d+)$/.test(rest) && !isClosed(rest)) found = OPERATORS.map((text) => ({ text, says: "compare" }));
    else found = ["and", "or"].map((text) => ({ text, says: "join" }));
    if (this.context().word !== word || document.activeElement !== this.input) return;
    const near = word.toLowerCase().replace(/^['"]/, "");
    this.hints = found.filter((one) => one.text.toLowerCase().includes(near) && one.text !== word)
      .sort((a, b) => Number(!a.text.toLowerCase().startsWith(near)) - Number(!b.text.toLowerCase().startsWith(near))).slice(0, MOST);
    this.at = -1;
    this.draw();
  }

  /** @returns {Hint[]} */
  fields() {
    const keyed = this.about.facets().map((one) => ({ text: fieldOf(one.kind, one.key), says: `${one.kind}, ${counted(one.runs, "run")}` }));
    return [...keyed, ...ATTRIBUTES.map((text) => ({ text, says: "every run has it" }))];
  }

  /** @param {string} field @returns {Promise<Hint[]>} */
  async valuesOf(field) {
    if (field === "status") return STATUSES.map((text) => ({ text, says: "status" }));
    if (!this.values.has(field)) {
      const found = await get("/api/values", { fields: field, limit: 1000, archived: "" }).catch(() => null);
      /** @type {any[]} */
      const values = found?.values[field] ?? [];
      this.values.set(field, [...new Set(values.filter((one) => one !== null && typeof one !== "object").map(quoted))].slice(0, 200));
    }
    return (this.values.get(field) ?? []).map((text) => ({ text, says: "" }));
  }

  draw() {
    const open = this.hints.length > 0;
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    if (this.at >= 0) this.input.setAttribute("aria-activedescendant", `hint-${this.at}`);
    else this.input.removeAttribute("aria-activedescendant");
    fill(this.list, this.hints.map((one, place) => h("li", {
      role: "option", id: `hint-${place}`, "aria-selected": String(place === this.at), onpointerdown: (event) => { event.preventDefault(); this.take(place); },
    }, h("span.cut.mono", {}, one.text), h("small.muted", {}, one.says))));
  }

  close() {
    this.hints = [];
    this.draw();
  }

  /** @param {number} place */
  take(place) {
    const { from, to } = this.context();
    const { text } = this.hints[place];
    this.input.setRangeText(`${text} `, from, to, "end");
    this.input.dispatchEvent(new Event("input"));
  }

  /** @param {KeyboardEvent} event */
  keydown(event) {
    if (event.key === "Escape") {
      if (this.hints.length) this.close();
      else this.input.blur();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.at >= 0) this.take(this.at);
      else { this.close(); this.about.onSearch(this.input.value.trim()); }
    } else if (event.key === "Tab" && this.hints.length && this.context().word) {
      event.preventDefault();
      this.take(Math.max(this.at, 0));
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && this.hints.length) {
      event.preventDefault();
      const { length } = this.hints;
      this.at = event.key === "ArrowDown" ? (this.at + 1) % length : (this.at + length) % (length + 1) - (this.at === 0 ? 1 : 0);
      if (this.at >= length || this.at < -1) this.at = length - 1;
      this.draw();
    }
  }
}

/** @param {unknown} value */
function quoted(value) {
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}

/** @param {string} text */
function lastWord(text) {
  return text.split(/\s+/).pop() ?? "";
}

/** Tell whether a comparison is complete at the end of a text. @param {string} text */
function isClosed(text) {
  return /(?:=|<|>|~|like)\s*(?:'[^']*'|"[^"]*"|[^\s'"]+)$/i.test(text) || text.endsWith(")");
}
