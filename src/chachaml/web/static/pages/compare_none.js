// Choosing runs to compare: those that are ticked go into the address.

import { url } from "../lib/api.js";
import { toast } from "../lib/told.js";

document.querySelector("#choose")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const ticked = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("#choose input:checked")]).map((one) => one.value);
  if (ticked.length < 2) toast("Tick two runs at least");
  else location.assign(url("/compare", { ids: ticked.join(",") }));
});
