// The models: sorted, and kept as they are now.

import { stayFresh } from "../lib/refresh.js";
import { sortable } from "../lib/sorting.js";

const table = document.querySelector("table");
if (table) sortable(table);
stayFresh();
