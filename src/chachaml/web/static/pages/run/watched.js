// The run as it is just now: asked for anew when something was written to it, and no more often than it bears.

import { get } from "../../lib/api.js";
import { onChange } from "../../lib/live.js";

/** How the keys begin of what was measured of the machine. */
export const SYSTEM = "system/";

export class Watched {
  /** @param {any} run As GET /api/runs/{id} gives it. */
  constructor(run) {
    this.run = run;
    /** @type {Set<(run: any, before: any) => void>} */
    this.listeners = new Set();
    this.asking = false;
    this.again = false;
    onChange((news) => { if (news.all || news.runs.has(run.id)) this.refresh(); });
  }

  get id() { return this.run.id; }

  get api() { return `/api/runs/${this.run.id}`; }

  /** Hear of every change. @param {(run: any, before: any) => void} act */
  onNews(act) {
    this.listeners.add(act);
  }

  /** Take what an operation answered with. @param {any} run */
  take(run) {
    const before = this.run;
    this.run = run;
    for (const act of this.listeners) act(run, before);
  }

  /** Ask anew; while an answer is on its way, once more after it. */
  async refresh() {
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    const began = performance.now();
    try {
      this.take(await get(this.api));
    } catch { /* the line in the bar tells that the server is gone; a deleted run stays as it was */ }
    const took = performance.now() - began;
    setTimeout(() => {
      this.asking = false;
      if (this.again) { this.again = false; this.refresh(); }
    }, Math.max(250, took * 4));
  }
}
