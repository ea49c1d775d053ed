// The header: name, status, tags, and what can be done with a run.

import { get, post, remove, url } from "../../lib/api.js";
import { colourOf, onTheme } from "../../lib/colour.js";
import { fill, h, icon, statusBadge, the } from "../../lib/dom.js";
import { counted, duration, short, size } from "../../lib/format.js";
import { key } from "../../lib/keys.js";
import { floating, menu } from "../../lib/menu.js";
import { command } from "../../lib/palette.js";
import { ask, complain, confirm, toast } from "../../lib/told.js";

/** @typedef {import("./watched.js").Watched} Watched */

/** Bring the header to life. @param {Watched} watched */
export function header(watched) {
  const paint = () => { the("#colour").style.background = colourOf(watched.id); };
  paint();
  onTheme(paint);
  status(watched);
  tags(watched);
  const rename = () => editName(watched);
  the("#rename").addEventListener("click", rename);
  the("#name").addEventListener("dblclick", rename);
  key("r", "Rename this run", rename);
  the("#more").addEventListener("click", () => menu(the("#more"), items(watched)));
  command("Copy the id of this run", "copy", () => copy(watched.id));
  command("Archive or restore this run", "archive", () => archive(watched));
}

/** @param {string} text */
function copy(text) {
  navigator.clipboard?.writeText(text).then(() => toast("Copied"), () => toast("This browser does not let pages copy here", { failed: true }));
}

// status -------------------------------------------------------------------------------------------

/** @param {Watched} watched */
function status(watched) {
  const took = the("#took");
  const tick = () => {
    const { run } = watched;
    const text = run.status === "running" ? going(run) : duration(run.duration);
    if (took.textContent !== text) took.textContent = text;
  };
  watched.onNews((run, before) => {
    if (run.status !== before.status) fill(the("#status"), statusBadge(run.status));
    if (run.name !== before.name) showName(run);
    if ((run.archived === null) !== (before.archived === null)) showArchived(run);
    tick();
  });
  tick();
  setInterval(tick, 1000);
}

/** How long a run has been going; how much is left where it tells its progress, from 0 to 1. @param {any} run */
function going(run) {
  const passed = (Date.now() - Date.parse(run.started)) / 1000;
  const progress = Number(run.metrics.progress);
  const left = progress > 0 && progress <= 1 ? passed * (1 - progress) / progress : NaN;
  return Number.isFinite(left) ? `${duration(passed)}, about ${duration(left)} left` : duration(passed);
}

/** @param {any} run */
function showArchived(run) {
  document.querySelector("#archived")?.remove();
  if (run.archived) the("#took").after(h("span.badge", { id: "archived", title: "Hidden from lists; the menu brings it back" }, "archived"));
}

// name ---------------------------------------------------------------------------------------------

/** @param {any} run */
function showName(run) {
  const name = the("#name");
  name.textContent = run.name || short(run.id);
  name.title = run.name;
}

/** @param {Watched} watched */
function editName(watched) {
  const name = the("#name");
  if (name.hidden) return;
  const input = h("input.name", { value: watched.run.name, "aria-label": "Name", maxlength: 1000 });
  let open = true; // removing it takes the focus, which would save
  const done = () => { open = false; input.remove(); name.hidden = false; };
  const save = async () => {
    const wanted = input.value.trim();
    done();
    if (!wanted || wanted === watched.run.name) return;
    try {
      watched.take({ ...watched.run, ...(await post(`${watched.api}/rename`, { name: wanted })) });
    } catch (error) { complain(error); }
  };
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") save();
    if (event.key === "Escape") done();
  });
  input.addEventListener("blur", () => { if (open) save(); });
  name.hidden = true;
  name.after(input);
  input.select();
}

// tags ---------------------------------------------------------------------------------------------

/** @param {Watched} watched */
function tags(watched) {
  const host = the("#tags");
  const draw = () => {
    const shown = Object.entries(watched.run.tags).filter(([name]) => name !== "note").sort(([a], [b]) => a < b ? -1 : 1);
    fill(host, shown.map(([name, value]) => h("span.chip", { title: `${name} = ${value}` },
      h("span.cut", {}, value ? `${name} = ${value}` : name),
      h("button", { type: "button", "aria-label": `Remove the tag ${name}`, onclick: () => removeTag(watched, name, value) }, "×"))),
    h("button.quiet", { type: "button", id: "add-tag", "aria-expanded": "false", onclick: () => addTag(watched) }, icon("plus"), "Tag"));
  };
  draw();
  watched.onNews((run, before) => { if (JSON.stringify(run.tags) !== JSON.stringify(before.tags)) draw(); });
  key("t", "Add a tag", () => addTag(watched));
}

