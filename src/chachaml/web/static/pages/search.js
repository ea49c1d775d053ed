// Search: the box is a key away; the rest is the server's.

import { the } from "../lib/dom.js";
import { key } from "../lib/keys.js";
import { paintDots } from "../lib/refresh.js";

key("/", "Search", () => { the("#q").focus(); the("#q").select(); });
paintDots();
