// Pipelines: the list, sorted; and one of them, which moves while it runs.

import { refresh, stayFresh } from "../lib/refresh.js";
import { sortable } from "../lib/sorting.js";

const OFTEN = 2000;

const table = document.querySelector("table");
if (table) sortable(table);
stayFresh();
setInterval(() => {
  const steps = /** @type {HTMLElement | null} */ (document.querySelector("#steps"));
  if (steps?.dataset.status === "running" && !document.hidden) refresh(); // bars grow though nothing is written
}, OFTEN);
