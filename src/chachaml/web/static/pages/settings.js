// Settings: how this browser shows pages; and for admins of a team, accounts and tokens.

import { setTheme } from "../frame.js";
import { get, post, remove, url } from "../lib/api.js";
import { fill, h, icon, the } from "../lib/dom.js";
import { count, size } from "../lib/format.js";
import { refresh } from "../lib/refresh.js";
import { complain, confirm, dialog, toast } from "../lib/told.js";

const root = document.documentElement.dataset;

/** @param {string} density "" is compact. */
function setDensity(density) {
  if (density) localStorage.setItem("chachaml-density", density);
  else localStorage.removeItem("chachaml-density");
  if (density) root.density = density;
  else delete root.density;
}

/** @param {string} place @param {string} now @param {(value: string) => void} choose */
function choice(place, now, choose) {
  const group = the(place);
  for (const input of group.querySelectorAll("input")) input.checked = input.value === now;
  group.addEventListener("change", (/** @type {Event} */ event) => choose(/** @type {HTMLInputElement} */ (event.target).value));
}

/** @param {() => Promise<any>} act @param {string} said */
async function done(act, said) {
  try {
    await act();
    toast(said);
    await refresh();
  } catch (error) { complain(error); }
}

/** @param {string[]} roles @param {string} now @param {string} label */
function roleChoice(roles, now, label) {
  const made = h("select", { "aria-label": label }, roles.map((role) => h("option", { value: role }, role || "none")));
  made.value = now;
  return made;
}

/** @param {Record<string, string>} now */
function grantsOf(now) {
  const rows = h("div.grants");
  const add = (experiment = "", role = "writer") => {
    const name = h("input", { value: experiment, placeholder: "experiment", "aria-label": "Experiment", data: { part: "experiment" } });
    const own = roleChoice(["reader", "writer", "admin"], role, "Role in it");
    const row = h("div.row", {}, name, own, h("button.quiet.square", { type: "button", "aria-label": "Take away", onclick: () => row.remove() }, icon("close")));
    rows.append(row);
  };
  for (const [experiment, role] of Object.entries(now)) add(experiment, role);
  const read = () => Object.fromEntries([...rows.children].map((row) => [row.querySelector("input")?.value.trim(), row.querySelector("select")?.value]).filter(([name]) => name));
  return { elements: [rows, h("button", { type: "button", onclick: () => add() }, icon("plus"), "Experiment")], read };
}

/** @param {any} now null for a new one. */
async function account(now) {
  const given = await dialog(now ? `Edit ${now.name}` : "New account", (close) => {
    const name = h("input", { value: now?.name ?? "", required: true, disabled: Boolean(now), placeholder: "ada" });
    const kind = roleChoice(["user", "service"], now?.kind ?? "user", "Kind");
    const role = roleChoice(["", "reader", "writer", "admin"], now?.role ?? "writer", "Role in all experiments");
    const active = h("input", { type: "checkbox", checked: now?.active ?? true });
    const grants = grantsOf(now?.grants ?? {});
    return [h("form", {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        close({ name: name.value.trim(), kind: kind.value, role: role.value, active: active.checked, grants: grants.read() });
      },
    },
    h("label.field", {}, "Name", name), h("label.field", {}, "Kind", kind), h("label.field", {}, "Role in all experiments", role),
    h("p.muted", {}, "In single experiments, where it is to be more:"), grants.elements,
    h("p", {}, h("label", {}, active, " Active: its tokens are good")),
    h("div.actions", {}, h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button.primary", {}, "Save")))];
  });
  if (given) await done(() => post("/api/accounts", given), `Account ${given.name} is set`);
}

/** @param {string} name */
async function token(name) {
  const given = await dialog(`A token of ${name}`, (close) => {
    const label = h("input", { placeholder: "the notebook server", autofocus: true });
    const role = roleChoice(["", "reader", "writer", "admin"], "", "At most");
    const first = /** @type {HTMLOptionElement} */ (role.options[0]);
    fill(first, "all that the account may");
    const days = h("input", { type: "number", min: 1, max: 3650, value: 90, required: true });
    return [h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); close({ account: name, label: label.value, role: role.value, days: days.valueAsNumber }); } },
      h("label.field", {}, "For what", label), h("label.field", {}, "At most", role), h("label.field", {}, "Good for days", days),
      h("div.actions", {}, h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button.primary", {}, "Make it")))];
  });
  if (!given) return;
  try {
    const made = await post("/api/tokens", given);
    await dialog("The token", (close) => [
      h("p", {}, "It is shown this once, and kept nowhere: copy it now. ", h("code", {}, "CHACHAML_TOKEN"), " takes it, and the page where one signs in."),
      h("p.once", {}, made.token),
      h("div.actions", {}, h("button", { type: "button", data: { copy: made.token } }, icon("copy"), "Copy"), h("button.primary", { type: "button", onclick: () => close() }, "I have it")),
    ]);
    await refresh();
  } catch (error) { complain(error); }
}

/** @param {string} id @param {string} name */
async function revoke(id, name) {
  if (await confirm(`Revoke a token of ${name}?`, "Whoever uses it is signed out at once, for ever.", "Revoke", { danger: true })) {
    await done(() => remove(`/api/tokens/${id}`), "Revoked");
  }
}

/** @type {Record<string, (about: DOMStringMap) => void>} */
const ACTS = {
  account: ({ account: now }) => account(now ? JSON.parse(now) : null),
  token: ({ name = "" }) => token(name),
  revoke: ({ id = "", name = "" }) => revoke(id, name),
};

const MOST_USERS = 20;

/** @param {string} title @param {any[]} used @param {any} total */
function usedTable(title, used, total) {
  const head = [title, "Runs", "Points", "Size", "Artifacts", "Size", "Printed", "Together"];
  const row = (/** @type {any} */ one, /** @type {string} */ name) => h("tr", {}, h("td.name.cut", { title: name }, name), [
    count(one.runs), count(one.points), size(one.point_bytes), count(one.artifacts), size(one.artifact_bytes), size(one.console_bytes), size(one.bytes),
  ].map((text) => h("td.num", {}, text)));
  const shown = used.slice(0, MOST_USERS);
  const rest = used.length - shown.length;
  return h("div.scroll", { tabindex: 0, role: "group", "aria-label": `Usage by ${title.toLowerCase()}` }, h("table.grid", { "aria-label": `Usage by ${title.toLowerCase()}` },
    h("thead", {}, h("tr", {}, head.map((text, place) => h(place ? "th.num" : "th", { scope: "col" }, text)))),
    h("tbody", {}, shown.map((one) => row(one, one.name || "nobody"))),
    rest ? h("tbody", {}, h("tr", {}, h("td.muted", { colspan: head.length }, `and ${count(rest)} more`))) : null,
    h("tfoot", {}, row(total, "all"))));
}

async function showUsage() {
  try {
    const usage = await get("/api/usage");
    fill(the("#used"), usedTable("User", usage.users, usage.total), usedTable("Experiment", usage.experiments, usage.total));
    fill(the("#counting"), "Points as the store packs them; artifacts wherever they were logged, though equal ones are kept once. As JSON: ", h("a", { href: url("/api/usage") }, "usage"), ".");
  } catch (error) { complain(error); }
}

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-act]");
  if (button instanceof HTMLElement) ACTS[button.dataset.act ?? ""]?.(button.dataset);
});
showUsage();
choice("#themes", root.theme ?? "", setTheme);
choice("#densities", root.density ?? "", setDensity);
