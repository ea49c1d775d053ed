// Markdown as elements: what a model writes while it writes it. Text is text, nothing is taken for markup.

import { h } from "./dom.js";

/** @typedef {(text: string) => (Node | string)[]} Plain Makes nodes of a text without any marks. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const COLUMNS = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const INLINE = /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)|\\([!-/:-@[-`{-~])|\*\*(?=\S)([\s\S]*?\S)\*\*|(?<![\w*])\*(?=[^\s*])([\s\S]*?[^\s*])\*(?![\w*])|(?<!\w)_(?=\S)([\s\S]*?\S)_(?!\w)|!?\[([^\]]*)\]\(\s*<?([^\s)>]*)>?[^)]*\)/;
const DEEPEST = 8;

/**
 * @param {string} text
 * @param {Plain} [plain] Default: the text itself.
 * @returns {Node[]}
 */
export function markdown(text, plain = (one) => [one]) {
  return blocks(text.replace(/\r\n?/g, "\n").split("\n"), plain, 0);
}

/** @param {string[]} lines @param {Plain} plain @param {number} depth @returns {Node[]} */
function blocks(lines, plain, depth) {
  /** @type {Node[]} */
  const made = [];
  let at = 0;
  while (at < lines.length) {
    const [node, next] = block(lines, at, plain, depth);
    if (node) made.push(node);
    at = next;
  }
  return made;
}

/** Return the block that begins at a line, and the line behind it. @param {string[]} lines @param {number} at @param {Plain} plain @param {number} depth @returns {[Node | null, number]} */
function block(lines, at, plain, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = FENCE.exec(line);
  if (fence) return code(lines, at, fence[1]);
  const heading = HEADING.exec(line);
  if (heading) return [h(`h${Math.min(6, heading[1].length + 1)}`, {}, inline(heading[2], plain, 0)), at + 1];
  if (RULE.test(line)) return [h("hr"), at + 1];
  if (line.includes("|") && COLUMNS.test(lines[at + 1] ?? "") && (lines[at + 1] ?? "").includes("-")) return table(lines, at, plain);
  if (/^ {0,3}>/.test(line)) return quote(lines, at, plain, depth);
  if (ITEM.test(line)) return list(lines, at, plain, depth);
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !begins(lines[end])) end += 1;
  return [h("p", {}, inline(lines.slice(at, end).join("\n"), plain, 0)), end];
}

/** @param {string} line */
function begins(line) {
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || ITEM.test(line) || /^ {0,3}>/.test(line);
}

/** @param {string[]} lines @param {number} at @param {string} fence @returns {[Node, number]} */
function code(lines, at, fence) {
  let end = at + 1;
  while (end < lines.length && !lines[end].trim().startsWith(fence)) end += 1;
  return [h("pre", { tabindex: 0 }, h("code", {}, lines.slice(at + 1, end).join("\n"))), end + 1];
}

/** @param {string[]} lines @param {number} at @param {Plain} plain @returns {[Node, number]} */
function table(lines, at, plain) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim()) end += 1;
  const heads = cells(lines[at]);
  const row = (/** @type {string} */ line) => h("tr", {}, heads.map((_, column) => h("td", {}, inline(cells(line)[column] ?? "", plain, 0))));
  return [h("table", { tabindex: 0 },
    h("thead", {}, h("tr", {}, heads.map((text) => h(text ? "th" : "td", {}, inline(text, plain, 0))))),
    h("tbody", {}, lines.slice(at + 2, end).map(row))), end];
}

/** @param {string} line */
function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return bare.split(/(?<!\\)\|/).map((one) => one.trim().replaceAll("\\|", "|"));
}

/** @param {string[]} lines @param {number} at @param {Plain} plain @param {number} depth @returns {[Node, number]} */
function quote(lines, at, plain, depth) {
  let end = at;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return [h("blockquote", {}, depth < DEEPEST ? blocks(inner, plain, depth + 1) : inner.join("\n")), end];
}

/** @param {string[]} lines @param {number} at @param {Plain} plain @param {number} depth @returns {[Node, number]} */
function list(lines, at, plain, depth) {
  const first = /** @type {RegExpExecArray} */ (ITEM.exec(lines[at]));
  const ordered = /\d/.test(first[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || item[1].length > first[1].length + 1 || /\d/.test(item[2]) !== ordered) break;
    const inner = [item[3]];
    end += 1;
    while (end < lines.length && (/^ {2,}\S/.test(lines[end]) || (lines[end].trim() && !begins(lines[end])))) {
      inner.push(lines[end].replace(/^ {1,4}/, ""));
      end += 1;
    }
    while (end < lines.length - 1 && !lines[end].trim() && ITEM.test(lines[end + 1])) end += 1;
    items.push(h("li", {}, depth < DEEPEST ? tight(blocks(inner, plain, depth + 1)) : inner.join("\n")));
  }
  return [h(ordered ? "ol" : "ul", ordered ? { start: parseInt(first[2], 10) } : {}, items), end];
}

/** Return what stands in an item, its first paragraph without the space around it. @param {Node[]} nodes */
function tight(nodes) {
  const [first, ...rest] = nodes;
  return first instanceof HTMLParagraphElement ? [...first.childNodes, ...rest] : nodes;
}

/** @param {string} text @param {Plain} plain @param {number} depth @returns {(Node | string)[]} */
function inline(text, plain, depth) {
  /** @type {(Node | string)[]} */
  const made = [];
  let rest = text;
  while (rest) {
    const found = depth < DEEPEST ? INLINE.exec(rest) : null;
    if (!found) break;
    made.push(...plain(rest.slice(0, found.index)), marked(found, plain, depth));
    rest = rest.slice(found.index + found[0].length);
  }
  return [...made, ...plain(rest)];
}

/** @param {RegExpExecArray} found @param {Plain} plain @param {number} depth @returns {Node | string} */
function marked(found, plain, depth) {
  const [whole, ticks, codeText, escaped, strong, starred, lined, label, address] = found;
  if (ticks) return h("code", {}, plain(codeText));
  if (escaped) return escaped;
  if (strong !== undefined) return h("strong", {}, inline(strong, plain, depth + 1));
  if (starred !== undefined || lined !== undefined) return h("em", {}, inline(starred ?? lined, plain, depth + 1));
  // A picture would be fetched without anybody wanting it; it is a link like others.
  if (/^https?:\/\//i.test(address)) return h("a", { href: address, rel: "noopener noreferrer nofollow", target: "_blank" }, label || address);
  return whole;
}
