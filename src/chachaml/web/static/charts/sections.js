// Which charts there are, in which sections and in which order.

import { WORKSPACE_STATE } from "./settings.js";

/** @typedef {typeof WORKSPACE_STATE} Chosen */

/** The section of the charts that come first. No metric has such a name. */
export const PINNED = "\0pinned";

/** Return the section of a metric: what stands before its last slash, or "/". @param {string} key */
export function sectionOf(key) {
  return key.slice(0, Math.max(0, key.lastIndexOf("/"))) || "/";
}

/** Return what a section is called. @param {string} name */
export function titleOf(name) {
  return name === PINNED ? "Pinned" : name === "/" ? "Metrics" : name;
}

/** Return a test of names: a regular expression, or where it is none, a text. @param {string} text @returns {(name: string) => boolean} */
export function filterOf(text) {
  try {
    const pattern = new RegExp(text, "i");
    return (name) => pattern.test(name);
  } catch {
    return (name) => name.toLowerCase().includes(text.toLowerCase());
  }
}

/** @param {string} one @param {string} other */
function byName(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

/**
 * Return metrics by section, as they are to be shown.
 * @param {Set<string>} known All metrics. @param {Chosen} chosen
 * @returns {Map<string, string[]>}
 */
export function sectionsOf(known, chosen) {
  const fits = filterOf(chosen.keys);
  const place = new Map(chosen.order.map((key, at) => [key, at]));
  const last = chosen.order.length;
  const pinned = chosen.pinned.filter((key) => known.has(key) && fits(key));
  const others = [...known].filter((key) => fits(key) && !chosen.pinned.includes(key));
  others.sort((one, other) => (place.get(one) ?? last) - (place.get(other) ?? last) || byName(one, other));
  const names = [...new Set(others.map(sectionOf))].sort(byName);
  const found = new Map(names.map((name) => [name, others.filter((key) => sectionOf(key) === name)]));
  return pinned.length ? new Map([[PINNED, pinned], ...found]) : found;
}

/**
 * Return what is chosen once a metric stands elsewhere in its section.
 * @param {Map<string, string[]>} sections @param {Chosen} chosen @param {string} key
 * @param {string | "first" | "last"} where Another metric whose place it takes, or an end of the section.
 * @returns {Partial<Chosen>}
 */
export function movedTo(sections, chosen, key, where) {
  const own = [...sections.values()].find((keys) => keys.includes(key)) ?? [];
  const place = where === "first" ? 0 : where === "last" ? own.length - 1 : own.indexOf(where);
  if (place < 0) return {};
  const keys = own.filter((one) => one !== key);
  keys.splice(place, 0, key);
  if (sections.get(PINNED) === own) return { pinned: keys };
  return { order: [...chosen.order.filter((one) => !keys.includes(one)), ...keys] };
}

/** Return what is chosen once a metric is pinned, or not any more. @param {Chosen} chosen @param {string} key @returns {Partial<Chosen>} */
export function pinnedOrNot({ pinned }, key) {
  return { pinned: pinned.includes(key) ? pinned.filter((one) => one !== key) : [...pinned, key] };
}
