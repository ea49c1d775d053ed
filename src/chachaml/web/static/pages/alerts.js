// Alerts: set, switched, muted, tried and deleted.

import { post, remove } from "../lib/api.js";
import { given, h, icon } from "../lib/dom.js";
import { counted } from "../lib/format.js";
import { menu } from "../lib/menu.js";
import { refresh, stayFresh } from "../lib/refresh.js";
import { ruleForm } from "../lib/rule_form.js";
import { complain, confirm, dialog, toast } from "../lib/told.js";

const MUTES = [["1 hour", 60], ["8 hours", 480], ["1 day", 1440], ["1 week", 10_080]];

/** @param {string} name @param {string} [verb] */
const at = (name, verb = "") => `/api/alerts/${encodeURIComponent(name)}${verb && `/${verb}`}`;

/** @param {() => Promise<any>} act @param {string | ((found: any) => string)} said */
async function done(act, said) {
  try {
    const found = await act();
    toast(typeof said === "string" ? said : said(found));
    await refresh();
  } catch (error) { complain(error); }
}

/** @param {any} now */
async function edit(now) {
  const wanted = await ruleForm(now);
  if (wanted) await done(() => post("/api/alerts", wanted), `Alert ${wanted.name} is set`);
}

/** Tell an alert's targets that this is a test, and show how it went. @param {string} name */
async function tryOut(name) {
  try {
    const ways = await post(at(name, "try"));
    await dialog(`Test of ${name}`, (close) => [
      h("ul", {}, ways.map((/** @type {any} */ way) => h("li", {}, h("code", {}, way.target), ": ", h("span.way", { class: way.status }, way.status), way.outcome && ` (${way.outcome})`))),
      h("div.actions", {}, h("button", { type: "button", onclick: () => close() }, "Close")),
    ]);
  } catch (error) { complain(error); }
}

/** @param {string} name */
async function forget(name) {
  const sure = await confirm(`Delete ${name}?`, "It waits for nothing any more. What it told stays in the history.", "Delete", { danger: true });
  if (sure) await done(() => remove(at(name)), `Deleted ${name}`);
}

/** @type {Record<string, (button: HTMLElement, about: DOMStringMap) => void>} */
const ACTS = {
  switch: (_, { name = "", state }) => done(() => post(at(name, "switch"), { state }), `${name} is ${state}`),
  mute: (button, { name = "", muted }) => menu(button, [
    ...MUTES.map(([label, minutes]) => ({ label: `Mute for ${label}`, act: () => done(() => post(at(name, "mute"), { minutes }), `${name} is muted for ${label}`) })),
    ...muted ? [null, { label: "End the mute", act: () => done(() => post(at(name, "mute"), { minutes: 0 }), `${name} is heard again`) }] : [],
  ]),
  edit: (_, { name }) => edit(given("alerts").find((/** @type {any} */ one) => one.name === name)),
  more: (button, { name = "", tells }) => menu(button, [
    ...tells ? [{ label: "Test the delivery", icon: icon("play"), act: () => tryOut(name) }] : [],
    { label: "Delete…", icon: icon("trash"), danger: true, act: () => forget(name) },
  ]),
};

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-act]");
  if (button instanceof HTMLElement) ACTS[button.dataset.act ?? ""]?.(button, button.dataset);
});
document.querySelector("#create")?.addEventListener("click", () => edit(null));
document.querySelector("#check")?.addEventListener("click", () => done(
  () => post("/api/alerts/check"), (found) => `Checked ${counted(found.checked, "alert")}, ${found.fired.length} fired`));
stayFresh();
