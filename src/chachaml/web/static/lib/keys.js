// Keys: pages say what theirs do, and "?" lists them.

/** @typedef {{keys: string, says: string, act: (event: KeyboardEvent) => void}} Key */

/** @type {Key[]} */
const known = [];

/**
 * Let a key do something while nothing is being typed.
 * @param {string} keys As KeyboardEvent has it; several between spaces do the same: "j ArrowDown".
 * @param {string} says What it does, in the help; "" leaves it out.
 * @param {(event: KeyboardEvent) => void} act
 */
export function key(keys, says, act) {
  known.push({ keys, says, act });
}

/** Return all keys that say what they do. */
export function allKeys() {
  return known.filter((one) => one.says);
}

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog, .floating")) return;
  const found = known.find((one) => one.keys.split(" ").includes(event.key));
  if (!found) return;
  event.preventDefault();
  found.act(event);
});
