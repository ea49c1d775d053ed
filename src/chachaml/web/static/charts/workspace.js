// Charts over runs: one for each metric, in sections, of which only those in view exist.

import { onChange } from "../lib/live.js";
import { post } from "../lib/api.js";
import { afterSilence, fill, h, icon, scrollerOf } from "../lib/dom.js";
import { complain } from "../lib/told.js";
import { Card } from "./card.js";
import { Large, saveCsv, savePng } from "./expanded.js";
import { Loader } from "./loading.js";
import { Panels } from "./panels.js";
import { byQuestion, detailOf, placesFor, signOf } from "./questions.js";
import { movedTo, pinnedOrNot, sectionsOf, titleOf } from "./sections.js";
import { axisName, chosenAnew, openSettings, settingsOf, USUAL, windowOf, WORKSPACE_STATE } from "./settings.js";

export { WORKSPACE_STATE };

/** @typedef {{id: string, name: string, status?: string}} Run */
/** @typedef {import("./curves.js").Question} Question */
/** @typedef {import("../lib/state.js").UrlState<any>} State With the fields of WORKSPACE_STATE. */

const KEPT = 24;
/** Runs that are drawn at once, as many as one question may be about. */
const MOST = 1000;

export class Workspace {
  /** @param {HTMLElement} host @param {{state: State, shows?: (key: string) => boolean}} given `shows` leaves metrics out. */
  constructor(host, given) {
    this.state = given.state;
    this.shows = given.shows ?? (() => true);
    /** @type {Run[]} */
    this.runs = [];
    /** @type {Map<string, string>} */
    this.names = new Map();
    /** @type {Map<string, string> | null} */
    this.groups = null;
    /** @type {Set<string>} */
    this.keys = new Set();
    this.known = false;
    /** @type {Map<string, Card>} */
    this.cards = new Map();
    /** Asks for what is in view; what changed since, and what is large, is asked for apart. */
    this.loader = new Loader();
    this.others = new Loader();
    /** @type {AbortController | null} */
    this.learning = null;
    /** Runs that were written to since they were asked for. @type {Set<string>} */
    this.changed = new Set();
    this.catchingUp = false;
    /** @type {Large | null} */
    this.large = null;
    this.width = 0;
    /** @type {Panels | null} */
    this.panels = null;
    this.acts = {
      expand: (/** @type {string} */ key) => this.enlarge(key),
      pin: (/** @type {string} */ key) => this.state.set(pinnedOrNot(this.state.now, key)),
      move: (/** @type {string} */ key, /** @type {string} */ where) => this.state.set(movedTo(this.sections(), this.state.now, key, where)),
      save: (/** @type {string} */ key, /** @type {"csv" | "png"} */ kind) => this.save(key, kind),
    };
    this.soon = afterSilence(() => this.load(), 30);
    this.build(host);
    this.forget = onChange((news) => this.hear(news));
    this.state.onChange((changed) => this.follow(changed));
  }

  /** @param {HTMLElement} host */
  build(host) {
    this.filter = h("input", {
      type: "search", placeholder: "Filter metrics", "aria-label": "Filter metrics", value: this.state.now.keys,
      oninput: afterSilence(() => this.state.set({ keys: this.filter.value }, { replace: true }), 150),
    });
    this.reset = h("button", { type: "button", hidden: true, onclick: () => this.state.set({ zoom: {} }) }, "Reset zoom");
    const settings = h("button", { type: "button", "aria-haspopup": "true", onclick: () => this.openSettings(settings, null) }, icon("settings"), "Charts");
    this.place = h("div.chart-sections");
    this.top = h("div");
    fill(host, h("div.workspace", {}, h("div.workspace-bar", {}, this.filter, this.reset, settings), this.top, this.place));
    this.views = new IntersectionObserver((entries) => {
      for (const entry of entries) this.see(/** @type {HTMLElement} */ (entry.target), entry.isIntersecting);
      this.soon();
    }, { root: scrollerOf(host), rootMargin: "150px" });
    this.sizes = new ResizeObserver(afterSilence(() => this.soon(), 150));
    this.sizes.observe(host);
  }

