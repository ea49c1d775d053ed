// The experiments: sorted, kept as they are now, described.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { refresh, stayFresh } from "../lib/refresh.js";
import { sortTable } from "../lib/sorting.js";
import { complain, dialog, toast } from "../lib/told.js";

/** @param {{name?: string, description?: string, owner?: string}} now */
async function describe(now) {
  const given = await dialog(now.name ? `Describe ${now.name}` : "Create an experiment", (close) => {
    const name = h("input", { value: now.name ?? "", required: true, disabled: Boolean(now.name), autofocus: !now.name });
    const description = h("textarea", { rows: 5, autofocus: Boolean(now.name) }, now.description ?? "");
    const owner = h("input", { value: now.owner ?? "" });
    return [h("form", {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        close({ name: name.value.trim(), description: description.value, owner: owner.value.trim() });
      },
    },
    h("label.field", {}, "Name", name),
    h("label.field", {}, "Description, in Markdown", description),
    h("label.field", {}, "Owner", owner),
    h("div.actions", {},
      h("button", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.primary", {}, now.name ? "Save" : "Create")))];
  });
  if (!given?.name) return;
  try {
    await post("/api/experiments", given);
    toast(now.name ? "Saved" : `Created ${given.name}`);
    await refresh();
  } catch (error) { complain(error); }
}

document.querySelector("#create")?.addEventListener("click", () => describe({}));
document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-edit]");
  if (!(button instanceof HTMLElement)) return;
  const { edit, description, owner } = button.dataset;
  describe({ name: edit, description, owner });
});
sortTable();
stayFresh();
