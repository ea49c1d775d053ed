// One chart: uPlot draws its axes and follows the pointer, the curves are drawn here.

import uPlot from "../vendor/uplot-1.6.32.js";
import { colourOf, onTheme, token } from "../lib/colour.js";
import { h, onceAFrame } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { axesOf, placeName } from "./axes.js";
import { bars } from "./bars.js";
import { nearestPlace } from "./curves.js";
import { drawCurve, drawOddOnes } from "./drawing.js";
import { focus, onFocus, setFocus } from "./focus.js";
import { pointing } from "./pointing.js";
import { hideTooltip, showTooltip } from "./tooltip.js";
import { grouped, rangeOf, smoothed, withDetail } from "./transform.js";

/** @typedef {import("./curves.js").Curve} Curve */
/** @typedef {import("./curves.js").Axis} Axis */

/**
 * @typedef {object} Style
 * @property {Axis} x
 * @property {boolean} logX @property {boolean} logY
 * @property {number} smoothing The weight of the moving average, 0 for none.
 * @property {boolean} outliers Whether the range is wide enough for them.
 * @property {"auto" | "always" | "never"} points
 * @property {Map<string, string> | null} groups The group of each run: one line a group.
 * @property {"range" | "sd"} band What is shaded around a group's mean.
 */

/** @type {Style} */
export const PLAIN = { x: "step", logX: false, logY: false, smoothing: 0, outliers: true, points: "auto", groups: null, band: "range" };

const MANY = 50;
const ROWS = 10;
const NEAR = 30;

/** @type {Set<Chart>} */
const alive = new Set();
onTheme(() => {
  for (const one of alive) { one.builtFor = ""; one.redraw(); }
});

export class Chart {
  /**
   * @param {HTMLElement} host Where it is; as wide as that.
   * @param {object} given
   * @param {string} given.title For who cannot see it.
   * @param {number} [given.height]
   * @param {(window: [number, number] | null, moving: boolean) => void} [given.onZoom] Asks for another part of the x axis, null for all of it; `moving` while the pointer is still at it.
   */
  constructor(host, given) {
    this.host = host;
    this.given = given;
    this.height = given.height ?? 200;
    /** @type {Style} */
    this.style = PLAIN;
    /** @type {Map<string, string>} */
    this.names = new Map();
    /** @type {Map<string, Curve>} */
    this.whole = new Map();
    /** @type {{window: [number, number], curves: Map<string, Curve>} | null} */
    this.detail = null;
    /** @type {[number, number] | null} */
    this.window = null;
    /** @type {Map<string, Curve>} */
    this.shown = new Map();
    /** @type {any} */
    this.plot = null;
    this.builtFor = "";
    this.hovered = false;
    /** Whether no value can be drawn where it is. */
    this.bare = false;
    this.frame = h("div.chart-plot", { role: "img", "aria-label": given.title });
    this.overlay = h("canvas.chart-overlay");
    host.append(this.frame);
    this.redraw = onceAFrame(() => this.refresh());
    this.sizes = new ResizeObserver(() => { if (this.frame.clientWidth !== this.plot?.width) this.redraw(); });
    this.sizes.observe(this.frame);
    this.forget = onFocus(() => this.drawFocus());
    /** Called once other curves are drawn. */
    this.onShown = () => {};
    alive.add(this);
  }

  /**
   * Show other curves.
   * @param {Map<string, Curve>} curves By run, in the order of the runs. @param {Map<string, string>} names The names of the runs.
   */
  setData(curves, names) {
    this.whole = curves;
    this.names = names;
    this.redraw();
  }

  /** Show a part of the x axis, or with null all of it. @param {[number, number] | null} window */
  setWindow(window) {
    this.window = window;
    this.redraw();
  }

  /** Show a part in more detail. @param {Map<string, Curve>} curves @param {[number, number]} window Where they belong. */
  setDetail(curves, window) {
    this.detail = { curves, window };
    this.redraw();
  }

  /** Change how it looks. @param {Partial<Style>} style */
  setStyle(style) {
    const next = { ...this.style, ...style };
    if (JSON.stringify(next.x) !== JSON.stringify(this.style.x)) this.detail = null;
    this.style = next;
    this.redraw();
  }

  /** Let a run stand out, here and everywhere else. @param {string} run "" for none. */
  highlight(run) {
    setFocus(run);
  }

  destroy() {
    this.sizes.disconnect();
    this.forget();
    alive.delete(this);
    this.redraw = () => {};
    this.plot?.destroy();
    this.frame.remove();
  }

  // drawing ------------------------------------------------------------------------------------------

