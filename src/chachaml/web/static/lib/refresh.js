// Keeping a page that the server rendered as it is now, without disturbing who reads it.
//
// The page is asked for again and the browser parses it as it did when it was opened, as a document without scripts; here
// only what differs is changed, in place: scroll, focus, hover, selection and what is being typed stay.

import { ago } from "./format.js";
import { colourOf, onTheme } from "./colour.js";
import { onChange } from "./live.js";

const OFTEN = 2000;
const OWN = ["style", "open", "hidden", "aria-expanded", "aria-sort"];

let turns = 0;
/** @type {Set<() => void>} */
const after = new Set();

/** Do something now, and each time that the page has changed. @param {() => void} act */
export function onFresh(act) {
  after.add(act);
  act();
}

/** @param {string} address @returns {Promise<Document | null>} null if the server does not answer, or has another page. */
function ask(address) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    request.onloadend = () => resolve(request.status === 200 ? request.responseXML : null);
    request.send();
  });
}

/** Ask for the page again and show what is new in all elements with `data-fresh`, which have ids. */
export async function refresh() {
  const address = location.href;
  const turn = ++turns;
  const next = await ask(address);
  if (!next || turn !== turns || address !== location.href) return;
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const now = next.getElementById(part.id);
    if (!now) return location.reload(); // another page altogether: the first run came, or the last went
    become(part, now);
  }
  for (const act of after) act();
}

/**
 * Make an element what another one is. What scripts made of it stays: all of it with an empty `data-keep`, or while its
 * text is still the one that `data-keep` names.
 * @param {Element} old @param {Element} now
 */
function become(old, now) {
  if (old.tagName === "TIME") old.textContent = ago(now.getAttribute("datetime"));
  const kept = old.getAttribute("data-keep");
  if (old.isEqualNode(now) || kept === "" || (kept !== null && kept === now.textContent)) return;
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name) && !OWN.includes(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value && !OWN.includes(name)) old.setAttribute(name, value);
  }
  if (old.tagName !== "TIME") children(old, now);
}

/** @param {Node} node @returns {string | null} */
const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? /** @type {Element} */ (node).getAttribute("data-key") : null);

/** Make what is in an element what is in another; nodes of the same key, or else of the same kind at the same place, are kept. @param {Element} old @param {Element} now */
function children(old, now) {
  const keyed = new Map([...old.children].map((one) => [keyOf(one), one]));
  const plain = [...old.childNodes].filter((one) => !keyOf(one));
  let at = 0;
  const wanted = [...now.childNodes].map((next) => {
    const key = keyOf(next);
    const same = key ? keyed.get(key) : plain[at]?.nodeName === next.nodeName ? plain[at++] : undefined;
    if (same?.nodeName !== next.nodeName) return document.adoptNode(next);
    if (same.nodeType === Node.ELEMENT_NODE) become(/** @type {Element} */ (same), /** @type {Element} */ (next));
    else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
    return same;
  });
  const stay = new Set(wanted);
  for (const one of [...old.childNodes]) if (!stay.has(one)) one.remove();
  let place = old.firstChild;
  for (const one of wanted) {
    if (one === place) place = place.nextSibling;
    else if (!one.parentNode || !isSorted(old)) old.insertBefore(one, place);
  }
}

/** Tell whether the rows of a table have an order of their own, by sorting.js. @param {Element} body */
function isSorted(body) {
  return body.tagName === "TBODY" && body.closest("table")?.querySelector("th[aria-sort]") !== null;
}

/** Keep the page fresh while things change in the store. @param {(news: import("./live.js").News) => boolean} [concerns] Whether a change can be seen here. */
export function stayFresh(concerns = () => true) {
  let last = 0;
  let waiting = 0;
  const go = async () => {
    waiting = 0;
    last = Date.now();
    await refresh();
  };
  onChange((news) => {
    if (concerns(news) && !waiting) waiting = window.setTimeout(go, Math.max(0, last + OFTEN - Date.now()));
  });
}

function paint() {
  for (const dot of document.querySelectorAll("[data-colour]")) {
    /** @type {HTMLElement} */ (dot).style.background = colourOf(/** @type {HTMLElement} */ (dot).dataset.colour ?? "");
  }
}

/** Give dots the colours of their runs, and keep them. */
export function paintDots() {
  onFresh(paint);
  onTheme(paint);
}