  /** Draw other runs, in this order; those that the state hides are left out, and so are those beyond the first thousand. @param {Run[]} runs */
  setRuns(runs) {
    const others = runs.length !== this.runs.length || runs.some((run, at) => run.id !== this.runs[at]?.id);
    this.runs = runs.slice(0, MOST);
    this.names = new Map(runs.map((run) => [run.id, run.name]));
    if (others || !this.known) this.learnKeys(this.runs.map((run) => run.id), true);
    this.restyle();
    this.soon();
  }

  /** Draw groups instead of runs, or with null runs again. @param {Map<string, string> | null} groups The group of each run. */
  setGroups(groups) {
    this.groups = groups;
    this.restyle();
  }

  /** Show panels above the charts, over the runs that a query finds. @param {import("./panels.js").Query} query */
  setQuery(query) {
    this.panels ??= new Panels(this.top, this.state);
    this.panels.setQuery(query);
  }

  destroy() {
    this.forget();
    this.panels?.destroy();
    this.views?.disconnect();
    this.sizes?.disconnect();
    this.loader.keep(() => false);
    this.others.keep(() => false);
    for (const card of this.cards.values()) card.leave();
  }

  // what there is ------------------------------------------------------------------------------------

  /** @returns {string[]} The ids of the runs that are drawn. */
  get drawn() {
    const hidden = new Set(this.state.now.hidden);
    return this.runs.map((run) => run.id).filter((id) => !hidden.has(id));
  }

  /** Learn which metrics runs have. @param {string[]} runs @param {boolean} anew Whether others are forgotten. */
  async learnKeys(runs, anew) {
    if (!anew && this.learning) return;
    this.learning?.abort();
    const controller = this.learning = new AbortController();
    try {
      const found = runs.length ? Object.keys((await post("/api/curves/keys", { runs }, controller.signal)).keys) : [];
      const next = new Set([...anew ? [] : this.keys, ...found.filter(this.shows)]);
      const same = this.known && next.size === this.keys.size && [...next].every((key) => this.keys.has(key));
      this.known = true;
      this.keys = next;
      if (!same || !this.keys.size) this.layOut();
    } catch (error) {
      complain(error);
    } finally {
      if (this.learning === controller) this.learning = null;
    }
  }

  sections() {
    return sectionsOf(this.keys, this.state.now);
  }

  layOut() {
    const sections = this.sections();
    const there = new Set([...sections.values()].flat());
    for (const [key, card] of this.cards) {
      if (there.has(key)) continue;
      this.views?.unobserve(card.element);
      card.leave();
      this.cards.delete(key);
    }
    if (!there.size) {
      fill(/** @type {HTMLElement} */ (this.place), this.nothing());
      return;
    }
    fill(/** @type {HTMLElement} */ (this.place), ...[...sections].map(([name, keys]) => this.section(name, keys)));
    this.restyle();
  }

  nothing() {
    const why = !this.runs.length ? "No runs to draw." : this.keys.size ? "No metric matches." : "These runs have no metrics yet.";
    return h("div.empty", {}, h("h2", {}, why), this.runs.length && !this.keys.size
      ? h("pre", {}, 'import chachaml as ml\n\nwith ml.start_run():\n    for step in range(100):\n        ml.log_metric("loss", 1 / (step + 1), step=step)') : null);
  }

  /** @param {string} name @param {string[]} keys */
  section(name, keys) {
    const title = titleOf(name);
    const closed = this.state.now.closed.includes(name);
    const settings = h("button.quiet.square", { type: "button", "aria-label": `Settings of ${title}`, title: "Settings of this section", onclick: () => this.openSettings(settings, name) }, icon("settings"));
    const cards = h("div.chart-grid", { hidden: closed });
    const fold = h("button.quiet", {
      type: "button", "aria-expanded": String(!closed), onclick: () => {
        const now = new Set(this.state.now.closed);
        if (!now.delete(name)) now.add(name);
        this.state.set({ closed: [...now] }, { replace: true });
      },
    }, icon(closed ? "right" : "down"), h("span.cut", {}, title), h("span.faint", {}, keys.length));
    for (const key of keys) {
      const card = this.cardOf(key);
      card.section = name;
      cards.append(card.element);
    }
    return h("section.chart-section", { "aria-label": title }, h("div.chart-section-head", {}, h("h2", {}, fold), settings), cards);
  }

