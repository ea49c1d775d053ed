// A run: its header, which every tab has, and the tab that is open.

import { given } from "../lib/dom.js";
import { complain } from "../lib/told.js";
import { header } from "./run/header.js";
import { Watched } from "./run/watched.js";

const { run, tab } = given("data");
const watched = new Watched(run);
header(watched);
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

const TABS = {
  "": () => import("./run/overview.js"),
  charts: () => import("./run/charts.js"),
  system: () => import("./run/charts.js"),
  code: () => import("./run/code.js"),
  artifacts: () => import("./run/artifacts.js"),
  console: () => import("./run/console.js"),
};

const load = /** @type {any} */ (TABS)[tab];
if (load) load().then((/** @type {any} */ module) => module.show(watched, tab)).catch(complain);
