// Runs side by side: keys found as they are typed, runs added, pictures and tables moved through their steps.

import { get, url } from "../lib/api.js";
import { afterSilence, fill, h, statusBadge, the } from "../lib/dom.js";
import { short, value } from "../lib/format.js";
import { key } from "../lib/keys.js";
import { floating, menu } from "../lib/menu.js";
import { onFresh, paintDots, stayFresh } from "../lib/refresh.js";
import { UrlState } from "../lib/state.js";
import { complain } from "../lib/told.js";

const heads = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".sheet thead [data-run]")]);
/** The runs that are shown, the baseline first. */
const runs = heads.map((one) => one.dataset.run ?? "");

const find = the("#find-key input[type=search]");

function narrow() {
  const wanted = find.value.toLowerCase();
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".sheet tbody tr[data-key]:not(.title)"))) {
    row.hidden = row.dataset.key !== "+" && !(row.dataset.key ?? "").toLowerCase().includes(wanted);
  }
}

/** @param {string} id */
function withRun(id) {
  const query = new URLSearchParams(location.search);
  query.set("ids", [...(query.get("ids") ?? "").split(","), id].join(","));
  location.assign(url("/compare", Object.fromEntries(query)));
}

function addRun() {
  floating(the("#add-run"), () => {
    const input = h("input", { type: "search", placeholder: "Name or id of a run", "aria-label": "Name or id of a run" });
    const list = h("div.menu");
    const look = async () => {
      const text = input.value.trim().replaceAll("'", "''").replaceAll("%", "");
      const filter = text ? `name ilike '%${text}%' or id like '%${text}%' or experiment ilike '%${text}%'` : "";
      try {
        const page = await get("/api/runs", { filter, columns: "name,experiment,status", limit: 12 + runs.length });
        const found = page.runs.filter((/** @type {any} */ run) => !runs.includes(run.id)).slice(0, 12);
        fill(list, found.map((/** @type {any} */ run) => h("button", { type: "button", onclick: () => withRun(run.id) },
          h("span.cut", {}, run.name || short(run.id)), h("small.muted.cut", {}, run.experiment), h("span.spring"), statusBadge(run.status))),
        !found.length && h("p.muted", {}, "No other run has this in its name."));
      } catch (error) { complain(error); }
    };
    input.addEventListener("input", afterSilence(look, 150));
    look();
    return [input, list];
  }, "menu adding");
}

function exportMenu() {
  const filter = `id in (${runs.map((id) => `'${id}'`).join(", ")})`;
  const go = (/** @type {string} */ address) => () => location.assign(address);
  menu(the("#export"), [
    { label: "CSV, a row for each run", act: go(url("/api/export", { filter, format: "csv" })) },
    { label: "Parquet, a row for each run", act: go(url("/api/export", { filter, format: "parquet" })) },
    { label: "This comparison as JSON", act: go(url("/api/compare", { ids: runs.join(",") })) },
  ]);
}

// pictures and tables

/** @param {HTMLElement} figure */
function address(figure) {
  return `/artifacts/${figure.dataset.run}/${encodeURIComponent(figure.dataset.name ?? "")}`;
}

/** Show a figure as it was at a step, or at the last one before. @param {HTMLElement} figure @param {number} step */
function at(figure, step) {
  const names = JSON.parse(figure.dataset.names ?? "{}");
  const before = Object.keys(names).map(Number).filter((one) => one <= step);
  figure.classList.toggle("none", !before.length);
  if (!before.length || figure.dataset.name === names[Math.max(...before)]) return;
  figure.dataset.name = names[Math.max(...before)];
  const image = figure.querySelector("img");
  if (image) image.src = url(`/api${address(figure)}/download`);
  else rows(figure);
}

/** @param {HTMLElement} figure */
async function rows(figure) {
  const place = /** @type {HTMLElement} */ (figure.querySelector(".rows"));
  try {
    const found = await get(`/api/runs/${figure.dataset.run}/content/${encodeURIComponent(figure.dataset.name ?? "")}`, { limit: 50 });
    if (found.kind !== "table") return;
    fill(place, h("table.grid", {},
      h("thead", {}, h("tr", {}, found.columns.map((/** @type {string} */ one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, (found.rows ?? []).map((/** @type {any[]} */ row) => h("tr", {}, row.map((cell) => h("td", { class: typeof cell === "number" ? "num" : "" }, value(cell))))))),
    found.total > 50 && h("p.muted", {}, `and ${found.total - 50} more rows`));
  } catch (error) { complain(error); }
}

const near = new IntersectionObserver((seen) => {
  for (const one of seen) {
    if (!one.isIntersecting) continue;
    near.unobserve(one.target);
    rows(/** @type {HTMLElement} */ (one.target));
  }
});
for (const figure of document.querySelectorAll('[data-kind="table"] figure')) near.observe(figure);
for (const range of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(".medium input[type=range]"))) {
  range.addEventListener("input", () => {
    const step = Number((range.dataset.steps ?? "").split(",")[range.valueAsNumber]);
    const medium = /** @type {HTMLElement} */ (range.closest(".medium"));
    /** @type {HTMLOutputElement} */ (medium.querySelector("output")).value = String(step);
    for (const figure of /** @type {NodeListOf<HTMLElement>} */ (medium.querySelectorAll("figure"))) at(figure, step);
  });
}

find.addEventListener("input", narrow);
onFresh(narrow);
the("#add-run").addEventListener("click", addRun);
the("#export").addEventListener("click", exportMenu);
key("/", "Find a key", () => find.focus());
key("a", "Add a run", addRun);
key("d", "Differences or all", () => /** @type {HTMLAnchorElement} */ (the(".compare header .button:not(.on)")).click());
paintDots();
stayFresh((news) => news.all || runs.some((id) => news.runs.has(id)));
// Charts last: all else answers before they are there.
const { workspace, WORKSPACE_STATE } = await import("../charts/workspace.js");
workspace(the("#charts"), { state: new UrlState(WORKSPACE_STATE) }).setRuns(
  heads.map((one, at) => ({ id: runs[at], name: one.querySelector(".who a")?.textContent ?? "" })));