  /** @param {string} key */
  cardOf(key) {
    let card = this.cards.get(key);
    if (!card) {
      card = new Card(key, { ...this.acts, zoom: (window, moving) => this.zoom(key, window, moving) });
      this.cards.set(key, card);
      this.views?.observe(card.element);
    }
    return card;
  }

  // what is in view ----------------------------------------------------------------------------------

  /** @param {HTMLElement} element @param {boolean} inView */
  see(element, inView) {
    const card = this.cards.get(element.dataset.key ?? "");
    if (!card || card.inView === inView) return;
    if (inView) {
      card.enter();
      this.style(card);
      this.show(card);
      return;
    }
    card.leave();
    const kept = [...this.cards.values()].filter((one) => !one.inView && one.sign);
    for (const one of kept.slice(0, Math.max(0, kept.length - KEPT))) one.forget();
  }

  /** @param {Card} card */
  settings(card) {
    return settingsOf(this.state.now.charts, card.section);
  }

  /** @param {Card} card @returns {[number, number] | null} */
  windowOf(card) {
    return windowOf(this.state.now.zoom, this.settings(card).x);
  }

  /** @param {Card} card @param {import("./chart.js").Chart | null} [chart] */
  style(card, chart = card.chart) {
    const { grouped, x, logX, ...look } = this.settings(card);
    // What is drawn stays on its own axis until what belongs to another one is there.
    const fits = !card.sign || card.sign === signOf(this.question(card, this.width));
    chart?.setStyle({ ...look, ...(fits ? { x, logX } : {}), groups: grouped ? this.groups : null });
    if (fits) chart?.setWindow(this.windowOf(card));
  }

  restyle() {
    if (this.reset) this.reset.hidden = !Object.keys(this.state.now.zoom ?? {}).length;
    for (const card of this.cards.values()) {
      if (!card.inView) continue;
      this.style(card);
      this.show(card);
    }
    const card = this.large && this.cards.get(this.large.key);
    if (card) {
      this.style(card, this.large?.chart);
      this.fillLarge(false);
    }
  }

  /** @param {Set<string>} changed */
  follow(changed) {
    if (this.filter && this.filter !== document.activeElement) this.filter.value = this.state.now.keys;
    if (["keys", "pinned", "order", "closed"].some((name) => changed.has(name))) this.layOut();
    else if (["charts", "zoom", "hidden"].some((name) => changed.has(name))) this.restyle();
    this.soon();
  }

  // data ---------------------------------------------------------------------------------------------

  /** Ask for all that charts in view lack. */
  load() {
    const seen = [...this.cards.values()].filter((card) => card.inView && card.element.offsetParent);
    if (!seen.length || !this.known) return;
    this.width = seen[0].body.clientWidth - 50;
    const drawn = this.drawn;
    const wanted = byQuestion(seen, (card) => {
      const question = this.question(card, this.width);
      if (card.sign !== signOf(question)) return question;
      const missing = drawn.filter((run) => !card.asked.has(run));
      if (missing.length) return { ...question, runs: missing };
      const window = this.windowOf(card);
      return window && !card.exact && card.detailSign !== detailOf(window, drawn) ? { ...question, window } : null;
    });
    const current = new Set(wanted.map(({ keys: _, ...question }) => JSON.stringify(question)));
    this.loader.keep(({ keys: _, ...question }) => current.has(JSON.stringify(question)));
    for (const question of wanted) this.loader.load(question, (key, found) => this.take(key, found, question));
  }

  /** @param {Card} card @param {number} width @returns {Question} */
  question(card, width) {
    const { x, logX } = this.settings(card);
    const runs = this.drawn;
    return { runs, keys: [], x, window: null, buckets: placesFor(width, runs.length), log_x: logX };
  }