/** @param {Watched} watched @param {Record<string, string>} tagged */
const tagged = (watched, tagged) => watched.take({ ...watched.run, tags: tagged });

/** @param {Watched} watched */
function addTag(watched) {
  floating(the("#add-tag"), (close) => {
    const name = h("input", { placeholder: "stage", "aria-label": "Tag" });
    const value = h("input", { placeholder: "baseline", "aria-label": "Value" });
    return [h("form.tag-form", { onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!name.value.trim()) return;
      close();
      await setTag(watched, name.value.trim(), value.value.trim());
    } }, name, " = ", value, " ", h("button.primary", {}, "Add"))];
  }, "menu");
}

/** @param {Watched} watched @param {string} name @param {string} value */
async function setTag(watched, name, value) {
  try {
    tagged(watched, await post(`/api/tags/${watched.id}`, { key: name, value }));
  } catch (error) { complain(error); }
}

/** @param {Watched} watched @param {string} name @param {string} value */
async function removeTag(watched, name, value) {
  try {
    tagged(watched, await remove(`/api/tags/${watched.id}/${encodeURIComponent(name)}`));
    toast(`Removed the tag ${name}`, { action: "Undo", act: () => setTag(watched, name, value) });
  } catch (error) { complain(error); }
}

// the menu -----------------------------------------------------------------------------------------

/** @param {Watched} watched */
function items(watched) {
  const { run } = watched;
  return [
    { label: "Copy the id", icon: icon("copy"), act: () => copy(run.id) },
    { label: `Copy ml.run("${short(run.id)}")`, icon: icon("copy"), act: () => copy(`ml.run("${run.id}")`) },
    { label: "Compare with another run", icon: icon("compare"), act: () => location.assign(url("/compare", { ids: run.id })) },
    null,
    run.status === "running" && { label: "End this run", icon: icon("close"), act: () => end(watched) },
    { label: "Move to another experiment", icon: icon("experiments"), act: () => move(watched) },
    { label: run.archived ? "Restore" : "Archive", icon: icon("archive"), act: () => archive(watched) },
    { label: "Delete for good", icon: icon("trash"), danger: true, act: () => destroy(watched) },
  ].filter((one) => one !== false);
}

/** @param {Watched} watched */
async function end(watched) {
  const sure = await confirm("End this run?", "It is marked as interrupted. A run whose process is still there is ended by that process alone.", "End it");
  if (!sure) return;
  try {
    watched.take({ ...watched.run, ...(await post(`/api/w/runs/${watched.id}/end`, { status: "interrupted" })) });
  } catch (error) { complain(error); }
}

/** @param {Watched} watched */
async function move(watched) {
  const where = await ask("Move to another experiment", { label: "Experiment", value: watched.run.experiment, action: "Move" });
  if (!where || where === watched.run.experiment) return;
  try {
    await post("/api/move", { experiment: where, run_ids: [watched.id] });
    location.reload();
  } catch (error) { complain(error); }
}

/** @param {Watched} watched */
async function archive(watched) {
  const restore = Boolean(watched.run.archived);
  const act = async (/** @type {boolean} */ back) => {
    try {
      await post(back ? "/api/restore" : "/api/archive", { run_ids: [watched.id] });
      watched.take(await get(watched.api));
    } catch (error) { complain(error); }
  };
  await act(restore);
  toast(restore ? "Restored" : "Archived: lists no longer show it", { action: "Undo", act: () => act(!restore) });
}

/** @param {Watched} watched */
async function destroy(watched) {
  const about = { run_ids: [watched.id], cascade: true };
  try {
    const held = await post("/api/delete", { ...about, dry_run: true });
    const others = held.runs.length - 1;
    const parts = [others > 0 && counted(others, "child"), counted(held.points, "point"), `${counted(held.artifacts, "artifact")} (${size(held.bytes)})`];
    const why = held.skipped.length ? ` ${held.skipped[0].why}.` : "";
    const sure = await confirm("Delete this run for good?", `With it go ${parts.filter(Boolean).join(", ")}. Nothing brings them back; to hide a run, archive it.${why}`, "Delete for good", { danger: true });
    if (!sure) return;
    const done = await post("/api/delete", about);
    if (done.runs.includes(watched.id)) location.assign(url("/runs"));
    else toast(done.skipped[0]?.why ?? "It was not deleted", { failed: true });
  } catch (error) { complain(error); }
}
