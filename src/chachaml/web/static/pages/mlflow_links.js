// Links that MLflow's clients print, such as /#/experiments/1/runs/ID: what follows the # no server is sent.

import { url } from "../lib/api.js";

const PART = "([^/?#]+)";

/** What they look like, and where that is here. @type {[RegExp, string][]} */
const PLACES = [
  [new RegExp(`^#/experiments/${PART}/runs/${PART}`), "/runs/$2"],
  [new RegExp(`^#/experiments/${PART}`), "/experiments/$1"],
  [new RegExp(`^#/models/${PART}/versions/${PART}`), "/models/$1/versions/$2"],
  [new RegExp(`^#/models/${PART}`), "/models/$1"],
];

for (const [form, place] of PLACES) {
  const found = location.hash.match(form);
  if (found) {
    location.replace(url(found[0].replace(form, place)));
    break;
  }
}
