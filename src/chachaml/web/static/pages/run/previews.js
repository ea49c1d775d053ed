// What an artifact holds, each kind in its way. Nothing of it runs here: documents stand in a frame without an origin.

import { ApiError, get } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { count, isOdd, number, size, value, whole } from "../../lib/format.js";
import { showMarkdown } from "../../lib/prose.js";
import { complain } from "../../lib/told.js";
import { rawUrl } from "./artifacts.js";

/** @typedef {import("./artifacts.js").Artifact} Artifact */

const ROWS = 100, LINES = 2000;
const LARGEST_IMAGE = 24 << 20, LARGEST_AUDIO = 64 << 20;
const IMAGES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** Show what an artifact holds. @param {HTMLElement} host @param {string} run @param {Artifact} one @param {any} state */
export async function preview(host, run, one, state) {
  const kind = one.content_type.split(";")[0].trim().toLowerCase();
  try {
    if (IMAGES.includes(kind)) await media(host, run, one, kind, LARGEST_IMAGE, (/** @type {string} */ src) => h("img", { src, alt: one.name }));
    else if (kind.startsWith("audio/")) await media(host, run, one, kind, LARGEST_AUDIO, (/** @type {string} */ src) => h("audio", { src, controls: true }));
    else if (kind === "text/html" || kind === "image/svg+xml") framed(host, run, one, state);
    else await content(host, run, one, state, kind);
  } catch (error) {
    if (error instanceof ApiError) fill(host, h("p.problem", {}, error.whole));
    else complain(error);
  }
}

/** @param {HTMLElement} host @param {string} text */
const told = (host, text) => fill(host, h("p.muted", {}, text));

/** @param {HTMLElement} host @param {string} run @param {Artifact} one @param {string} kind @param {number} most @param {(src: string) => HTMLElement} make */
async function media(host, run, one, kind, most, make) {
  if (one.size > most) { told(host, `${size(one.size)} is too large to be shown here; download it.`); return; }
  const answer = await fetch(rawUrl(run, one.name), { credentials: "same-origin" });
  if (!answer.ok) { told(host, "The bytes are not there any more."); return; }
  const src = URL.createObjectURL(new Blob([await answer.arrayBuffer()], { type: kind }));
  const made = make(src);
  made.addEventListener("error", () => told(host, `This is no ${kind} that a browser understands.`));
  fill(host, made);
}

/** @param {HTMLElement} host @param {string} run @param {Artifact} one @param {any} state */
function framed(host, run, one, state) {
  const frame = (/** @type {boolean} */ scripts) => h("iframe", {
    sandbox: scripts ? "allow-scripts" : "", title: one.name, referrerpolicy: "no-referrer", loading: "lazy",
    src: `${rawUrl(run, one.name, "view")}${scripts ? "?scripts=1" : ""}`,
  });
  const body = h("div");
  const scripts = h("button.quiet", { type: "button", title: "Within the frame: it has no origin, no network, and nothing of this page", onclick: () => fill(body, frame(true)) }, "Run its scripts");
  const source = h("button.quiet", { type: "button", onclick: () => content(body, run, one, state, "text/plain").catch(complain) }, "Source");
  const drawn = h("button.quiet", { type: "button", onclick: () => fill(body, frame(false)) }, "As drawn");
  fill(host, h("div.choices", {}, drawn, source, one.content_type.startsWith("text/html") && scripts), body);
  fill(body, frame(false));
}

/** Return what asks for lines or rows of an artifact. @param {string} run @param {string} name */
function asking(run, name) {
  const path = `/api/runs/${run}/content/${name.split("/").map(encodeURIComponent).join("/")}`;
  return (/** @type {number} */ start, /** @type {number} */ limit) => get(path, { start, limit });
}

/** @param {HTMLElement} host @param {string} run @param {Artifact} one @param {any} state @param {string} kind */
async function content(host, run, one, state, kind) {
  const ask = asking(run, one.name);
  const found = await ask(0, kind === "text/csv" || one.format.includes("table") ? ROWS : LINES);
  if (found.kind === "table") table(host, ask, state, found);
  else if (found.kind === "json") fill(host, h("div.json.mono", {}, jsonTree(found.value, true)));
  else if (found.kind === "text" && kind === "text/markdown") await markdown(host, found, ask);
  else if (found.kind === "text") code(host, found, ask, one.name);
  else if (found.kind === "image") fill(host, h("img", { src: `data:${found.content_type};base64,${found.image}`, alt: one.name }));
  else told(host, found.about || "There is no way to show this one here; download it.");
}

// text ---------------------------------------------------------------------------------------------

/** @param {HTMLElement} host @param {any} found @param {(start: number, limit: number) => Promise<any>} ask */
async function markdown(host, found, ask) {
  const body = h("div.prose");
  const text = found.lines.join("\n");
  const show = () => showMarkdown(body, text);
  fill(host, h("div.choices", {},
    h("button.quiet", { type: "button", onclick: () => { body.className = "prose"; show().catch(complain); } }, "Rendered"),
    h("button.quiet", { type: "button", onclick: () => { body.className = ""; code(body, found, ask, ".md"); } }, "Source")), body);
  await show();
}

