// The note: shown as the server rendered it, written beside a preview.

import { get, post } from "../../lib/api.js";
import { afterSilence, fill, h, the } from "../../lib/dom.js";
import { key } from "../../lib/keys.js";
import { setFormulas, showMarkdown } from "../../lib/prose.js";
import { complain, confirm, toast } from "../../lib/told.js";

/** @typedef {import("./watched.js").Watched} Watched */

const noteOf = (/** @type {any} */ run) => run.tags.note ?? "";

/** Bring the note to life. @param {Watched} watched */
export function note(watched) {
  const place = the("#note");
  const show = async () => {
    the("#no-note").hidden = Boolean(noteOf(watched.run));
    await showMarkdown(place, noteOf(watched.run)).catch(complain);
  };
  setFormulas(place).catch(complain);
  watched.onNews((run, before) => { if (noteOf(run) !== noteOf(before)) show(); });
  const edit = () => editor(watched, place);
  the("#edit-note").addEventListener("click", edit);
  key("e", "Edit the note", edit);
}

/** @param {Watched} watched @param {HTMLElement} place */
function editor(watched, place) {
  if (document.querySelector(".note-edit")) return;
  const began = noteOf(watched.run);
  const text = h("textarea", { rows: 12, "aria-label": "Note, in Markdown", value: began, placeholder: "What was tried, and what came of it. **Markdown**, and formulas: $\\hat y = Wx$" });
  const preview = h("div.prose", { "aria-label": "Preview" });
  const state = h("span.faint", {});
  let asking = new AbortController();
  const look = () => {
    asking.abort();
    asking = new AbortController();
    showMarkdown(preview, text.value, asking.signal).catch(complain);
  };
  const close = () => {
    asking.abort();
    form.remove();
    place.hidden = false;
    the("#no-note").hidden = Boolean(noteOf(watched.run));
    the("#edit-note").focus();
  };
  const cancel = async () => {
    if (text.value === began || await confirm("Leave the note as it was?", "What was written here is lost.", "Leave it")) close();
  };
  const save = async () => {
    try {
      if (!await mayReplace(watched, began)) return;
      const saved = await post(`/api/note/${watched.id}`, { note: text.value });
      watched.take({ ...watched.run, tags: { ...watched.run.tags, note: saved.note } });
      close();
      toast("Saved");
    } catch (error) { complain(error); }
  };
  const form = h("form.note-edit", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); save(); } },
    text, preview,
    h("div.actions", {}, h("button.primary", {}, "Save"), h("button", { type: "button", onclick: cancel }, "Cancel"), state));
  fill(state, h("kbd", {}, "Ctrl Enter"), " saves");
  text.addEventListener("input", afterSilence(look, 250));
  text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); save(); }
    if (event.key === "Escape") { event.stopPropagation(); cancel(); }
  });
  place.hidden = true;
  the("#no-note").hidden = true;
  place.after(form);
  text.focus();
  look();
}

/** Ask whether to write over what somebody else wrote meanwhile. @param {Watched} watched @param {string} began */
async function mayReplace(watched, began) {
  const now = noteOf(await get(watched.api));
  return now === began || confirm("The note has changed meanwhile", "Somebody else saved another text since this one was opened.", "Replace it", { danger: true });
}
