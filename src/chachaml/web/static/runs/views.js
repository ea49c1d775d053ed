// Saved views: names for what the address of the runs page holds, kept in the store for everybody.

import { get, post, remove } from "../lib/api.js";

/** @typedef {{name: string, experiment: string, state: string, by: string}} View */

/** Return the views of an experiment, and those of all. @param {string} experiment @returns {Promise<View[]>} */
export async function views(experiment) {
  const found = await get("/api/views");
  return found.filter((one) => !one.experiment || one.experiment === experiment);
}

/** Keep a view. @param {string} name @param {string} experiment @param {string} state The query string of the page. */
export async function saveView(name, experiment, state) {
  await post("/api/views", { name, experiment, state });
}

/** @param {View} view */
export async function deleteView(view) {
  await remove(`/api/views/${encodeURIComponent(view.name)}`, { experiment: view.experiment });
}
