// The runs page: the table at the left, the charts at the right, and all of their state in the address.

import { WORKSPACE_STATE, Workspace } from "../charts/workspace.js";
import { onFocus, setFocus } from "../charts/focus.js";
import { ApiError, get, runUrl, url } from "../lib/api.js";
import { onTheme } from "../lib/colour.js";
import { afterSilence, fill, given, h, the } from "../lib/dom.js";
import { count, counted } from "../lib/format.js";
import { key } from "../lib/keys.js";
import { onChange } from "../lib/live.js";
import { floating, menu } from "../lib/menu.js";
import { command } from "../lib/palette.js";
import { SearchBox } from "../lib/searchbox.js";
import { UrlState } from "../lib/state.js";
import { ask, complain, toast } from "../lib/told.js";
import { compare, exportUrl, showActions } from "../runs/actions.js";
import { automatic, columnOf } from "../runs/columns.js";
import { groupName, showGroups } from "../runs/groups.js";
import { columnMenu, pick } from "../runs/picker.js";
import { Source } from "../runs/source.js";
import { Sparks } from "../runs/sparks.js";
import { Table } from "../runs/table.js";
import { deleteView, saveView, views } from "../runs/views.js";

/** Runs that charts draw at most; those in view come first. */
const DRAWN = 1000;
const ALONE = 50;

const NONE = /** @type {string[]} */ ([]);

const state = new UrlState({
  q: "", experiment: "", status: "", sort: "", layout: "both", split: 56, spark: "", only: false,
  cols: NONE, by: NONE, sel: NONE, open: NONE, widths: /** @type {Record<string, number>} */ ({}),
  ...WORKSPACE_STATE,
});
const about = given("about");
const more = new Set(about.more_is_better);
const page = the("#runs");
const divider = the("#divider");
const source = new Source();
/** @type {import("../runs/columns.js").Facet[]} */
let facets = [];
/** @type {Set<string>} Runs that are about to be deleted. */
const going = new Set();

const isMore = (name) => name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase().split(/[^a-z0-9]+/).some((word) => more.has(word));

/** What is asked of the server, whichever way it is shown. */
function query() {
  const { q, experiment, status } = state.now;
  const hidden = going.size ? `not id in (${[...going].map((id) => `'${id}'`).join(", ")})` : "";
  const filter = [q && hidden ? `(${q})` : q, hidden].filter(Boolean).join(" and ");
  return { filter, experiment, status: status === "archived" ? "" : status, archived: status === "archived" ? "true" : "" };
}

// the table ------------------------------------------------------------------------------------------

const table = new Table(the("#table"), source, {
  onSort: (field, add) => state.set({ sort: sorted(field, add) }),
  onSelect: (ids, on) => select(ids, on),
  onHide: (id) => {
    const hidden = new Set(state.now.hidden);
    if (!hidden.delete(id)) hidden.add(id);
    state.set({ hidden: [...hidden] }, { replace: true });
  },
  onHead: (column, anchor) => columnMenu(anchor, column, {
    onSort: (way) => state.set({ sort: `${column.field} ${way}` }),
    onRemove: () => state.set({ cols: chosen().filter((one) => one !== column.field) }),
    onGroup: () => state.set({ by: [...state.now.by, column.field] }),
    onPart: (field) => state.set({ cols: chosen().map((one) => (one === column.field ? field : one)) }),
    onSpark: () => state.set({ spark: column.key }),
    onFirst: () => state.set({ cols: [column.field, ...chosen().filter((one) => one !== column.field)] }),
  }),
  onMove: (from, to) => {
    const rest = chosen().filter((one) => one !== from);
    rest.splice(rest.indexOf(to), 0, from);
    state.set({ cols: rest });
  },
  onWidth: (field, width) => state.set({ widths: { ...state.now.widths, [field]: Math.round(width) } }, { replace: true }),
  onRows: (runs) => { sparks.show(runs); drawCharts(); },
  onHover: (id) => setFocus(id ?? ""),
});
const sparks = new Sparks(table);

/** The columns that are shown. @returns {string[]} */
function chosen() {
  return state.now.cols.length ? state.now.cols : automatic(facets, state.now);
}

/** @param {string} field @param {boolean} add */
function sorted(field, add) {
  const parts = state.now.sort ? state.now.sort.split(", ") : [];
  const was = parts.find((one) => one.startsWith(`${field} `));
  const column = columnOf(field);
  const first = column.kind === "metric" && isMore(column.key) ? "desc" : column.kind === "attribute" && ["started", "duration"].includes(field) ? "desc" : "asc";
  const second = first === "asc" ? "desc" : "asc";
  const next = !was ? first : was.endsWith(first) ? second : "";
  const others = add ? parts.filter((one) => one !== was) : [];
  return [...others, next && `${field} ${next}`].filter(Boolean).join(", ");
}