  refresh() {
    if (!this.frame.isConnected || !this.frame.clientWidth) return;
    this.shown = this.curves();
    const single = this.shown.size > 0 && [...this.shown.values()].every((curve) => curve.points === 1) && !this.window;
    this.host.classList.toggle("chart-empty", this.shown.size === 0);
    if (single || !this.shown.size) {
      this.plot?.destroy();
      this.plot = null;
      bars(this.frame, single ? this.shown : new Map(), (run) => ({ name: this.names.get(run) ?? run, colour: colourOf(run) }), this.height);
      return;
    }
    this.build();
    const [low, high] = this.rangeX();
    this.plot.setData([[low, high], [null, null]], false);
    this.plot.setScale("x", { min: low, max: high });
    this.onShown();
  }

  /** @returns {Map<string, Curve>} */
  curves() {
    const { detail, style } = this;
    let found = this.whole;
    if (this.window && detail) {
      found = new Map([...found].map(([run, curve]) => {
        const finer = detail.curves.get(run);
        return [run, finer ? withDetail(curve, finer, detail.window) : curve];
      }));
    }
    return style.groups ? grouped(found, style.groups, style.band) : found;
  }

  build() {
    const { x, logX, logY } = this.style;
    const wanted = JSON.stringify([x, logX, logY]);
    if (this.plot && this.builtFor === wanted) {
      const width = this.frame.clientWidth;
      if (width !== this.plot.width || this.height !== this.plot.height) this.plot.setSize({ width, height: this.height });
      return;
    }
    this.plot?.destroy();
    this.frame.replaceChildren();
    this.builtFor = wanted;
    this.plot = new uPlot({
      width: this.frame.clientWidth,
      height: this.height,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: x === "wall", distr: logX ? 3 : 1 },
        y: { distr: logY ? 3 : 1, range: () => this.rangeY() },
      },
      series: [{}, { paths: () => null, points: { show: false } }],
      axes: axesOf(x),
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
        sync: { key: `x:${JSON.stringify(x)}`, setSeries: false, scales: ["x", null] },
        bind: {
          mousedown: (/** @type {any} */ _, /** @type {any} */ __, /** @type {any} */ act) => (/** @type {MouseEvent} */ event) => { if (!event.shiftKey) act(event); return null; },
          dblclick: () => () => { this.given.onZoom?.(null, false); return null; },
        },
      },
      hooks: {
        draw: [() => this.draw()],
        setSize: [() => this.fitOverlay()],
        setCursor: [() => this.follow()],
        setSelect: [(/** @type {any} */ plot) => this.zoomTo(plot.select)],
      },
    }, [[0, 1], [null, null]], this.frame);
    this.plot.over.append(this.overlay);
    this.fitOverlay();
    this.plot.over.addEventListener("mouseenter", () => { this.hovered = true; });
    this.plot.over.addEventListener("mouseleave", () => { this.hovered = false; hideTooltip(); setFocus(""); });
    pointing(this.plot, () => this.style.logX, (window) => this.given.onZoom?.(window, true));
  }

  /** @returns {[number, number]} */
  rangeX() {
    if (this.window) return this.window;
    let low = Infinity, high = -Infinity;
    for (const { x } of this.shown.values()) {
      if (!x.length) continue;
      low = Math.min(low, x[0]);
      high = Math.max(high, x[x.length - 1]);
    }
    if (low < high) return [low, high];
    return low === high ? (this.style.logX ? [low / 2, low * 2] : [low - 1, low + 1]) : [0, 1];
  }

  /** @returns {[number, number]} */
  rangeY() {
    const { logY, outliers } = this.style;
    const found = rangeOf(this.shown.values(), { logY, outliers, window: this.window });
    this.bare = found === null;
    if (!found) return logY ? [1, 10] : [0, 1];
    const [low, high] = found;
    if (logY) return low === high ? [low / 2, high * 2] : [low * (low / high) ** 0.04, high * (high / low) ** 0.04];
    const room = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * 0.05;
    return [low - room, high + room];
  }

  /** @param {CanvasRenderingContext2D} ctx @returns {import("./drawing.js").Plane} */
  plane(ctx, offset = true) {
    const { bbox, scales } = this.plot;
    return {
      ctx, left: offset ? bbox.left : 0, top: offset ? bbox.top : 0, width: bbox.width, height: bbox.height, ratio: devicePixelRatio,
      x: [scales.x.min, scales.x.max], y: [scales.y.min, scales.y.max], logX: this.style.logX, logY: this.style.logY,
    };
  }

  look() {
    const count = this.shown.size;
    const faint = this.style.groups || count <= 5 ? 0.2 : count <= 15 ? 0.12 : 0.07;
    return { smoothing: this.style.smoothing, points: this.style.points, dense: count > MANY, faint };
  }

  draw() {
    const { ctx, bbox } = this.plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const plane = this.plane(ctx);
    const look = this.look();
    for (const [run, curve] of [...this.shown].reverse()) drawCurve(plane, curve, colourOf(run), look);
    const warn = token("warn");
    for (const curve of this.shown.values()) if (curve.flags.some((flags) => flags > 1)) drawOddOnes(plane, curve, warn);
    if (this.bare) {
      ctx.fillStyle = token("faint");
      ctx.textAlign = "center";
      ctx.fillText("no points here", bbox.left + bbox.width / 2, bbox.top + bbox.height / 2);
    }
    ctx.restore();
    this.drawFocus();
  }

  fitOverlay() {
    const { bbox } = this.plot ?? {};
    if (!bbox) return;
    this.overlay.width = bbox.width;
    this.overlay.height = bbox.height;
  }

  /** What stands out lies on a canvas of its own, so that the others need not be drawn again. */
  drawFocus() {
    if (!this.plot || this.plot.scales.x.min === null) return;
    const ctx = /** @type {CanvasRenderingContext2D} */ (this.overlay.getContext("2d"));
    ctx.clearRect(0, 0, this.overlay.width, this.overlay.height);
    const key = this.style.groups?.get(focus.run) ?? focus.run;
    const curve = this.shown.get(key);
    if (!curve || this.shown.size < 2) return;
    ctx.globalAlpha = 0.6;
    ctx.fillStyle = token("raised");
    ctx.fillRect(0, 0, this.overlay.width, this.overlay.height);
    ctx.globalAlpha = 1;
    const plane = this.plane(ctx, false);
    drawCurve(plane, curve, colourOf(key), { ...this.look(), dense: false, faint: 0.25 }, 2.25);
    drawOddOnes(plane, curve, token("warn"));
  }

  // the pointer --------------------------------------------------------------------------------------

  /** @param {{left: number, width: number}} select */
  zoomTo({ left, width }) {
    if (width < 3) return;
    const window = /** @type {[number, number]} */ ([this.plot.posToVal(left, "x"), this.plot.posToVal(left + width, "x")]);
    this.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.given.onZoom?.(window, false);
  }

  follow() {
    const { left, top } = this.plot.cursor;
    if (!this.hovered || left === undefined || left < 0 || top < 0) return;
    const near = this.nearest(this.plot.posToVal(left, "x"), left, top);
    if (!near.length) { hideTooltip(); return; }
    const marked = near[0].distance <= NEAR ? near[0].run : "";
    setFocus(marked);
    const rows = near.slice(0, ROWS).sort((one, other) => other.value - one.value || Number(Number.isNaN(one.value)) - Number(Number.isNaN(other.value)));
    const box = this.plot.over.getBoundingClientRect();
    showTooltip(this.frame.closest("dialog") ?? document.body, { x: box.left + left, y: box.top + top }, placeName(this.style.x, near[0].x), rows.map((row) => ({
      name: this.names.get(row.run) ?? row.run,
      colour: colourOf(row.run),
      value: row.text,
      odd: Number.isNaN(row.value),
      range: row.low < row.high ? `${number(row.low)} to ${number(row.high)}` : "",
      marked: row.run === marked,
    })), near.length > ROWS ? `and ${near.length - ROWS} further away` : "");
  }

  /** Return what the runs have at x, the nearest to the pointer first. @param {number} x @param {number} left @param {number} top */
  nearest(x, left, top) {
    const found = [];
    for (const [run, curve] of this.shown) {
      if (!curve.x.length) continue;
      const at = nearestPlace(curve.x, x);
      if (Math.abs(this.plot.valToPos(curve.x[at], "x") - left) > NEAR && (x < curve.x[0] || x > curve.x[curve.x.length - 1])) continue;
      const values = this.style.smoothing ? smoothed(curve.mean, this.style.smoothing) : curve.mean;
      const value = values[at];
      const distance = Number.isNaN(value) ? Infinity : Math.abs(this.plot.valToPos(value, "y") - top);
      found.push({ run, x: curve.x[at], value, text: textOf(curve, at, value), low: curve.low[at], high: curve.high[at], distance });
    }
    return found.sort((one, other) => one.distance - other.distance);
  }
}

/** @param {Curve} curve @param {number} at @param {number} value */
function textOf(curve, at, value) {
  if (!Number.isNaN(value)) return number(value);
  return curve.flags[at] & 4 ? "∞" : curve.flags[at] & 8 ? "-∞" : "NaN";
}

/** Make a chart; see `Chart`. @param {HTMLElement} host @param {ConstructorParameters<typeof Chart>[1]} given */
export function chart(host, given) {
  return new Chart(host, given);
}
