// What a run printed: colours, lines that are replaced while a progress bar moves, the live tail, search, links to lines.

import { get } from "../../lib/api.js";
import { afterSilence, fill, h, the } from "../../lib/dom.js";
import { count, counted } from "../../lib/format.js";
import { key } from "../../lib/keys.js";
import { UrlState } from "../../lib/state.js";
import { complain, toast } from "../../lib/told.js";
import { spansOf } from "./ansi.js";

/** @typedef {import("./watched.js").Watched} Watched */
/** @typedef {{stream: string, text: string, row: HTMLElement}} Line */

const BLOCK = 250;
const MOST = 50_000;

/** Show the tab. @param {Watched} watched */
export function show(watched) {
  const printed = new Printed(watched, the("#console"));
  printed.more().catch(complain);
  watched.onNews(() => printed.more().catch(complain));
}

class Printed {
  /** @param {Watched} watched @param {HTMLElement} host */
  constructor(watched, host) {
    this.watched = watched;
    this.host = host;
    this.after = 0;
    this.asking = false;
    /** @type {Map<number, Line>} */
    this.lines = new Map();
    /** @type {Map<number, HTMLElement>} */
    this.blocks = new Map();
    /** @type {number[]} */
    this.hits = [];
    this.state = new UrlState({ q: "" });
  }

  /** Ask for what was printed since. */
  async more() {
    if (this.asking) return;
    this.asking = true;
    try {
      for (let found; ;) {
        found = await get(`${this.watched.api}/console`, { after: this.after });
        if (!found.rows.length) break;
        this.after = found.next;
        this.begin();
        const follows = this.follows();
        for (const row of found.rows) row.text.split("\n").forEach((/** @type {string} */ text, /** @type {number} */ at) => this.put(row.line + at, row.stream, text));
        this.told();
        if (follows) this.toEnd();
      }
    } finally { this.asking = false; }
  }

