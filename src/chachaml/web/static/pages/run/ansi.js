// What terminals understand, of which only colours and weight (SGR) are heeded; the rest is left out.

import { h } from "../../lib/dom.js";

const ESCAPES = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]/g;

/** @typedef {{style: Set<string>, colour: string, ground: string}} Pen */

/** Return a line as text and spans. @param {string} line @returns {(Node | string)[]} */
export function spansOf(line) {
  if (!/[\x00-\x1f\x7f]/.test(line)) return [line];
  /** @type {(Node | string)[]} */
  const made = [];
  /** @type {Pen} */
  const pen = { style: new Set(), colour: "", ground: "" };
  let from = 0;
  for (const match of line.matchAll(ESCAPES)) {
    add(made, line.slice(from, match.index), pen);
    from = match.index + match[0].length;
    if (match[2] === "m") change(pen, match[1]);
  }
  add(made, line.slice(from), pen);
  return made;
}

/** @param {(Node | string)[]} made @param {string} text @param {Pen} pen */
function add(made, text, pen) {
  if (!text) return;
  const plain = !pen.style.size && !pen.colour && !pen.ground;
  made.push(plain ? text : h("span", { class: [...pen.style, named("fg", pen.colour), named("bg", pen.ground)].filter(Boolean).join(" "), style: given(pen) }, text));
}

/** @param {string} what @param {string} colour */
const named = (what, colour) => colour && !colour.startsWith("rgb") ? `${what}-${colour}` : "";

/** @param {Pen} pen */
function given(pen) {
  /** @type {Record<string, string>} */
  const style = {};
  if (pen.colour.startsWith("rgb")) style.color = pen.colour;
  if (pen.ground.startsWith("rgb")) style["background-color"] = pen.ground;
  return style;
}

const STYLES = /** @type {Record<number, string>} */ ({ 1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "struck" });

/** @param {Pen} pen @param {string} codes */
function change(pen, codes) {
  const numbers = codes.split(/[;:]/).map((one) => Number(one) || 0);
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at];
    if (code === 0) { pen.style.clear(); pen.colour = pen.ground = ""; }
    else if (STYLES[code]) pen.style.add(STYLES[code]);
    else if (code === 22) { pen.style.delete("bold"); pen.style.delete("dim"); }
    else if (code === 23) pen.style.delete("italic");
    else if (code === 24) pen.style.delete("underline");
    else if (code === 29) pen.style.delete("struck");
    else if (code === 39) pen.colour = "";
    else if (code === 49) pen.ground = "";
    else if (code === 38 || code === 48) {
      const [colour, used] = wide(numbers, at + 1);
      if (code === 38) pen.colour = colour;
      else pen.ground = colour;
      at += used;
    } else if (code >= 30 && code <= 37) pen.colour = String(code - 30);
    else if (code >= 40 && code <= 47) pen.ground = String(code - 40);
    else if (code >= 90 && code <= 97) pen.colour = String(code - 90 + 8);
    else if (code >= 100 && code <= 107) pen.ground = String(code - 100 + 8);
  }
}

/** Return one of 256 colours, or any, and how many numbers say it. @param {number[]} numbers @param {number} at @returns {[string, number]} */
function wide(numbers, at) {
  const byte = (/** @type {number} */ place) => Math.min(255, numbers[place] ?? 0);
  if (numbers[at] === 2) return [`rgb(${byte(at + 1)} ${byte(at + 2)} ${byte(at + 3)})`, 4];
  const index = byte(at + 1);
  if (index < 16) return [String(index), 2];
  if (index >= 232) return [`rgb(${Array(3).fill(8 + (index - 232) * 10).join(" ")})`, 2];
  const level = (/** @type {number} */ n) => n ? 55 + n * 40 : 0;
  const cube = index - 16;
  return [`rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`, 2];
}
