// The artifacts of a run: a tree, and beside it what the chosen one holds.

import { url } from "../../lib/api.js";
import { fill, h, icon, the } from "../../lib/dom.js";
import { moment, size } from "../../lib/format.js";
import { UrlState } from "../../lib/state.js";
import { preview } from "./previews.js";

/** @typedef {import("./watched.js").Watched} Watched */
/** @typedef {{name: string, size: number, content_type: string, format: string, digest: string, logged: string}} Artifact */
/** @typedef {Map<string, Artifact | Folder>} Folder */

/** Show the tab. @param {Watched} watched */
export function show(watched) {
  const state = new UrlState({ open: "", from: 0 });
  const open = () => chosen(watched, state);
  if (watched.run.artifacts.length) {
    tree(watched, state);
    open();
  }
  state.onChange((changed) => { if (changed.has("open")) { mark(state); open(); } });
  watched.onNews((run, before) => {
    if (run.artifacts.length === before.artifacts.length && run.artifacts.every((/** @type {Artifact} */ one, /** @type {number} */ at) => one.digest === before.artifacts[at].digest)) return;
    if (!before.artifacts.length) location.reload();
    else tree(watched, state);
  });
}

/** @param {Artifact[]} artifacts @returns {Folder} */
function folded(artifacts) {
  /** @type {Folder} */
  const root = new Map();
  for (const one of artifacts) {
    let place = root;
    const parts = one.name.split("/");
    for (const part of parts.slice(0, -1)) {
      const inside = place.get(`${part}/`);
      const next = /** @type {Folder} */ (inside instanceof Map ? inside : new Map());
      place.set(`${part}/`, next);
      place = next;
    }
    place.set(parts[parts.length - 1], one);
  }
  return root;
}

/** @param {Watched} watched @param {any} state */
function tree(watched, state) {
  const closed = new Set([...document.querySelectorAll("#tree details:not([open])")].map((one) => /** @type {HTMLElement} */ (one).dataset.path));
  const draw = (/** @type {Folder} */ folder, /** @type {string} */ path) => [...folder].sort(([a, x], [b, y]) =>
    Number(y instanceof Map) - Number(x instanceof Map) || (a < b ? -1 : 1)).map(([name, what]) => what instanceof Map
    ? h("li", {}, h("details", { open: !closed.has(path + name), data: { path: path + name } }, h("summary", { title: path + name }, icon("folder"), h("span.cut.mono", {}, name.slice(0, -1))), h("ul", {}, draw(what, path + name))))
    : h("li", {}, h("a", { href: url(`/runs/${watched.id}/artifacts`, { open: what.name }), title: what.name, data: { name: what.name }, onclick: (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      state.set({ open: what.name, from: 0 });
    } }, icon("file"), h("span.cut.mono", {}, name), h("span.faint.spring"), h("span.faint", {}, size(what.size)))));
  fill(the("#tree"), draw(folded(watched.run.artifacts), ""));
  mark(state);
}

/** @param {any} state */
function mark(state) {
  for (const link of document.querySelectorAll("#tree a")) {
    const here = /** @type {HTMLElement} */ (link).dataset.name === state.now.open;
    if (here) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** @param {Watched} watched @param {any} state */
function chosen(watched, state) {
  const host = the("#preview");
  const one = /** @type {Artifact | undefined} */ (watched.run.artifacts.find((/** @type {Artifact} */ each) => each.name === state.now.open));
  if (!one) {
    fill(host, h("p.muted", {}, state.now.open ? `There is no artifact ${state.now.open}.` : "Choose one to look into it."));
    return;
  }
  const address = rawUrl(watched.id, one.name);
  const line = `ml.load_artifact(${JSON.stringify(watched.id)}, ${JSON.stringify(one.name)})`;
  const body = h("div.content");
  fill(host,
    h("header", {}, h("h2.cut", { title: one.name }, one.name), h("span.spring"),
      h("button.quiet", { type: "button", data: { copy: line }, title: line }, icon("copy"), "Python"),
      h("a.button", { href: address, download: one.name.split("/").pop() }, icon("download"), "Download")),
    h("p.muted.about", {}, `${size(one.size)} · ${one.content_type} · `, h("span", { title: moment(one.logged) }, one.format), " · SHA-256 ",
      h("button.id", { type: "button", data: { copy: one.digest }, title: `${one.digest} (click to copy)` }, one.digest.slice(0, 12))),
    body);
  preview(body, watched.id, one, state);
}

/** Return where the bytes of an artifact are. @param {string} run @param {string} name @param {string} [what] */
export function rawUrl(run, name, what = "download") {
  return url(`/api/artifacts/${run}/${name.split("/").map(encodeURIComponent).join("/")}/${what}`);
}
