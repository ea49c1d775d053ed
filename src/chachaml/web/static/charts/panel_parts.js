// What the panels have in common: asking for values of runs, a canvas as sharp as the screen, and which run the pointer is on.

import { get, runUrl } from "../lib/api.js";
import { colourOf } from "../lib/colour.js";
import { counted, short, value as asText } from "../lib/format.js";
import { columnOf } from "../runs/columns.js";
import { setFocus } from "./focus.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

/** @typedef {{fields: string[], runs: string[], values: Record<string, any[]>}} Found */

/** Runs in a panel, at most. */
const MOST = 1000;

/** Ask for fields of runs, and for their names. @param {string[]} fields @param {Record<string, any>} query @param {AbortSignal} signal @returns {Promise<Found>} */
export async function askValues(fields, query, signal) {
  const found = await get("/api/values", { ...query, fields: [...new Set([...fields, "name"])].join(","), limit: MOST }, signal);
  return { ...found, fields };
}

/** Return what a run is called. @param {Found} found @param {number} at */
export function nameAt(found, at) {
  return found.values.name[at] || short(found.runs[at]);
}

/** Say how many runs are shown. @param {number} shown @param {number} all */
export function saysRuns(shown, all) {
  const newest = all === MOST ? "the newest " : "";
  return shown === all ? `${newest}${counted(all, "run")}` : `${shown} of ${newest}${counted(all, "run")}; the others lack values`;
}

/** Give a canvas a size and return what draws on it, in CSS pixels. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
export function sheet(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const ink = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  ink.scale(ratio, ratio);
  return ink;
}

/**
 * Let the run nearest to the pointer stand out everywhere, with its values beside the pointer; a click opens it.
 * @param {HTMLElement} plot @param {(x: number, y: number) => number} nearest The place of a run, -1 for none. @param {() => Found | null} given
 */
export function pointAt(plot, nearest, given) {
  let at = -1;
  const leave = () => { at = -1; setFocus(""); hideTooltip(); plot.classList.remove("on-run"); };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const found = given();
    at = found && !event.buttons ? nearest(event.clientX - box.left, event.clientY - box.top) : -1;
    if (!found || at < 0) return leave();
    plot.classList.add("on-run");
    setFocus(found.runs[at]);
    const rows = [...new Set(found.fields)].map((field) => ({ name: columnOf(field).label, colour: colourOf(found.runs[at]), value: found.values[field][at] === null ? "none" : asText(found.values[field][at]), odd: false, range: "", marked: false }));
    showTooltip(document.body, { x: event.clientX, y: event.clientY }, nameAt(found, at), rows, "");
  });
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("click", (event) => {
    const found = given();
    if (!found || at < 0) return;
    if (event.ctrlKey || event.metaKey) window.open(runUrl(found.runs[at]));
    else location.assign(runUrl(found.runs[at]));
  });
}
