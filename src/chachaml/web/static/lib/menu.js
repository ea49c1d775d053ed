// Menus and other things that float beside what opened them.

import { fill, h } from "./dom.js";

/** @type {(() => void) | null} */
let closeOpen = null;

/**
 * Show something beside an element until a click elsewhere, Escape, or `close`.
 * @param {HTMLElement} anchor
 * @param {(close: () => void) => any[]} content
 * @param {string} [style] Classes of its own.
 * @returns {HTMLElement}
 */
export function floating(anchor, content, style = "menu") {
  const again = anchor.getAttribute("aria-expanded") === "true";
  closeOpen?.();
  const made = h("div.floating", { class: style });
  if (again) return made;
  const close = () => {
    made.remove();
    anchor.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", escape, true);
    closeOpen = null;
  };
  const outside = (/** @type {Event} */ event) => {
    const target = /** @type {Node} */ (event.target);
    if (!made.contains(target) && !anchor.contains(target)) close();
  };
  const escape = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") { event.stopPropagation(); close(); anchor.focus(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") step(made, event);
  };
  fill(made, content(close));
  document.body.append(made);
  anchor.setAttribute("aria-expanded", "true");
  place(made, anchor);
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", escape, true);
  closeOpen = close;
  const first = /** @type {HTMLElement | null} */ (made.querySelector("[autofocus], input, button, a"));
  first?.focus();
  return made;
}

/** @param {HTMLElement} made @param {HTMLElement} anchor */
function place(made, anchor) {
  const from = anchor.getBoundingClientRect();
  const own = made.getBoundingClientRect();
  const left = Math.max(6, Math.min(from.left, innerWidth - own.width - 6));
  const below = from.bottom + 4 + own.height <= innerHeight || from.top < own.height;
  made.style.left = `${left}px`;
  made.style.top = `${below ? Math.min(from.bottom + 4, innerHeight - own.height - 6) : from.top - own.height - 4}px`;
}

/** @param {HTMLElement} made @param {KeyboardEvent} event */
function step(made, event) {
  const able = /** @type {HTMLElement[]} */ ([...made.querySelectorAll("button, a, input[type=checkbox]")]);
  const at = able.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = able[(at + (event.key === "ArrowDown" ? 1 : able.length - 1)) % able.length];
  if (next && document.activeElement?.tagName !== "SELECT") { event.preventDefault(); next.focus(); }
}

/**
 * Show a menu of things to do.
 * @param {HTMLElement} anchor
 * @param {({label: string, act: () => void, icon?: Node, danger?: boolean} | null)[]} items null is a line between.
 */
export function menu(anchor, items) {
  floating(anchor, (close) => items.map((item) => item === null ? h("hr") : h("button", {
    type: "button", class: item.danger ? "danger" : "", onclick: () => { close(); item.act(); },
  }, item.icon, item.label)));
}
