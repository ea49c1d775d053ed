// One model: versions promoted and put back, aliases, a note edited in place, two versions compared.

import { post, remove, url } from "../lib/api.js";
import { h, icon, the } from "../lib/dom.js";
import { menu } from "../lib/menu.js";
import { setFormulas } from "../lib/prose.js";
import { onFresh, refresh, stayFresh } from "../lib/refresh.js";
import { ask, complain, confirm, dialog, toast } from "../lib/told.js";

const page = the("#model");
const model = page.dataset.model ?? "";
const own = `/api/models/${encodeURIComponent(model)}`;
const STAGES = ["production", "staging", "archived", "none"];

/** Do something, say so, and show what came of it. @param {() => Promise<any>} act @param {string} said @param {() => void} [undo] */
async function done(act, said, undo) {
  try {
    await act();
    toast(said, undo ? { action: "Undo", act: undo } : {});
    await refresh();
  } catch (error) { complain(error); }
}

/** @param {string} version @param {string} stage @param {string} comment @param {() => void} [undo] */
const move = (version, stage, comment, undo) => done(
  () => post(`${own}/promote`, { version: Number(version), stage, comment }), `Version ${version} is in ${stage}`, undo);

/** Ask where to and why, saying what it replaces. @param {string} version @param {string} from */
async function promote(version, from) {
  const replaced = () => page.dataset.production ?? "";
  const given = await dialog(`Move version ${version} of ${model}`, (close) => {
    const stage = h("select", {}, STAGES.filter((one) => one !== from).map((one) => h("option", { value: one }, one)));
    const comment = h("input", { placeholder: "better by a point on the held-out month", autofocus: true });
    const says = h("p.muted");
    const say = () => {
      const other = replaced();
      says.textContent = stage.value !== "production" ? `It is ${from === "none" ? "in no stage" : `in ${from}`} now.`
        : other ? `It replaces version ${other}, which is archived.` : "Nothing is in production now.";
    };
    stage.addEventListener("change", say);
    say();
    return [h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); close({ stage: stage.value, comment: comment.value }); } },
      h("label.field", {}, "To", stage), says,
      h("label.field", {}, "Why, for the history", comment),
      h("div.actions", {},
        h("button", { type: "button", onclick: () => close() }, "Cancel"),
        h("button.primary", {}, "Move")))];
  });
  if (!given) return;
  const before = replaced();
  const undo = given.stage === "production" && before
    ? () => move(before, "production", `undone: version ${version} had been promoted`)
    : () => move(version, from, "undone");
  await move(version, given.stage, given.comment, undo);
}

/** @param {string} version */
async function back(version) {
  const now = page.dataset.production;
  const comment = await ask(`Go back to version ${version}`, { label: `Why? Version ${now} is archived.`, action: "Go back", placeholder: "it fails on empty input" });
  if (comment === undefined) return;
  await done(() => post(`${own}/roll-back`, { comment }), `Version ${version} is in production again`,
    () => move(now ?? "", "production", "undone: gone back by mistake"));
}

/** @param {string} version */
async function alias(version) {
  const name = await ask(`An alias for version ${version}`, { label: "Alias; another version that has it loses it", action: "Set", placeholder: "champion" });
  if (name) await done(() => post(`${own}/aliases`, { alias: name.trim(), version: Number(version) }), `${name} means version ${version}`);
}

/** @param {HTMLElement} button @param {string} version @param {string} stage */
function more(button, version, stage) {
  menu(button, [
    { label: "Move to another stage…", act: () => promote(version, stage) },
    { label: "Set an alias…", icon: icon("tag"), act: () => alias(version) },
    { label: "Where it comes from", icon: icon("link"), act: () => location.assign(url(`/models/${encodeURIComponent(model)}/versions/${version}`)) },
    null,
    {
      label: "Delete this version…", icon: icon("trash"), danger: true, act: async () => {
        const text = `Version ${version} is forgotten for ever. The artifact stays with its run.`;
        if (await confirm(`Delete version ${version}?`, text, "Delete", { danger: true })) {
          await done(() => remove(`${own}/versions/${version}`), `Deleted version ${version}`);
        }
      },
    },
  ]);
}

/** @param {string} now */
async function describe(now) {
  const description = await ask(`What ${model} is`, { label: "In a sentence", value: now, action: "Save" });
  if (description !== undefined) await done(() => post(`/api/model-note/${encodeURIComponent(model)}`, { description }), "Saved");
}

function editNote() {
  const source = the("#source");
  const prose = the("#prose");
  if (!source.hidden) return;
  source.value = JSON.parse(the("#note-now").textContent);
  const close = () => { source.hidden = true; prose.hidden = false; buttons.remove(); };
  const save = async () => {
    await done(() => post(`/api/model-note/${encodeURIComponent(model)}`, { note: source.value }), "Saved");
    close();
  };
  const buttons = h("p.under", { data: { key: "editing" } },
    h("button.primary", { type: "button", onclick: save }, "Save"), " ", h("button", { type: "button", onclick: close }, "Cancel"));
  source.hidden = false;
  prose.hidden = true;
  source.after(buttons);
  source.focus();
  source.onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
  };
}

/** @type {Record<string, (button: HTMLElement, about: DOMStringMap) => void>} */
const ACTS = {
  promote: (_, about) => promote(about.version ?? "", about.stage ?? "none"),
  back: (_, about) => back(about.version ?? ""),
  more: (button, about) => more(button, about.version ?? "", about.stage ?? "none"),
  unalias: (_, about) => done(() => remove(`${own}/aliases/${encodeURIComponent(about.alias ?? "")}`), `Took ${about.alias} away`,
    () => done(() => post(`${own}/aliases`, { alias: about.alias, version: Number(about.version) }), `${about.alias} means version ${about.version}`)),
  describe: (_, about) => describe(about.text ?? ""),
  note: editNote,
};

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-act]");
  if (button instanceof HTMLElement) ACTS[button.dataset.act ?? ""]?.(button, button.dataset);
});

const picked = () => /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("[data-pick]:checked")]).map((one) => one.dataset.pick);
const difference = the("#diff");
const count = () => { difference.disabled = picked().length !== 2; };
document.addEventListener("change", count);
difference.addEventListener("click", () => {
  const [v1, v2] = picked().map(Number).sort((a, b) => a - b);
  location.assign(url(`/models/${encodeURIComponent(model)}/diff`, { v1, v2 }));
});
onFresh(count);
onFresh(async () => {
  await setFormulas(the("#prose"));
  for (const one of document.querySelectorAll("code.math.set")) one.setAttribute("data-keep", one.getAttribute("aria-label") ?? "");
});
stayFresh(() => the("#source").hidden);