/** The keys of params and metrics that the rows need. */
function keys() {
  const shown = chosen().map(columnOf).filter((one) => one.kind === "metric" || one.kind === "param").map((one) => one.key);
  return [...new Set([...shown, sparks.metric].filter(Boolean))];
}

function headline() {
  if (state.now.spark) return state.now.spark;
  const curves = facets.filter((one) => one.kind === "metric" && one.points > 2 && !/^(system|sys)[./]/.test(one.key));
  const shown = new Set(chosen().map(columnOf).filter((one) => one.kind === "metric").map((one) => one.key));
  const best = curves.sort((a, b) => Number(shown.has(b.key)) - Number(shown.has(a.key)) || b.runs - a.runs)[0];
  return best?.key ?? "";
}

function restyle() {
  sparks.choose(headline());
  table.set({
    columns: chosen().map(columnOf), facets: new Map(facets.map((one) => [`${one.kind} ${one.key}`, one])),
    selected: new Set(state.now.sel), hidden: new Set(state.now.hidden), sort: state.now.sort, widths: state.now.widths, isMore,
  });
}

/** Ask for rows anew: of other runs, or of the same as they are now. */
async function load({ anew = false } = {}) {
  charts.setQuery(query());
  try {
    if (anew) {
      facets = await get("/api/facets", query());
      restyle();
    }
    if (state.now.by.length) return await loadGroups();
    ungroup();
    const before = source.total;
    const top = table.scroller.scrollTop;
    await source.show({ ...query(), order_by: state.now.sort, keys: keys().join(",") });
    if (anew) table.scroller.scrollTop = 0;
    else if (top > 0 && !state.now.sort && source.total > before) table.scroller.scrollTop = top + (source.total - before) * table.rowHeight; // what came is above
    search.wrong(null);
    restyle();
    tell();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    if (error instanceof ApiError && error.code === "bad_query") search.wrong(/** @type {any} */ (error));
    else complain(error);
  }
}

function tell() {
  the("#total").textContent = counted(source.total, "run");
  const asked = [state.now.q && "the search", state.now.experiment && "the experiment", state.now.status && "the status"].filter(Boolean);
  const nothing = source.total === 0;
  the("#told").textContent = !nothing && asked.length ? `that match ${asked.join(" and ")}` : "";
  the("#table").querySelector(".nothing")?.remove();
  if (nothing) the("#table").append(h("div.nothing", {}, asked.length ? noMatch() : teach()));
}

/** Say which condition leaves out most. */
function noMatch() {
  const made = h("div.empty", {}, h("h2", {}, "No run matches"));
  const { q, experiment, status } = state.now;
  /** @type {any[]} */
  const tries = [
    q && { label: "without the search", query: { ...query(), filter: "" }, act: () => state.set({ q: "" }) },
    experiment && { label: "in all experiments", query: { ...query(), experiment: "" }, act: () => state.set({ experiment: "" }) },
    status && { label: "in any status", query: { ...query(), status: "", archived: "" }, act: () => state.set({ status: "" }) },
  ].filter(Boolean);
  for (const one of tries) {
    get("/api/table", { ...one.query, limit: 1 }).then(({ total }) => made.append(h("p", {}, h("button", { type: "button", onclick: one.act }, `${counted(total, "run")} ${one.label}`))), () => {});
  }
  return made;
}

function teach() {
  const lesson = the("#empty").content.cloneNode(true);
  const place = `${document.documentElement.dataset.origin}${document.documentElement.dataset.prefix}`;
  lesson.querySelector("[data-teach=python]").textContent = `import chachaml as ml\n\nml.connect("${place}")\nwith ml.start_run(experiment="iris"):\n    ml.log_params({"lr": 0.01})\n    for step in range(100):\n        ml.log_metric("loss", 1 / (step + 1), step=step)`;
  lesson.querySelector("[data-teach=shell]").textContent = `curl -X POST ${place}/api/w/runs -H 'Content-Type: application/json' -d '{"experiment": "iris"}'`;
  return lesson;
}

// groups ---------------------------------------------------------------------------------------------

const grouped = h("div.grouped", { hidden: true });
the("#table").append(grouped);