  /** Make the place for lines, once there are any. */
  begin() {
    if (this.pane) return;
    this.pane = h("div.lines.mono", { tabindex: 0, role: "log", "aria-live": "off", "aria-label": "What the run printed" });
    this.find = h("input", { type: "search", placeholder: "Find", "aria-label": "Find in what was printed", value: this.state.now.q });
    this.count = h("span.faint", { role: "status" });
    this.wrap = h("button.quiet", { type: "button", "aria-pressed": "true", onclick: () => this.setWrap() }, "Wrap");
    this.follow = h("button.quiet", { type: "button", "aria-pressed": "false", title: "Keep the end in sight (End)", onclick: () => this.toEnd() }, "Follow");
    fill(this.host, h("header", {}, this.find,
      h("span.group", {}, h("button", { type: "button", "aria-label": "The hit before", onclick: () => this.step(-1) }, "↑"), h("button", { type: "button", "aria-label": "The next hit", onclick: () => this.step(1) }, "↓")),
      this.count, h("span.spring"), this.wrap, this.follow,
      h("button.quiet", { type: "button", onclick: () => this.save() }, "Download")), this.pane);
    this.find.addEventListener("input", afterSilence(() => { this.state.set({ q: this.find.value }, { replace: true }); this.search(true); }, 150));
    this.find.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); }
    });
    this.pane.addEventListener("scroll", () => this.follow.setAttribute("aria-pressed", String(this.follows())), { passive: true });
    this.pane.addEventListener("click", (/** @type {Event} */ event) => this.link(event));
    key("/", "Find in what was printed", () => this.find.focus());
    key("End", "Follow the end", () => this.toEnd());
    key("n", "The next hit", () => this.step(1));
    addEventListener("hashchange", () => this.toLinked());
    this.fresh = true;
  }

  follows() {
    const { pane } = this;
    if (!pane) return false;
    if (this.fresh) return !location.hash.startsWith("#L");
    return pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40;
  }

  toEnd() {
    this.pane.scrollTop = this.pane.scrollHeight;
    this.follow.setAttribute("aria-pressed", "true");
  }

  /** @param {number} number @param {string} stream @param {string} text */
  put(number, stream, text) {
    const known = this.lines.get(number);
    if (known) {
      if (known.text === text) return;
      known.text = text;
      fill(known.row.lastElementChild ?? known.row, spansOf(text));
      return;
    }
    const row = h("div.line", { class: stream, id: `L${number + 1}` },
      h("a", { href: `#L${number + 1}`, "aria-label": `Line ${number + 1}`, data: { n: number + 1 } }), h("span", {}, spansOf(text)));
    this.lines.set(number, { stream, text, row });
    this.block(Math.floor(number / BLOCK)).append(row);
  }

  /** @param {number} place */
  block(place) {
    let block = this.blocks.get(place);
    if (block) return block;
    block = h("div.block");
    const before = [...this.blocks.keys()].filter((one) => one < place).sort((a, b) => b - a)[0];
    if (before === undefined) this.pane.prepend(block);
    else this.blocks.get(before)?.after(/** @type {Node} */ (block));
    this.blocks.set(place, /** @type {HTMLElement} */ (block));
    while (this.blocks.size * BLOCK > MOST) this.forget();
    return /** @type {HTMLElement} */ (block);
  }

  /** Let go of the first lines: there are more than anybody reads here. */
  forget() {
    const first = Math.min(...this.blocks.keys());
    this.blocks.get(first)?.remove();
    this.blocks.delete(first);
    for (let line = first * BLOCK; line < (first + 1) * BLOCK; line++) this.lines.delete(line);
  }

  told() {
    if (this.find.value) this.search(false);
    else this.count.textContent = counted(this.lines.size, "line");
    if (this.fresh && location.hash.startsWith("#L")) this.toLinked();
    this.fresh = false;
  }

  /** @param {boolean} jump */
  search(jump) {
    const words = this.find.value.toLowerCase();
    this.hits = [];
    for (const [number, line] of this.lines) {
      const hit = Boolean(words) && line.row.lastElementChild?.textContent?.toLowerCase().includes(words);
      line.row.classList.toggle("hit", Boolean(hit));
      if (hit) this.hits.push(number);
    }
    this.hits.sort((a, b) => a - b);
    this.at = -1;
    this.count.textContent = words ? counted(this.hits.length, "hit") : counted(this.lines.size, "line");
    if (jump && this.hits.length) this.step(1);
  }

  /** @param {number} by */
  step(by) {
    if (!this.hits.length) return;
    this.at = ((this.at ?? -1) + by + this.hits.length) % this.hits.length;
    this.goTo(this.hits[this.at]);
    this.count.textContent = `${count(this.at + 1)} of ${counted(this.hits.length, "hit")}`;
  }

  /** @param {number} number */
  goTo(number) {
    this.pane.querySelector(".here")?.classList.remove("here");
    const row = this.lines.get(number)?.row;
    row?.classList.add("here");
    row?.scrollIntoView({ block: "center" });
  }

  toLinked() {
    const number = Number(location.hash.slice(2));
    if (location.hash.startsWith("#L") && number) this.goTo(number - 1);
  }

  /** @param {Event} event */
  link(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest(".line > a");
    if (!link) return;
    event.preventDefault();
    history.replaceState(null, "", `${location.pathname}${location.search}${link.getAttribute("href")}`);
    this.goTo(Number(/** @type {HTMLElement} */ (link).dataset.n) - 1);
    navigator.clipboard?.writeText(location.href).then(() => toast("Copied the link to this line"), () => {});
  }

  setWrap() {
    const wraps = this.pane.classList.toggle("unwrapped");
    this.wrap.setAttribute("aria-pressed", String(!wraps));
  }

  /** Save what is shown, as text. */
  save() {
    const numbers = [...this.lines.keys()].sort((a, b) => a - b);
    const text = numbers.map((number) => `${this.lines.get(number)?.row.lastElementChild?.textContent}\n`);
    const address = URL.createObjectURL(new Blob(text, { type: "text/plain" }));
    h("a", { href: address, download: `console-${this.watched.id.slice(-8)}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
}
