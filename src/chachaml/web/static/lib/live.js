// What changes, as it changes: one line to the server for the whole page, quiet while the tab is in the background.

import { url } from "./api.js";

/** @typedef {{runs: Set<string>, all: boolean}} News Which runs something was written to; all if it is not known which. */

/** @type {Set<(news: News) => void>} */
const listeners = new Set();
/** @type {Set<(state: string) => void>} */
const watchers = new Set();
/** @type {EventSource | null} */
let source = null;
let last = "";
let state = "connecting";
/** @type {News} */
let pending = { runs: new Set(), all: false };
let waiting = 0;
const TOGETHER = 500;

/** Hear of changes, twice a second at most. @param {(news: News) => void} act @returns {() => void} What stops it. */
export function onChange(act) {
  listeners.add(act);
  if (!source && !document.hidden) open();
  return () => listeners.delete(act);
}

/** Hear how the line is: "connecting", "live", "catching-up" or "offline". @param {(state: string) => void} act */
export function onState(act) {
  watchers.add(act);
  act(state);
  if (!source && !document.hidden) open();
}

/** @param {string} next */
function become(next) {
  if (state === next) return;
  state = next;
  for (const act of watchers) act(state);
}

function open() {
  source = new EventSource(url("/api/events", { after: last }));
  source.addEventListener("open", () => become("live"));
  source.addEventListener("error", () => {
    become("offline");
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => { if (!source && !document.hidden) open(); }, 3000);
    }
  });
  source.addEventListener("change", (event) => {
    last = event.lastEventId;
    for (const run of JSON.parse(event.data).runs) pending.runs.add(run);
    soon();
  });
  source.addEventListener("reset", (event) => {
    last = event.lastEventId;
    pending.all = true;
    soon();
  });
}

function soon() {
  if (!waiting) waiting = window.setTimeout(tell, TOGETHER);
}

function tell() {
  waiting = 0;
  const news = pending;
  pending = { runs: new Set(), all: false };
  for (const act of listeners) act(news);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = null;
    become("catching-up");
  } else if (!source) open();
});
