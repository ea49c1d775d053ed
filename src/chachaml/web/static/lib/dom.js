// Making elements. Text is always text: nothing here, or in any page, parses markup.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an element.
 * @param {string} kind Its tag, with classes: "td.num".
 * @param {Record<string, any>} [given] Attributes; functions under "on…" listen; "data" is an object for data-… attributes.
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(kind, given = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "style") setStyle(made, value);
    else if (name === "class") made.className += ` ${value}`;
    else if (name === "value" || name === "checked" || name === "disabled") /** @type {any} */ (made)[name] = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  append(made, children);
  return made;
}

/** @param {HTMLElement} element @param {Record<string, string>} style Properties as CSS spells them. */
export function setStyle(element, style) {
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
}

/** @param {Node} parent @param {(Child | Child[])[]} children */
function append(parent, children) {
  for (const child of /** @type {Child[]} */ (children.flat(Infinity))) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace what is in an element. @param {Element} element @param {...(Child | Child[])} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** Return the one element that a page must have. @param {string} selector @returns {any} */
export function the(selector) {
  const found = document.querySelector(selector);
  if (!found) throw new Error(`this page has no ${selector}`);
  return found;
}

/** Return what a page was given as JSON. @param {string} id @returns {any} */
export function given(id) {
  return JSON.parse(the(`#${id}`).textContent);
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element of a drawing. @param {string} tag @param {Record<string, string | number>} [attributes] @param {...Node} children @returns {any} */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** Return an icon of the sheet that every page has (templates/icons.html). @param {string} name */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** Return the badge of a run's status. @param {string} status */
export function statusBadge(status) {
  return h(`span.status.${status}`, {}, h("i"), status);
}

/** Return a function that runs at most once a frame. @param {() => void} act */
export function onceAFrame(act) {
  let waiting = 0;
  return () => {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; act(); });
  };
}

/** Return a function that runs once its callers have been silent. @template {any[]} A @param {(...args: A) => void} act @param {number} ms */
export function afterSilence(act, ms) {
  let waiting = 0;
  return (/** @type {A} */ ...args) => {
    clearTimeout(waiting);
    waiting = window.setTimeout(() => act(...args), ms);
  };
}

/** Return what scrolls an element, null for the page. @param {HTMLElement} element @returns {HTMLElement | null} */
export function scrollerOf(element) {
  for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
  }
  return null;
}
