// The models: sorted, and kept as they are now.

import { stayFresh } from "../lib/refresh.js";
import { sortTable } from "../lib/sorting.js";

sortTable();
stayFresh();