async function loadGroups() {
  table.scroller.hidden = true;
  grouped.hidden = false;
  const open = new Set(state.now.open);
  const groups = await showGroups(grouped, {
    by: state.now.by, columns: chosen().map(columnOf), query: query(), open,
    onOpen: (name, is) => {
      if (is) open.add(name); else open.delete(name);
      state.set({ open: [...open] }, { replace: true });
    },
    onFilter: (filter) => state.set({ q: filter, by: [] }),
  });
  search.wrong(null);
  the("#total").textContent = counted(groups.length, "group");
  the("#told").textContent = `of ${counted(groups.reduce((sum, one) => sum + one.count, 0), "run")}`;
  const found = await get("/api/values", { ...query(), fields: [...state.now.by, "name", "status"].join(","), limit: DRAWN });
  const names = new Map(found.runs.map((id, at) => [id, groupName(state.now.by.map((field) => found.values[field][at]))]));
  charts.setRuns(found.runs.map((id, at) => ({ id, name: found.values.name[at], status: found.values.status[at] })));
  charts.setGroups(names);
}

function ungroup() {
  if (grouped.hidden) return;
  grouped.hidden = true;
  table.scroller.hidden = false;
  charts.setGroups(null);
}

// selection ------------------------------------------------------------------------------------------

/** @param {string[]} ids @param {boolean} on */
function select(ids, on) {
  const now = new Set(state.now.sel);
  for (const id of ids) if (on) now.add(id); else now.delete(id);
  state.set({ sel: [...now] }, { replace: true });
}

function actions() {
  const { sel } = state.now;
  showActions(the("#selected"), sel, {
    archived: state.now.status === "archived",
    onClear: () => state.set({ sel: [], only: false }, { replace: true }),
    onChanged: () => load(),
    onOnly: () => state.set({ only: !state.now.only }, { replace: true }),
    onGone: (ids, gone) => {
      for (const id of ids) if (gone) going.add(id); else going.delete(id);
      if (gone) state.set({ sel: state.now.sel.filter((id) => !ids.includes(id)) }, { replace: true });
      load();
    },
  });
}

// charts ---------------------------------------------------------------------------------------------

const charts = new Workspace(the("#charts"), { state: /** @type {any} */ (state) });

const drawCharts = afterSilence(() => {
  if (state.now.by.length || state.now.layout === "table") return;
  const [from] = table.view;
  const chosenOnly = state.now.only && state.now.sel.length > 0;
  const runs = chosenOnly ? source.between(0, source.total).filter((run) => state.now.sel.includes(run.id)) : source.between(from, from + ALONE);
  const missing = chosenOnly ? state.now.sel.filter((id) => !runs.some((run) => run.id === id)).map((id) => ({ id, name: id.slice(-8), status: "" })) : [];
  charts.setRuns([...runs, ...missing].map(({ id, name, status }) => ({ id, name: name || id.slice(-8), status })));
}, 150);

onFocus((id) => {
  for (const row of table.body.children) row.classList.toggle("lit", row.dataset.id === id);
});

// tools ----------------------------------------------------------------------------------------------

const search = new SearchBox(the("#search"), { value: state.now.q, facets: () => facets, onSearch: (q) => state.set({ q }) });
const experiments = the("#experiment");
const statuses = the("#status");
experiments.addEventListener("change", () => state.set({ experiment: experiments.value, cols: [], by: [] }));
statuses.addEventListener("change", () => state.set({ status: statuses.value }));
the("#columns").addEventListener("click", (event) => pick(event.currentTarget, {
  title: "Columns", facets, chosen: chosen(), onChoose: (cols) => state.set({ cols }, { replace: true }), usual: () => state.set({ cols: [] }),
}));
the("#group").addEventListener("click", (event) => pick(event.currentTarget, {
  title: "Group", facets: facets.filter((one) => one.kind !== "metric"), chosen: state.now.by, onChoose: (by) => state.set({ by }, { replace: true }), usual: () => state.set({ by: [] }),
}));
the("#export").addEventListener("click", (event) => menu(event.currentTarget, /** @type {("csv" | "parquet" | "jsonl")[]} */ (["csv", "parquet", "jsonl"]).map((format) => ({
  label: { csv: "As CSV", parquet: "As Parquet", jsonl: "As JSON lines" }[format],
  act: () => { const { filter, experiment } = query(); location.assign(exportUrl({ filter, experiment, status: state.now.status, order_by: state.now.sort }, format)); },
}))));
the("#views").addEventListener("click", (event) => showViews(event.currentTarget));
for (const button of document.querySelectorAll("[data-layout]")) {
  if (button instanceof HTMLButtonElement) button.addEventListener("click", () => state.set({ layout: button.dataset.layout ?? "both" }));
}

