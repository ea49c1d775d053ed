// Pipelines: the list, sorted; and one of them, which moves while it runs.

import { refresh, stayFresh } from "../lib/refresh.js";
import { sortTable } from "../lib/sorting.js";

const OFTEN = 2000;

sortTable();
stayFresh();
setInterval(() => {
  const steps = /** @type {HTMLElement | null} */ (document.querySelector("#steps"));
  if (steps?.dataset.status === "running" && !document.hidden) refresh(); // bars grow though nothing is written
}, OFTEN);
