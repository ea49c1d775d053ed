// What every page has: the palette, the theme, help on keys, the state of the line, times that stay true, ids to copy.

import { h, the } from "./lib/dom.js";
import { ago, moment } from "./lib/format.js";
import { allKeys, key } from "./lib/keys.js";
import { onState } from "./lib/live.js";
import { command, openPalette } from "./lib/palette.js";
import { dialog, toast } from "./lib/told.js";

const THEMES = ["", "light", "dark"];

/** Choose how the pages look: "" follows the system. @param {string} theme */
export function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  if (theme) localStorage.setItem("chachaml-theme", theme);
  else localStorage.removeItem("chachaml-theme");
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  setTheme(next);
  toast(next ? `Theme: ${next}` : "Theme: as the system");
}

/** @param {string} keys */
function shownKeys(keys) {
  const names = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", " ": "Space" };
  return keys.split(" ").map((one) => h("kbd", {}, /** @type {any} */ (names)[one] ?? one)).flatMap((one) => [one, " "]);
}

function help() {
  dialog("Keys", () => [h("dl.keys", {},
    h("dt", {}, h("kbd", {}, "Ctrl K")), h("dd", {}, "Go to a run, experiment, model or page, or do something"),
    allKeys().flatMap((one) => [h("dt", {}, shownKeys(one.keys)), h("dd", {}, one.says)]))]);
}

function keepTimesTrue() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = /** @type {HTMLTimeElement} */ (time).dateTime;
    const text = ago(at);
    if (time.textContent !== text) time.textContent = text;
    if (!(/** @type {HTMLElement} */ (time).title.includes(" "))) /** @type {HTMLElement} */ (time).title = moment(at);
  }
}

the("#theme").addEventListener("click", nextTheme);
the("#open-palette").addEventListener("click", openPalette);
the("#open-help").addEventListener("click", help);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); }
});
document.addEventListener("click", (event) => {
  const copied = /** @type {HTMLElement} */ (event.target).closest("[data-copy]");
  if (!(copied instanceof HTMLElement)) return;
  navigator.clipboard?.writeText(copied.dataset.copy ?? "").then(() => toast("Copied"), () => toast("This browser does not let pages copy here", { failed: true }));
});
key("?", "This help", help);
command("Change the theme", "theme", nextTheme);
command("Show the keys", "help", help);

const live = the("#live");
const STATES = { connecting: "connecting", live: "live", "catching-up": "catching up", offline: "offline" };
onState((state) => {
  live.dataset.state = state;
  live.querySelector("span").textContent = /** @type {any} */ (STATES)[state];
  live.title = state === "offline" ? "The server does not answer. What is shown stays, and this page goes on by itself." : "";
});
keepTimesTrue();
setInterval(keepTimesTrue, 10_000);
