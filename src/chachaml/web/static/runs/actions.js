// What can be done with the runs that are selected: compare, tag, archive, delete, export.

import { post, postAtLast, url } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { count, counted } from "../lib/format.js";
import { ask, complain, confirm, toast } from "../lib/told.js";

const MOST_COMPARED = 100;
const UNTIL_DELETED = 8_000;

/**
 * Show the bar of what can be done.
 * @param {HTMLElement} bar
 * @param {string[]} ids
 * @param {{onClear: () => void, onChanged: () => void, onGone: (ids: string[], gone: boolean) => void, onOnly: () => void, archived: boolean}} acts
 */
export function showActions(bar, ids, acts) {
  bar.hidden = ids.length === 0;
  if (!ids.length) return;
  const act = (label, picture, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, icon(picture), label);
  fill(bar,
    h("strong", {}, `${count(ids.length)} selected`),
    act("Compare", "compare", () => compare(ids), { disabled: ids.length < 2, title: ids.length < 2 ? "Select two runs at least" : "c" }),
    act("Only these in charts", "chart", acts.onOnly),
    act("Tag", "tag", () => tag(ids, acts.onChanged)),
    act(acts.archived ? "Restore" : "Archive", "archive", () => archive(ids, !acts.archived, acts.onChanged)),
    act("Delete", "trash", () => remove(ids, acts.onGone), { class: "danger" }),
    act("Export", "download", () => location.assign(exportUrl({ filter: filterOf(ids) }, "csv"))),
    h("button.quiet.square", { type: "button", "aria-label": "Select nothing", title: "Select nothing (Escape)", onclick: acts.onClear }, icon("close")));
}

/** Go to the page that shows runs side by side. @param {string[]} ids */
export function compare(ids) {
  if (ids.length < 2) return toast("Select two runs at least, by x or a click on their boxes");
  if (ids.length > MOST_COMPARED) toast(`The first ${MOST_COMPARED} are compared`);
  location.assign(url("/compare", { ids: ids.slice(0, MOST_COMPARED).join(",") }));
}

/** @param {string[]} ids */
function filterOf(ids) {
  return `id in (${ids.map((id) => `'${id}'`).join(", ")})`;
}

/** Return where runs are exported. @param {Record<string, any>} query @param {"csv" | "jsonl" | "parquet"} format */
export function exportUrl(query, format) {
  return url("/api/export", { ...query, format });
}

async function tag(ids, onChanged) {
  const text = await ask(`Tag ${counted(ids.length, "run")}`, { label: "Tag, as key=value", placeholder: "team=vision", action: "Tag" });
  if (!text?.trim()) return;
  const [key, ...rest] = text.split("=");
  const value = rest.join("=").trim();
  try {
    for (const id of ids) await post(`/api/tags/${id}`, { key: key.trim(), value });
    toast(`Tagged ${counted(ids.length, "run")}`);
    onChanged();
  } catch (error) { complain(error); }
}

async function archive(ids, away, onChanged) {
  try {
    const done = await post(away ? "/api/archive" : "/api/restore", { run_ids: ids });
    onChanged();
    const skipped = done.skipped.length ? `, ${done.skipped.length} left: ${done.skipped[0].why}` : "";
    toast(`${away ? "Archived" : "Restored"} ${counted(done.runs.length, "run")}${skipped}`, {
      action: "Undo", act: () => archive(done.runs, !away, onChanged),
    });
  } catch (error) { complain(error); }
}

/** Delete runs, a few seconds after it was said, so that it can be taken back. */
async function remove(ids, onGone) {
  try {
    const would = await post("/api/delete", { run_ids: ids, dry_run: true });
    const skipped = would.skipped.length ? ` ${counted(would.skipped.length, "run")} would stay: ${would.skipped[0].why}.` : "";
    if (!would.runs.length) return toast(`Nothing can be deleted: ${would.skipped[0]?.why ?? "there is nothing"}`, { failed: true });
    const what = `${counted(would.runs.length, "run")} with ${counted(would.points, "point")} and ${counted(would.artifacts, "artifact")} would go for ever.${skipped}`;
    if (!await confirm("Delete?", what, "Delete", { danger: true })) return;
    await wait(would.runs, onGone);
  } catch (error) { complain(error); }
}

function wait(ids, onGone) {
  onGone(ids, true);
  const act = () => {
    clearTimeout(timer);
    removeEventListener("pagehide", act);
    postAtLast("/api/delete", { run_ids: ids }).then(() => onGone(ids, true), (error) => { onGone(ids, false); complain(error); });
  };
  const timer = setTimeout(act, UNTIL_DELETED);
  addEventListener("pagehide", act);
  toast(`Deleting ${counted(ids.length, "run")}`, { action: "Undo", ms: UNTIL_DELETED, act: () => {
    clearTimeout(timer);
    removeEventListener("pagehide", act);
    onGone(ids, false);
  } });
}
