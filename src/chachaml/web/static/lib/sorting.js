// Tables that are in the page as a whole: a click on a header sorts, another one turns the order around.

import { onFresh } from "./refresh.js";
import { UrlState } from "./state.js";

/** @param {Element | undefined} cell */
function valueOf(cell) {
  const text = /** @type {HTMLElement | undefined} */ (cell)?.dataset.sort ?? cell?.textContent?.trim() ?? "";
  const number = Number(text);
  return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
}

/** Numbers before texts, and what is missing last in either order. @param {any} one @param {any} other @param {number} turn */
function compare(one, other, turn) {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return turn * (typeof one === "number" ? one - other : one.localeCompare(other));
}

/** @param {HTMLTableElement} table */
function sortable(table) {
  const state = new UrlState({ sort: "" });
  const body = table.tBodies[0];
  const heads = /** @type {HTMLTableCellElement[]} */ ([...table.querySelectorAll("th[data-by]")]);
  const order = () => {
    const by = String(state.now.sort);
    const turn = by.startsWith("-") ? -1 : 1;
    const head = heads.find((one) => one.dataset.by === by.replace("-", ""));
    for (const one of heads) {
      if (one === head) one.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
      else one.removeAttribute("aria-sort");
    }
    if (!head) return;
    const rows = [...body.rows];
    const wanted = [...rows].sort((a, b) => compare(valueOf(a.cells[head.cellIndex]), valueOf(b.cells[head.cellIndex]), turn));
    if (wanted.some((row, at) => row !== rows[at])) body.append(...wanted);
  };
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const by = head.dataset.by ?? "";
      const usual = head.dataset.first === "most" ? `-${by}` : by;
      const now = String(state.now.sort);
      state.set({ sort: now === usual ? (usual === by ? `-${by}` : by) : usual }, { replace: true });
    });
  }
  state.onChange(order);
  onFresh(order);
}

/**
 * Let the page's table be sorted, also one that comes later. Headers with `data-by` take part; cells tell their value by
 * `data-sort`, or by their text. The order is in the page's address.
 */
export function sortTable() {
  const known = new WeakSet();
  onFresh(() => {
    const table = document.querySelector("table");
    if (!table || known.has(table)) return;
    known.add(table);
    sortable(table);
  });
}
