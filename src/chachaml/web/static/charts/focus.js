// Which run the pointer is on, whether in a chart or in a table: both stand it out.

/** @type {Set<(run: string) => void>} */
const listeners = new Set();

export const focus = { run: "" };

/** Let a run stand out everywhere, or with "" none. @param {string} run Its id, or the name of a group of runs. */
export function setFocus(run) {
  if (focus.run === run) return;
  focus.run = run;
  for (const act of listeners) act(run);
}

/** Hear which run is to stand out. @param {(run: string) => void} act @returns {() => void} What stops it. */
export function onFocus(act) {
  listeners.add(act);
  return () => listeners.delete(act);
}