async function showViews(anchor) {
  const known = await views(state.now.experiment).catch((error) => { complain(error); return []; });
  floating(anchor, (close) => [
    known.length ? h("h3", {}, "Saved views") : h("h3", {}, "No views are saved yet"),
    known.map((one) => h("div.view", {},
      h("a", { href: url(`/runs${one.state}`) }, one.name),
      h("button.quiet.square", { type: "button", "aria-label": `Delete view ${one.name}`, onclick: () => deleteView(one).then(close, complain) }, "×"))),
    h("hr"),
    h("button", { type: "button", onclick: async () => {
      close();
      const name = await ask("Save this view", { label: "Name", action: "Save" });
      if (name?.trim()) saveView(name.trim(), state.now.experiment, location.search).then(() => toast(`Saved as ${name.trim()}`), complain);
    } }, "Save what is shown"),
    h("button", { type: "button", onclick: () => { close(); navigator.clipboard?.writeText(location.href).then(() => toast("Copied"), complain); } }, "Copy a link to it"),
  ]);
}

async function listExperiments() {
  const found = await get("/api/experiments");
  fill(experiments, h("option", { value: "" }, "All experiments"), found.map((one) => h("option", { value: one.name }, `${one.name} (${count(one.runs)})`)));
  experiments.value = state.now.experiment;
}

function layOut() {
  page.dataset.layout = state.now.layout;
  the("#panes").style.setProperty("--split", `${state.now.split}%`);
  divider.setAttribute("aria-valuenow", String(state.now.split));
  for (const button of /** @type {any} */ (document.querySelectorAll("button[data-layout]"))) button.setAttribute("aria-pressed", String(button.dataset.layout === state.now.layout));
  search.value = state.now.q;
  statuses.value = state.now.status;
  experiments.value = state.now.experiment;
  document.title = `${state.now.experiment || "Runs"} - chachaml`;
  the("#group").classList.toggle("on", state.now.by.length > 0);
  actions();
}

divider.addEventListener("pointerdown", (event) => {
  divider.setPointerCapture(event.pointerId);
  const panes = the("#panes").getBoundingClientRect();
  const at = (moved) => Math.max(20, Math.min(85, Math.round(((moved.clientX - panes.left) / panes.width) * 100)));
  divider.onpointermove = (moved) => the("#panes").style.setProperty("--split", `${at(moved)}%`);
  divider.onpointerup = (moved) => { divider.onpointermove = divider.onpointerup = null; state.set({ split: at(moved) }, { replace: true }); };
});
divider.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
  if (by) state.set({ split: Math.max(20, Math.min(85, state.now.split + by)) }, { replace: true });
});

// keys -----------------------------------------------------------------------------------------------

key("/", "Search", () => search.input.focus());
key("j ArrowDown", "Next run", () => table.move(table.cursor + 1));
key("k ArrowUp", "Previous run", () => table.move(table.cursor - 1));
key("x", "Select the run", () => { const run = table.current; if (run) select([run.id], !state.now.sel.includes(run.id)); });
key("Enter", "Open the run", () => { const run = table.current; if (run) location.assign(runUrl(run.id)); });
key("h", "Show or hide the run in charts", () => { const run = table.current; if (run) table.acts.onHide(run.id); });
key("c", "Compare what is selected", () => compare(state.now.sel));
key("g", "Group", () => the("#group").click());
key("1", "Table only", () => state.set({ layout: "table" }));
key("2", "Table and charts", () => state.set({ layout: "both" }));
key("3", "Charts only", () => state.set({ layout: "charts" }));
key("Escape", "Select nothing", () => state.set({ sel: [], only: false }, { replace: true }));
command("Compare what is selected", "compare", () => compare(state.now.sel));
command("Save this view", "save", () => the("#views").click());

// what happens ---------------------------------------------------------------------------------------

state.onChange((changed) => {
  layOut();
  if (["q", "experiment", "status"].some((name) => changed.has(name))) load({ anew: true });
  else if (["sort", "cols", "by", "spark"].some((name) => changed.has(name))) { restyle(); load(); }
  else if (["sel", "hidden", "widths"].some((name) => changed.has(name))) restyle();
  if (["sel", "only", "layout"].some((name) => changed.has(name))) drawCharts();
});

let seen = 0;
onChange((news) => {
  const changes = news.all || news.runs.size > 0;
  if (!changes) return;
  load();
  if (Date.now() - seen > 10_000) { // what there is to choose changes seldom
    seen = Date.now();
    listExperiments().catch(() => {});
    get("/api/facets", query()).then((found) => { facets = found; restyle(); }, () => {});
  }
});
onTheme(() => { sparks.known.clear(); table.sparks.clear(); table.kept.clear(); table.draw(); });

document.querySelector(".grid.first")?.remove();
layOut();
load({ anew: true });
listExperiments().catch(complain);
