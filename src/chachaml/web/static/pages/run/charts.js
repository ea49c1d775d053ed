// The curves of a run: what it logged, or what was measured of its machine.

import { WORKSPACE_STATE, Workspace } from "../../charts/workspace.js";
import { UrlState } from "../../lib/state.js";
import { SYSTEM } from "./watched.js";

/** @typedef {import("./watched.js").Watched} Watched */

/** Show the tab. @param {Watched} watched @param {string} tab */
export function show(watched, tab) {
  const host = /** @type {HTMLElement | null} */ (document.querySelector("#charts"));
  if (!host) return;
  const isSystem = tab === "system";
  const workspace = new Workspace(host, { state: new UrlState(WORKSPACE_STATE), shows: (key) => key.startsWith(SYSTEM) === isSystem });
  const draw = () => workspace.setRuns([watched.run]);
  draw();
  watched.onNews((run, before) => { if (run.name !== before.name) draw(); });
}
