// Params and metrics of a run, live; its note.

import { post } from "../../lib/api.js";
import { colourOf } from "../../lib/colour.js";
import { h, the } from "../../lib/dom.js";
import { ago, counted, isOdd, number, value, whole } from "../../lib/format.js";
import { key as onKey } from "../../lib/keys.js";
import { spark } from "../../lib/spark.js";
import { KeysTable } from "./keys_table.js";
import { note } from "./note.js";
import { SYSTEM } from "./watched.js";

/** @typedef {import("./watched.js").Watched} Watched */

const { compare } = new Intl.Collator("en", { numeric: true });

/** Show the tab. @param {Watched} watched */
export function show(watched) {
  the("#run").style.setProperty("--own", colourOf(watched.id));
  params(watched);
  metrics(watched);
  note(watched);
  const printed = document.querySelector("#printed");
  if (printed) printed.scrollTop = printed.scrollHeight;
  onKey("/", "Find a param", () => the("#find-params").focus());
  watched.onNews((run, before) => {
    const fell = (run.error && !before.error) || (run.status === "crashed" && before.status !== "crashed");
    // The page of a run that fell opens on why; what is being written is not taken away for that.
    if (fell && !document.querySelector(".note-edit, dialog, input.name")) location.reload();
  });
}

/** @param {number} count @param {string} name */
function counts(count, name) {
  the(`#${name}-count`).textContent = count || "";
  the(`#no-${name}`).hidden = count > 0;
  the(`#${name}`).hidden = the(`#find-${name}`).hidden = count === 0;
}

/** @param {Watched} watched */
function params(watched) {
  const table = new KeysTable(the("#params"), the("#find-params"), {
    columns: 2,
    cells: () => [h("td.cut.mono")],
    update: (key, [cell]) => {
      const given = watched.run.params[key];
      const text = value(given);
      if (cell.textContent === text) return;
      cell.textContent = text;
      cell.title = typeof given === "object" ? JSON.stringify(given, null, 1) : String(given);
    },
  });
  const draw = () => {
    const keys = Object.keys(watched.run.params).sort(compare);
    counts(keys.length, "params");
    table.show(keys);
  };
  draw();
  watched.onNews(draw);
}

/** @param {Watched} watched */
function metrics(watched) {
  const curves = new Curves(watched);
  const table = new KeysTable(the("#metrics"), the("#find-metrics"), {
    columns: 5,
    cells: (key) => {
      const cells = [h("td", { data: { curve: key } }), h("td.num"), h("td.num"), h("td.num")];
      curves.add(key, cells[0]);
      return cells;
    },
    update: (key, cells) => fillMetric(watched.run.summaries[key], cells, key, curves),
  });
  const draw = () => {
    const keys = Object.keys(watched.run.summaries).filter((key) => !key.startsWith(SYSTEM)).sort(compare);
    counts(keys.length, "metrics");
    table.show(keys);
  };
  draw();
  watched.onNews(draw);
}

/** @param {any} summary @param {HTMLElement[]} cells @param {string} key @param {Curves} curves */
function fillMetric(summary, cells, key, curves) {
  const [, last, low, high] = cells;
  if (last.dataset.count === String(summary.count)) return;
  const fresh = last.dataset.count !== undefined;
  last.dataset.count = String(summary.count);
  put(last, summary.last, `step ${summary.last_step}, ${ago(summary.last_time / 1000)}, ${counted(summary.count, "point")}`);
  put(low, summary.min, `step ${summary.min_step}`);
  put(high, summary.max, `step ${summary.max_step}`);
  if (!fresh) return;
  last.classList.remove("fresh");
  void last.offsetWidth; // so that it shows again
  last.classList.add("fresh");
  curves.changed(key);
}

/** @param {HTMLElement} cell @param {unknown} shown @param {string} about */
function put(cell, shown, about) {
  cell.textContent = number(shown);
  cell.title = shown === null ? "" : `${whole(shown)} at ${about}`;
  cell.classList.toggle("nan", isOdd(shown));
}

/** The small curves of those rows that are in sight. */
class Curves {
  /** @param {Watched} watched */
  constructor(watched) {
    this.watched = watched;
    /** @type {Map<string, HTMLElement>} */
    this.places = new Map();
    /** @type {Set<string>} */
    this.seen = new Set();
    /** @type {Set<string>} */
    this.wanted = new Set();
    this.waiting = 0;
    this.eye = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const key = /** @type {HTMLElement} */ (target).dataset.curve ?? "";
        if (!isIntersecting) { this.seen.delete(key); continue; }
        this.seen.add(key);
        if (!target.firstChild) this.want(key);
      }
    }, { rootMargin: "200px" });
  }

  /** @param {string} key @param {HTMLElement} place */
  add(key, place) {
    this.places.set(key, place);
    this.eye.observe(place);
  }

  /** A curve has more points; if it is in sight it is drawn anew, else once it is. @param {string} key */
  changed(key) {
    if (this.seen.has(key)) this.want(key);
    else this.places.get(key)?.replaceChildren();
  }

  /** @param {string} key */
  want(key) {
    if ((this.watched.run.summaries[key]?.count ?? 0) < 2) return;
    this.wanted.add(key);
    if (!this.waiting) this.waiting = window.setTimeout(() => this.ask(), 50);
  }

  async ask() {
    const keys = [...this.wanted].slice(0, 100);
    for (const key of keys) this.wanted.delete(key);
    const began = performance.now();
    try {
      const found = await post(`${this.watched.api}/curves`, { keys });
      for (const [key, values] of Object.entries(found)) {
        const place = this.places.get(key);
        if (place) spark(place, values);
      }
    } catch { /* the values beside them are there */ }
    const pause = Math.max(400, (performance.now() - began) * 4);
    this.waiting = window.setTimeout(() => { this.waiting = 0; if (this.wanted.size) this.ask(); }, pause);
  }
}
