// Saying things: a line at the bottom that goes by itself, and questions that need an answer.

import { ApiError } from "./api.js";
import { fill, h, the } from "./dom.js";

/**
 * Say something in passing.
 * @param {string} text
 * @param {{failed?: boolean, action?: string, act?: () => void, ms?: number}} [how] `action` names a button that calls `act`.
 */
export function toast(text, how = {}) {
  const { failed = false, action = "", act = () => {}, ms = action ? 10_000 : failed ? 8_000 : 3_000 } = how;
  const gone = () => made.remove();
  const made = h("div.toast", { class: failed ? "failed" : "" }, text,
    action && h("button", { type: "button", onclick: () => { gone(); act(); } }, action),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: gone }, "×"));
  the("#toasts").append(made);
  setTimeout(gone, ms);
}

/** Tell of an error. @param {unknown} error */
export function complain(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  toast(error instanceof ApiError ? error.whole : String(error), { failed: true });
}

/**
 * Show a dialog until it is closed.
 * @param {string} title
 * @param {(close: (value?: any) => void) => any[]} content Gives what stands in it; calling `close` ends it.
 * @param {string} [style] A class of its own.
 * @returns {Promise<any>} What it was closed with; undefined if it was dismissed.
 */
export function dialog(title, content, style = "") {
  return new Promise((resolve) => {
    /** @type {any} */
    let result;
    const made = h("dialog", { class: style, "aria-label": title });
    const close = (/** @type {any} */ value) => { result = value; made.close(); };
    fill(made, title && h("h2", {}, title), content(close));
    made.addEventListener("close", () => { made.remove(); resolve(result); });
    made.addEventListener("click", (/** @type {Event} */ event) => { if (event.target === made) made.close(); });
    document.body.append(made);
    made.showModal();
  });
}

/**
 * Ask whether to do something.
 * @param {string} title @param {string} text @param {string} action The button that does it. @param {{danger?: boolean}} [how]
 * @returns {Promise<boolean>}
 */
export async function confirm(title, text, action, how = {}) {
  return Boolean(await dialog(title, (close) => [
    h("p", {}, text),
    h("div.actions", {},
      h("button", { type: "button", onclick: () => close(false) }, "Cancel"),
      h("button", { type: "button", class: how.danger ? "danger" : "primary", autofocus: true, onclick: () => close(true) }, action)),
  ]));
}

/**
 * Ask for a text.
 * @param {string} title @param {{label: string, value?: string, action: string, placeholder?: string, several?: boolean}} about
 * @returns {Promise<string | undefined>}
 */
export function ask(title, about) {
  return dialog(title, (close) => {
    const input = about.several
      ? h("textarea", { rows: 6, placeholder: about.placeholder }, about.value ?? "")
      : h("input", { value: about.value ?? "", placeholder: about.placeholder });
    return [h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); close(input.value); } },
      h("label.field", {}, about.label, input),
      h("div.actions", {},
        h("button", { type: "button", onclick: () => close() }, "Cancel"),
        h("button.primary", {}, about.action)))];
  });
}
