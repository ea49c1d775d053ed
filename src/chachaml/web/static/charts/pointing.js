// Moving along the x axis: shift and drag to pan, ctrl and the wheel to zoom around the pointer.

import { onceAFrame } from "../lib/dom.js";

/**
 * @param {any} plot uPlot's. @param {() => boolean} isLog @param {(window: [number, number]) => void} go
 */
export function pointing(plot, isLog, go) {
  /** @type {HTMLElement} */
  const over = plot.over;
  /** @type {[number, number] | null} */
  let next = null;
  const soon = onceAFrame(() => { if (next) go(next); next = null; });
  const moved = (/** @type {number} */ from, /** @type {number} */ to, /** @type {[number, number]} */ range) => {
    const [low, high] = isLog() ? range.map(Math.log) : range;
    const width = over.clientWidth;
    const ends = [low + (high - low) * from / width, low + (high - low) * to / width];
    next = /** @type {[number, number]} */ (isLog() ? ends.map(Math.exp) : ends);
    soon();
  };
  over.addEventListener("pointerdown", (event) => {
    if (!event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    over.setPointerCapture(event.pointerId);
    const range = /** @type {[number, number]} */ ([plot.scales.x.min, plot.scales.x.max]);
    const start = event.clientX;
    const move = (/** @type {PointerEvent} */ now) => moved(start - now.clientX, start - now.clientX + over.clientWidth, range);
    over.classList.add("panning");
    over.addEventListener("pointermove", move);
    over.addEventListener("pointerup", () => {
      over.removeEventListener("pointermove", move);
      over.classList.remove("panning");
    }, { once: true });
  });
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200)));
    const at = event.clientX - over.getBoundingClientRect().left;
    moved(at - at * factor, at + (over.clientWidth - at) * factor, next ?? [plot.scales.x.min, plot.scales.x.max]);
  }, { passive: false });
}
