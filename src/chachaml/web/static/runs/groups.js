// The table in groups: how many runs have the same values, and how their numbers are spread. A group opens onto its runs.

import { get } from "../lib/api.js";
import { colourOf } from "../lib/colour.js";
import { fill, h, icon } from "../lib/dom.js";
import { count, duration, number, value as asText } from "../lib/format.js";
import { cellOf, columnOf, nameOf } from "./columns.js";

const MOST_OPEN = 100;

/** Return a filter that the runs of a group meet. @param {string[]} by @param {any[]} values */
export function groupFilter(by, values) {
  return by.map((field, at) => {
    const found = values[at];
    if (found === null || found === undefined) return `${field} is null`;
    if (found === "NaN") return `${field} is nan`;
    if (typeof found === "number") return `${field} = ${found}`;
    return `${field} = '${(typeof found === "string" ? found : JSON.stringify(found)).replaceAll("'", "''")}'`;
  }).join(" and ");
}

/** Return what a group is called. @param {any[]} values */
export function groupName(values) {
  return values.map((one) => (one === null ? "none" : asText(one))).join(", ");
}

/**
 * Show groups in place of runs.
 * @param {HTMLElement} host
 * @param {{by: string[], columns: import("./columns.js").Column[], query: Record<string, any>, open: Set<string>, onOpen: (name: string, open: boolean) => void, onFilter: (filter: string) => void}} about
 */
export async function showGroups(host, about) {
  const { by, query } = about;
  const numbers = about.columns.filter((one) => !by.includes(one.field) && (one.kind === "metric" || one.kind === "param" || one.field === "duration"));
  const groups = await get("/api/groups", { ...query, by: by.join(","), fields: numbers.map((one) => one.field).join(",") });
  const shown = numbers.filter((_, at) => groups.some((group) => group.spreads[at]));
  const body = h("tbody");
  fill(host, h("div.scroller", { tabindex: 0 }, h("table.grid.groups", {},
    h("thead", {}, h("tr", {}, h("th", {}, by.map((field) => columnOf(field).label).join(", ")), h("th.num", {}, "Runs"), shown.map((one) => h("th.num", {}, one.label)))), body)));
  for (const group of groups) body.append(...rowsOf(group, { ...about, numbers, shown }));
  return groups;
}

function rowsOf(group, about) {
  const name = groupName(group.values);
  const inner = h("tr.inner", { hidden: true }, h("td", { colspan: about.shown.length + 2 }));
  const toggle = h("button.quiet", { type: "button", "aria-expanded": "false", onclick: () => flip() }, icon("right"), h("span.dot", { style: { background: colourOf(name) } }), h("span.cut", {}, name));
  const flip = async (open = inner.hidden) => {
    inner.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    about.onOpen(name, open);
    if (open && !inner.firstChild.hasChildNodes()) await showRuns(inner.firstChild, group, about);
  };
  const row = h("tr", {}, h("td", {}, toggle), h("td.num", {}, count(group.count)), about.shown.map((one) => spreadCell(group.spreads[about.numbers.indexOf(one)], one.field === "duration" ? duration : number)));
  if (about.open.has(name)) flip(true);
  return [row, inner];
}

function spreadCell(spread, shown) {
  if (!spread) return h("td");
  return h("td.num", { title: `${spread.count} values, from ${spread.min} to ${spread.max}, mean ${spread.mean}, standard deviation ${spread.sd}` },
    shown(spread.mean), spread.count > 1 && h("small.muted", {}, ` ± ${shown(spread.sd, 2)}`),
    spread.count > 1 && h("div.range.muted", {}, `${shown(spread.min, 3)} to ${shown(spread.max, 3)}`));
}

async function showRuns(place, group, about) {
  const own = groupFilter(about.by, group.values);
  const filter = about.query.filter ? `(${about.query.filter}) and ${own}` : own;
  const keys = about.columns.filter((one) => one.kind === "metric" || one.kind === "param").map((one) => one.key).join(",");
  const page = await get("/api/table", { ...about.query, filter, limit: MOST_OPEN, keys });
  fill(place, h("div.inner-rows", { style: { "--columns": `260px ${about.columns.map((one) => `${one.width}px`).join(" ")} minmax(0, 1fr)` } }, page.runs.map((run) => h("div.row", {},
    h("div.cell.frozen", {}, h("span.dot", { style: { background: colourOf(run.id) } }), nameOf(run)), about.columns.map((one) => cellOf(run, one, undefined, false))))),
  page.total > MOST_OPEN && h("button.quiet", { type: "button", onclick: () => about.onFilter(filter) }, `All ${count(page.total)} as a table`));
}
