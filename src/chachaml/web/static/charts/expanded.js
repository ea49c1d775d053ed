// A chart alone, as large as the window: with a legend, and its data and picture to take away.

import { colourOf, token } from "../lib/colour.js";
import { fill, h, icon } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { dialog } from "../lib/told.js";
import { chart } from "./chart.js";
import { focus, onFocus, setFocus } from "./focus.js";

/** @typedef {import("./curves.js").Curve} Curve */
/** @typedef {import("./chart.js").Chart} Chart */

const LEGEND = 300;

/** A chart in a dialog, from its making on until it is closed. */
export class Large {
  /**
   * @param {string} key @param {Map<string, string>} names
   * @param {(window: [number, number] | null, moving: boolean) => void} zoom
   * @param {(chart: Chart) => void} fit Gives it what is known already.
   */
  constructor(key, names, zoom, fit) {
    this.key = key;
    /** What it was asked for, and what in detail. */
    this.whole = "";
    this.detail = "";
    const host = h("div.chart-large");
    const legend = h("div.chart-legend");
    this.chart = chart(host, { title: key, height: Math.max(260, Math.floor(innerHeight * 0.86) - 110), onZoom: zoom });
    this.chart.onShown = () => fill(legend, legendOf(this.chart.shown, names));
    const forget = onFocus(() => {
      for (const row of legend.querySelectorAll("[data-run]")) row.classList.toggle("on", row.dataset.run === focus.run);
    });
    this.closed = dialog(key, (close) => [
      h("div.chart-tools", {},
        h("button", { type: "button", onclick: () => saveCsv(key, this.chart.shown, names) }, icon("download"), "CSV"),
        h("button", { type: "button", onclick: () => savePng(key, this.chart) }, icon("download"), "PNG"),
        h("button.square", { type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => close() }, icon("close"))),
      h("div.chart-beside", {}, host, legend),
    ], "chart-dialog").then(() => { forget(); this.chart.destroy(); });
    fit(this.chart);
  }

  /**
   * Ask for as much as it can show.
   * @param {import("./loading.js").Loader} loader @param {import("./curves.js").Question} question Its keys do not matter.
   * @param {[number, number] | null} window @param {Map<string, string>} names @param {boolean} anew Even if it was asked for already.
   */
  fill(loader, question, window, names, anew) {
    const own = { ...question, keys: [this.key] };
    const whole = JSON.stringify(own), detail = window ? JSON.stringify([whole, window]) : "";
    if (anew || this.whole !== whole) loader.load(own, (_, found) => this.chart.setData(found.curves, names));
    if (window && (anew || this.detail !== detail)) {
      loader.load({ ...own, window }, (_, found) => this.chart.setDetail(found.curves, window));
    }
    [this.whole, this.detail] = [whole, detail];
  }
}

/** @param {Map<string, Curve>} shown @param {Map<string, string>} names */
function legendOf(shown, names) {
  const rows = [...shown].slice(0, LEGEND).map(([run, curve]) => {
    const last = curve.mean.filter((value) => value === value).at(-1);
    return h("div", { data: { run }, onmouseenter: () => setFocus(run), onmouseleave: () => setFocus("") },
      h("i.dot", { style: { background: colourOf(run) } }), h("span.cut", { title: names.get(run) ?? run }, names.get(run) ?? run),
      h("span.num", { class: last === undefined ? "nan" : "" }, last === undefined ? "NaN" : number(last)));
  });
  return [...rows, shown.size > LEGEND && h("p.faint", {}, `and ${shown.size - LEGEND} more`)];
}

/** Save what a chart shows as a table. @param {string} key @param {Map<string, Curve>} curves @param {Map<string, string>} names */
export function saveCsv(key, curves, names) {
  const lines = ["run,name,x,mean,min,max"];
  for (const [run, { x, mean, low, high }] of curves) {
    const head = `${cell(run)},${cell(names.get(run) ?? run)}`;
    for (let at = 0; at < x.length; at++) lines.push(`${head},${x[at]},${mean[at]},${low[at]},${high[at]}`);
  }
  save(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }), `${key}.csv`);
}

/** Return a text as a cell that no spreadsheet takes for a formula. @param {string} text */
function cell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Save what a chart shows as a picture, its title on top. @param {string} title @param {Chart} chart */
export function savePng(title, chart) {
  const own = chart.plot?.ctx.canvas;
  if (!own) return;
  const ratio = devicePixelRatio, top = 28 * ratio;
  const canvas = h("canvas", { width: own.width, height: own.height + top });
  const ctx = canvas.getContext("2d");
  ctx.fillStyle = token("raised");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = token("text");
  ctx.font = `600 ${13 * ratio}px system-ui, sans-serif`;
  ctx.fillText(title, 8 * ratio, 19 * ratio);
  ctx.drawImage(own, 0, top);
  canvas.toBlob((/** @type {Blob | null} */ blob) => { if (blob) save(blob, `${title}.png`); });
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name.replace(/[^\w.\-]+/g, "-") }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
