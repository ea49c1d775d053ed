// Markdown that the server rendered and cleaned, as a tree: made into elements here, formulas set by KaTeX.

import { post } from "./api.js";
import { h } from "./dom.js";

const TAGS = new Set("p h1 h2 h3 h4 h5 h6 em strong s a ul ol li blockquote code pre hr br table thead tbody tr th td".split(" "));
const SAFE_LINK = /^(https?:|mailto:|\/|#|[^:]*$)/i;

/** Make elements of a tree: texts, and [tag, attributes, children]. @param {any[]} tree @returns {(Node | string)[]} */
export function elements(tree) {
  return tree.map((one) => {
    if (typeof one === "string") return one;
    const [tag, attributes, children] = one;
    if (!TAGS.has(tag)) return "";
    const { href, class: style } = attributes;
    return h(tag, { class: style, href: href && SAFE_LINK.test(href) ? href : null, rel: href ? "noopener noreferrer" : null }, elements(children));
  });
}

/** Show a text in Markdown. @param {Element} host @param {string} text @param {AbortSignal} [signal] */
export async function showMarkdown(host, text, signal) {
  const { tree } = text.trim() ? await post("/api/markdown", { text: text.slice(0, 100_000) }, signal) : { tree: [] };
  host.replaceChildren(...elements(tree));
  await setFormulas(host);
}

/** @type {Promise<any> | null} */
let katex = null;

function load() {
  const vendored = (/** @type {string} */ file) => new URL(`../vendor/katex-0.19.1/${file}`, import.meta.url).href;
  document.head.append(h("link", { rel: "stylesheet", href: vendored("katex.css") }));
  return import(vendored("katex.js"));
}

/** Set the formulas within an element; what is wrong with one stands in its place, as text. @param {Element} host */
export async function setFormulas(host) {
  const found = /** @type {HTMLElement[]} */ ([...host.querySelectorAll("code.math:not(.set)")]);
  if (!found.length) return;
  const { default: { render } } = await (katex ??= load());
  for (const one of found) {
    const text = one.textContent ?? "";
    one.classList.add("set");
    one.setAttribute("aria-label", text);
    one.setAttribute("role", "math");
    try {
      const made = document.createElement("span");
      render(text, made, { displayMode: one.classList.contains("display"), output: "html", trust: false, strict: "ignore", maxExpand: 500, maxSize: 50, throwOnError: true });
      one.replaceChildren(made);
    } catch (error) {
      one.replaceChildren(text, h("span.problem", {}, ` (${error instanceof Error ? error.message : error})`));
    }
  }
}