  /** @param {string} key @param {import("./curves.js").Drawn} found @param {Question} question */
  take(key, found, question) {
    const card = this.cards.get(key);
    if (!card) return;
    if (question.window) {
      card.detailSign = detailOf(question.window, question.runs);
      card.chart?.setDetail(found.curves, question.window);
      return;
    }
    card.take(found, signOf(question), question.runs);
    this.style(card);
    this.show(card);
    if (this.large?.key === key) this.fillLarge(true);
    this.soon();
  }

  /** Draw what is known of the runs that are to be drawn. @param {Card} card */
  show(card) {
    if (card.asked.size) card.chart?.setData(card.curvesOf(this.drawn), this.names);
  }

  // what happens -------------------------------------------------------------------------------------

  /** @param {import("../lib/live.js").News} news */
  hear(news) {
    for (const run of this.drawn) if (news.all || news.runs.has(run)) this.changed.add(run);
    if (this.changed.size && this.known && !this.catchingUp) this.catchUp();
  }

  /** Ask for what changed, and again for what changed meanwhile. */
  async catchUp() {
    this.catchingUp = true;
    while (this.changed.size) {
      const runs = this.drawn.filter((run) => this.changed.delete(run));
      this.changed.clear();
      this.learnKeys(runs, false);
      for (const card of this.cards.values()) if (!card.inView) card.sign = "";
      const wanted = byQuestion(this.cards.values(), (card) => {
        const question = this.question(card, this.width);
        return card.inView && card.sign === signOf(question) ? { ...question, runs } : null;
      });
      await Promise.all(wanted.map((question) => this.others.load(question, (key, found) => {
        if (this.cards.get(key)?.sign === signOf(question)) this.take(key, found, question);
      })));
    }
    this.catchingUp = false;
  }

  /** @param {string} key @param {[number, number] | null} window @param {boolean} moving */
  zoom(key, window, moving) {
    const card = this.cards.get(key);
    if (!card) return;
    const axis = axisName(this.settings(card).x);
    const { [axis]: _, ...zoom } = this.state.now.zoom ?? {};
    if (window) zoom[axis] = window.map((end) => Number(end.toPrecision(12)));
    this.state.set({ zoom }, { replace: moving });
  }

  /** @param {HTMLElement} anchor @param {string | null} section */
  openSettings(anchor, section) {
    const { charts } = this.state.now;
    const change = (/** @type {any} */ some) => this.state.set({ charts: chosenAnew(this.state.now.charts, section, some) }, { replace: true });
    openSettings(anchor, {
      title: section === null ? "All charts" : `Charts of ${titleOf(section)}`,
      now: section === null ? { ...USUAL, ...charts } : settingsOf(charts, section),
      keys: [...this.keys].sort(),
      groups: this.groups !== null,
      change,
      reset: section === null ? null : () => {
        const { [section]: _, ...sections } = charts.sections ?? {};
        this.state.set({ charts: { ...charts, sections } });
      },
    });
  }

  // one alone ----------------------------------------------------------------------------------------

  /** @param {string} key */
  enlarge(key) {
    const card = this.cards.get(key);
    if (!card) return;
    this.large = new Large(key, this.names, (window, moving) => this.zoom(key, window, moving), (chart) => {
      chart.setData(card.curvesOf(this.drawn), this.names);
      this.style(card, chart);
    });
    this.large.closed.then(() => { this.large = null; });
    this.fillLarge(true);
  }

  /** @param {boolean} anew Whether it is asked for even if it was already. */
  fillLarge(anew) {
    const card = this.large && this.cards.get(this.large.key);
    if (!this.large || !card) return;
    const question = this.question(card, this.large.chart.frame.clientWidth);
    this.large.fill(this.others, question, this.windowOf(card), this.names, anew);
  }

  /** @param {string} key @param {"csv" | "png"} kind */
  save(key, kind) {
    const chart = this.cards.get(key)?.chart;
    if (!chart) return;
    if (kind === "csv") saveCsv(key, chart.shown, this.names);
    else savePng(key, chart);
  }
}

/**
 * Show charts over runs.
 * @param {HTMLElement} host Where; within something that scrolls, or scrolling itself.
 * @param {{state: State}} given
 * @returns {Workspace} `setRuns` and `setGroups` say what to draw, `destroy` ends it.
 */
export function workspace(host, given) {
  return new Workspace(host, given);
}
