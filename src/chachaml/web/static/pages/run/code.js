// The code and the surroundings of a run: what was not committed, packages, and what another run had otherwise.

import { get } from "../../lib/api.js";
import { fill, h, the } from "../../lib/dom.js";
import { counted, short, value } from "../../lib/format.js";
import { UrlState } from "../../lib/state.js";
import { complain } from "../../lib/told.js";
import { showText } from "./previews.js";

/** @typedef {import("./watched.js").Watched} Watched */

/** Show the tab. @param {Watched} watched */
export async function show(watched) {
  const diff = the("#diff");
  if (diff.dataset.name) showText(diff, watched.id, diff.dataset.name).catch(complain);
  const own = await get(`${watched.api}/packages`);
  packages(own);
  await against(watched, own);
}

/** @param {Record<string, string>} own */
function packages(own) {
  const names = Object.keys(own).sort((a, b) => a.localeCompare(b));
  const find = the("#find-packages");
  the("#no-packages").hidden = names.length > 0;
  find.hidden = !names.length;
  the("#packages-count").textContent = names.length || "";
  const rows = names.map((name) => h("li", {}, h("span.cut", { title: name }, name), h("span.muted", {}, own[name])));
  fill(the("#packages"), rows);
  find.addEventListener("input", () => rows.forEach((row, at) => { row.hidden = !names[at].toLowerCase().includes(find.value.toLowerCase()); }));
}

/** @param {Watched} watched @param {Record<string, string>} own */
async function against(watched, own) {
  const select = the("#against");
  const state = new UrlState({ against: "" });
  const { runs } = await get("/api/runs", { experiment: watched.run.experiment, columns: "name,started", limit: 100 });
  const others = runs.filter((/** @type {any} */ one) => one.id !== watched.id);
  if (state.now.against && !others.some((/** @type {any} */ one) => one.id === state.now.against)) others.unshift({ id: state.now.against, name: "" });
  select.append(...others.map((/** @type {any} */ one) => h("option", { value: one.id }, `${one.name} ${short(one.id)}`)));
  const draw = async () => {
    select.value = state.now.against;
    const host = the("#differences");
    if (!state.now.against) { fill(host); return; }
    try {
      const [other, theirs] = await Promise.all([get(`/api/runs/${state.now.against}`), get(`/api/runs/${state.now.against}/packages`)]);
      fill(host, differences("", watched.run.environment, other.environment), differences("Packages", own, theirs));
    } catch (error) { complain(error); }
  };
  select.addEventListener("change", () => state.set({ against: select.value }));
  state.onChange(draw);
  await draw();
}

/** @param {string} what @param {Record<string, any>} one @param {Record<string, any>} other */
function differences(what, one, other) {
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort()
    .filter((key) => key !== "packages" && JSON.stringify(one[key]) !== JSON.stringify(other[key]));
  const name = what || "Machine and code";
  if (!keys.length) return h("p.muted", {}, `${name}: no difference.`);
  return h("div.scroll", {}, h("table.grid", {},
    h("thead", {}, h("tr", {}, h("th", {}, `${name} (${counted(keys.length, "difference")})`), h("th", {}, "This run"), h("th", {}, "The other"))),
    h("tbody", {}, keys.map((key) => h("tr", {}, h("th.mono", { scope: "row" }, key), h("td.mono", {}, value(one[key])), h("td.mono", {}, value(other[key])))))));
}
