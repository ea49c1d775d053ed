// Where the table's rows come from: pages of a hundred, the last few kept, asked for as they scroll into view.

import { get } from "../lib/api.js";

const PAGE = 100;
const KEPT = 12;

export class Source {
  constructor() {
    /** @type {Map<number, any[]>} */
    this.pages = new Map();
    /** @type {Record<string, any>} */
    this.query = {};
    this.total = 0;
    this.asking = new AbortController();
    /** @type {Map<number, Promise<void>>} */
    this.waiting = new Map();
    this.wanted = [0, 0];
    this.version = 0;
  }

  /** Ask for other runs, or for other keys of them; what is shown stays until the new ones are there. @param {Record<string, any>} query */
  async show(query) {
    this.query = query;
    await this.refresh();
  }

  /** Ask anew for what is in view. */
  async refresh() {
    this.asking.abort();
    this.asking = new AbortController();
    this.waiting.clear();
    this.version += 1;
    const { version } = this;
    const first = Math.floor(this.wanted[0] / PAGE);
    const last = Math.max(first, Math.floor(Math.max(this.wanted[1] - 1, 0) / PAGE));
    const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const found = await Promise.all(numbers.map((page) => this.fetch(page)));
    if (version !== this.version) return;
    this.pages = new Map(numbers.map((page, at) => [page, found[at].runs]));
    this.total = found[0].total;
  }

  /** @param {number} page @returns {Promise<{total: number, runs: any[]}>} */
  fetch(page) {
    return get("/api/table", { ...this.query, offset: page * PAGE, limit: PAGE }, this.asking.signal);
  }

  /** Return the run in a row, if it is here. @param {number} row */
  at(row) {
    return this.pages.get(Math.floor(row / PAGE))?.[row % PAGE];
  }

  /**
   * See to it that rows are here.
   * @param {number} from @param {number} to
   * @returns {Promise<boolean>} Whether any had to be fetched.
   */
  async need(from, to) {
    this.wanted = [from, to];
    const { version } = this;
    const missing = [];
    for (let page = Math.floor(from / PAGE); page * PAGE < Math.min(to, this.total); page++) {
      if (!this.pages.has(page)) missing.push(page);
    }
    await Promise.all(missing.map((page) => this.load(page, version)));
    return missing.length > 0 && version === this.version;
  }

  /** @param {number} page @param {number} version */
  load(page, version) {
    const known = this.waiting.get(page);
    if (known) return known;
    const promise = this.fetch(page).then(({ runs }) => {
      this.waiting.delete(page);
      if (version !== this.version) return;
      this.pages.set(page, runs);
      for (const old of this.pages.keys()) {
        if (this.pages.size <= KEPT) break;
        if (Math.abs(old - page) > 2) this.pages.delete(old);
      }
    });
    this.waiting.set(page, promise);
    return promise;
  }

  /** Return the ids of runs between two rows, both included. @param {number} from @param {number} to @returns {Promise<string[]>} */
  async ids(from, to) {
    const [low, high] = from < to ? [from, to] : [to, from];
    await this.need(low, high + 1);
    return Array.from({ length: high - low + 1 }, (_, at) => this.at(low + at)?.id).filter(Boolean);
  }

  /** Return the runs that are here, of these rows. @param {number} from @param {number} to @returns {any[]} */
  between(from, to) {
    return Array.from({ length: Math.max(0, to - from) }, (_, at) => this.at(from + at)).filter(Boolean);
  }
}
