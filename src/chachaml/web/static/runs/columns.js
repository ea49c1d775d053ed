// The columns of the runs table: what each shows, how it sorts, and which are shown when nobody has chosen.

import { runUrl } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { ago, duration, isOdd, moment, number, value as asText, whole } from "../lib/format.js";

/**
 * @typedef {{field: string, label: string, kind: "attribute" | "metric" | "param" | "tag", key: string, part: string, numeric: boolean, width: number}} Column
 * @typedef {{kind: string, key: string, runs: number, distinct: number, min: number | null, max: number | null, points: number}} Facet
 */

/** What every run has, besides its name. */
export const ATTRIBUTES = {
  experiment: { label: "Experiment", width: 120 },
  status: { label: "Status", width: 100 },
  started: { label: "Started", width: 100 },
  duration: { label: "Duration", width: 84, numeric: true },
  created_by: { label: "User", width: 84 },
  "git.sha": { label: "Commit", width: 84 },
  "git.branch": { label: "Branch", width: 100 },
  host: { label: "Host", width: 100 },
  id: { label: "Id", width: 84 },
};

/** Return how a field is written in searches. @param {string} kind @param {string} key @param {string} [part] */
export function fieldOf(kind, key, part = "last") {
  if (kind === "attribute") return key;
  const parts = ["last", "min", "max", "first", "mean", "count"];
  const bare = /^[\p{L}_][\w/:@$+-]*(\.[\w/:@$+-]+)*$/u.test(`x${key}`) && /^[\w/:@$+.-]+$/.test(key) && !key.startsWith(".") && !parts.includes(key.split(".").pop() ?? "");
  const quoted = bare ? key : `\`${key.replaceAll("`", "``")}\``;
  return `${kind}s.${quoted}${part === "last" ? "" : `.${part}`}`;
}

/** Return the column of a field. @param {string} field As in searches. @returns {Column} */
export function columnOf(field) {
  const about = ATTRIBUTES[field];
  if (about) return { field, label: about.label, kind: "attribute", key: field, part: "last", numeric: Boolean(about.numeric), width: about.width };
  const [, kind, rest] = /^(metric|param|tag)s\.(.*)$/su.exec(field) ?? ["", "tag", field];
  const found = /^`((?:[^`]|``)*)`(?:\.(\w+))?$/su.exec(rest) ?? (kind === "metric" ? /^(.*?)(?:\.(min|max|first|mean|count))?$/su.exec(rest) : ["", rest]);
  const key = (found?.[1] ?? rest).replaceAll("``", "`");
  const part = found?.[2] ?? "last";
  return {
    field, kind: /** @type {any} */ (kind), key, part, numeric: kind === "metric",
    label: part === "last" ? key : `${key} ${part}`, width: kind === "metric" ? 96 : Math.max(72, Math.min(140, key.length * 8 + 28)),
  };
}

/** Choose columns for runs of which this is known. @param {Facet[]} facets @param {{experiment: string}} state @returns {string[]} */
export function automatic(facets, state) {
  const most = Math.max(...facets.map((one) => one.runs), 1);
  const common = (/** @type {Facet} */ one) => one.runs / most;
  const metrics = facets.filter((one) => one.kind === "metric" && !/^(system|sys)[./]/.test(one.key))
    .sort((a, b) => common(b) - common(a) || rank(a.key) - rank(b.key) || a.key.localeCompare(b.key));
  const params = facets.filter((one) => one.kind === "param" && one.distinct > 1)
    .sort((a, b) => common(b) - common(a) || a.key.localeCompare(b.key));
  return [
    ...(state.experiment ? [] : ["experiment"]), "started", "duration",
    ...metrics.slice(0, 5).map((one) => fieldOf("metric", one.key)),
    ...params.slice(0, 6).map((one) => fieldOf("param", one.key)),
  ];
}

/** What people look at first. @param {string} key */
function rank(key) {
  const name = key.toLowerCase();
  if (/val|eval|test/.test(name) && /acc|f1|auc|score|reward/.test(name)) return 0;
  if (/acc|f1|auc|score|reward|map/.test(name)) return 1;
  if (/val|eval|test/.test(name)) return 2;
  return /loss|error/.test(name) ? 3 : 4;
}

/** Return what a run has in a column. @param {any} run @param {Column} column @returns {any} */
export function valueIn(run, column) {
  if (column.kind === "metric") return column.part === "last" ? run.metrics[column.key] : partOf(run.summaries[column.key], column.part);
  if (column.kind === "param") return run.params[column.key];
  if (column.kind === "tag") return run.tags[column.key];
  return column.key in run ? run[column.key] : run.environment?.[column.key];
}

function partOf(summary, part) {
  if (!summary) return undefined;
  return part === "mean" ? (summary.finite ? summary.sum / summary.finite : undefined) : summary[part];
}

/**
 * Return a cell.
 * @param {any} run @param {Column} column @param {Facet | undefined} facet @param {boolean} more Whether more of it is better.
 */
export function cellOf(run, column, facet, more) {
  const found = valueIn(run, column);
  if (column.kind === "attribute") return attributeCell(column.key, found);
  const isNumber = typeof found === "number" || (column.kind === "metric" && found !== undefined);
  if (!isNumber) return h("div.cell.cut", { role: "cell", title: asText(found) }, asText(found));
  const best = column.kind === "metric" && facet && facet.distinct > 1 && found === (more ? facet.max : facet.min);
  const made = h("div.cell.num", { role: "cell", title: whole(found), class: `${isOdd(found) ? "nan" : ""}${best ? " best" : ""}` }, number(found));
  if (facet && facet.min !== null && facet.max !== null && facet.max > facet.min && Number.isFinite(Number(found))) {
    const place = (Number(found) - facet.min) / (facet.max - facet.min);
    made.style.setProperty("--place", String(Math.max(0, Math.min(1, place))));
    made.classList.add("placed");
  }
  return made;
}

function attributeCell(key, found) {
  if (key === "started" || key === "ended") return h("div.cell", { role: "cell" }, found && h("time", { datetime: found, title: moment(found) }, ago(found)));
  if (key === "duration") return h("div.cell.num", { role: "cell" }, duration(found));
  if (key === "status") return h("div.cell", { role: "cell" }, h(`span.status.${found}`, {}, h("i"), found));
  if (key === "id") return h("div.cell.mono", { role: "cell", title: found }, String(found).slice(-8));
  if (key === "git.sha") return h("div.cell.mono", { role: "cell", title: found }, String(found ?? "").slice(0, 8));
  return h("div.cell.cut", { role: "cell", title: asText(found) }, asText(found));
}

/** Return the link to a run, as the table shows it. @param {any} run */
export function nameOf(run) {
  return h("a.name.cut", { href: runUrl(run.id), title: `${run.name || run.id}\n${run.id}`, tabindex: -1 }, run.name || run.id.slice(-8));
}