/** @param {HTMLElement} host @param {any} found @param {(start: number, limit: number) => Promise<any>} ask @param {string} name */
function code(host, found, ask, name) {
  const isDiff = /\.(diff|patch)$/.test(name);
  const list = h("ol.code.mono", { tabindex: 0, "aria-label": "Lines" });
  const add = (/** @type {any} */ part) => list.append(...part.lines.map((/** @type {string} */ line) => h("li", { class: isDiff ? diffStyle(line) : "" }, line || " ")));
  const more = h("button", { type: "button", onclick: async () => {
    try {
      found = await ask(found.next, LINES);
      add(found);
      tell();
    } catch (error) { complain(error); }
  } });
  const tell = () => {
    more.hidden = found.next === undefined || found.next === null;
    more.textContent = `More: ${count(found.total - (found.next ?? 0))} of ${count(found.total)} lines`;
  };
  add(found);
  tell();
  fill(host, found.total ? list : h("p.muted", {}, "It is empty."), more);
}

/** @param {string} line */
function diffStyle(line) {
  if (line.startsWith("diff ") || line.startsWith("+++") || line.startsWith("---")) return "file";
  return { "+": "added", "-": "removed", "@": "place" }[line[0]] ?? "";
}

// tables -------------------------------------------------------------------------------------------

/** @param {HTMLElement} host @param {(start: number, limit: number) => Promise<any>} ask @param {any} state @param {any} first */
function table(host, ask, state, first) {
  const head = h("tr", {}, h("th.num", {}, "#"), first.columns.map((/** @type {string} */ one, /** @type {number} */ at) => h("th", { title: one, class: first.rows.length && isNumber(first.rows[0][at]) ? "num" : "" }, one)));
  const body = h("tbody");
  const where = h("span.faint", { role: "status" });
  const pages = h("div.choices", {},
    h("button", { type: "button", "aria-label": "Rows before", onclick: () => go(state.now.from - ROWS) }, "↑"),
    h("button", { type: "button", "aria-label": "Rows after", onclick: () => go(state.now.from + ROWS) }, "↓"), where);
  const draw = (/** @type {any} */ part, /** @type {number} */ from) => {
    const rows = part.rows.slice(0, ROWS);
    fill(body, rows.map((/** @type {any[]} */ row, /** @type {number} */ at) => h("tr", {}, h("td.num.faint", {}, count(from + at + 1)), row.map(cell))));
    where.textContent = rows.length ? `${count(from + 1)} to ${count(from + rows.length)} of ${count(first.total)} rows, ${count(first.columns.length)} columns` : "No rows";
    const [back, on] = /** @type {HTMLButtonElement[]} */ ([...pages.querySelectorAll("button")]);
    back.disabled = from <= 0;
    on.disabled = from + ROWS >= first.total;
  };
  const go = async (/** @type {number} */ to) => {
    const from = Math.max(0, Math.min(to, first.total - 1));
    try {
      draw(await ask(from, ROWS), from);
      state.set({ from }, { replace: true });
    } catch (error) { complain(error); }
  };
  fill(host, pages, h("div.scroll.rows", { tabindex: 0, role: "group", "aria-label": "Rows" }, h("table.grid", {}, h("thead", {}, head), body)));
  draw(first, 0);
  if (state.now.from) go(state.now.from);
}

/** @param {unknown} given */
const isNumber = (given) => typeof given === "number" || ["NaN", "Infinity", "-Infinity"].includes(/** @type {string} */ (given));

/** @param {unknown} given */
function cell(given) {
  if (isNumber(given)) return h("td.num", { class: isOdd(given) ? "nan" : "", title: whole(given) }, number(given, 6));
  const text = value(given);
  return h("td.cut", { title: text.slice(0, 2000) }, text.slice(0, 400));
}

// JSON ---------------------------------------------------------------------------------------------

/** Show a value; what is inside of one is made when it is opened. @param {any} given @param {boolean} [open] @returns {Node} */
function jsonTree(given, open = false) {
  if (given === null || typeof given !== "object") return h(`span.${given === null ? "null" : typeof given}`, {}, JSON.stringify(given));
  const entries = Object.entries(given);
  const [from, to] = Array.isArray(given) ? ["[", "]"] : ["{", "}"];
  if (!entries.length) return h("span", {}, from + to);
  const made = h("details", { open }, h("summary", {}, from, h("span.faint", {}, count(entries.length)), to));
  const fillIn = () => {
    if (made.children.length > 1) return;
    const list = h("ul");
    let shown = 0;
    const more = h("button.quiet", { type: "button", onclick: () => add() });
    const add = () => {
      for (const [name, inside] of entries.slice(shown, shown + 200)) list.append(h("li", {}, h("span.key", {}, name), ": ", jsonTree(inside, entries.length === 1)));
      shown = Math.min(shown + 200, entries.length);
      more.hidden = shown === entries.length;
      more.textContent = `${count(entries.length - shown)} more`;
    };
    add();
    made.append(list, more);
  };
  if (open) fillIn();
  made.addEventListener("toggle", fillIn);
  return made;
}

/** Show the lines of an artifact that is a text. @param {HTMLElement} host @param {string} run @param {string} name */
export async function showText(host, run, name) {
  const ask = asking(run, name);
  code(host, await ask(0, LINES), ask, name);
}

