// How values look: numbers with four digits, times as "3 min ago", durations as "1h 12m". The same everywhere.

/** Return a number in short. @param {unknown} value A number, or "NaN", "Infinity", "-Infinity" as JSON has them. @param {number} [digits] */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "";
  const n = typeof value === "string" ? Number(value) : /** @type {number} */ (value);
  if (Number.isNaN(n)) return "NaN";
  if (!Number.isFinite(n)) return n > 0 ? "∞" : "-∞";
  if (n === 0) return "0";
  const size = Math.abs(n);
  if (Number.isInteger(n) && size < 1e7) return String(n);
  if (size >= 1e7 || size < 1e-4) return n.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  const text = n.toPrecision(digits);
  return text.includes("e") ? String(Number(text)) : text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Return a number in full. @param {unknown} value */
export function whole(value) {
  return value === null || value === undefined ? "" : String(typeof value === "number" ? value : value);
}

/** Tell whether a metric's value is none that can be compared. @param {unknown} value */
export function isOdd(value) {
  return value !== null && value !== undefined && !Number.isFinite(Number(value));
}

/** Return a number with separators. @param {number} n */
export function count(n) {
  return n.toLocaleString("en-US");
}

/** Return for example "3 runs". @param {number} n @param {string} noun */
export function counted(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** Return seconds as people say them. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const s = Math.max(seconds, 0);
  if (s < 1) return `${Math.round(s * 1000)}ms`;
  if (s < 60) return `${s.toFixed(1)}s`;
  const all = Math.round(s);
  if (all < 3600) return `${Math.floor(all / 60)}m ${all % 60}s`;
  const minutes = Math.floor(all / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
  return `${Math.floor(minutes / 1440)}d ${Math.floor(minutes / 60) % 24}h`;
}

/** Return how long ago a time was. @param {string | number | Date | null | undefined} time @param {number} [now] */
export function ago(time, now = Date.now()) {
  if (!time) return "";
  const then = new Date(time);
  const s = (now - then.getTime()) / 1000;
  if (s < 5) return "just now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 7 * 86400) return `${Math.floor(s / 86400)} d ago`;
  return then.toLocaleDateString("en-CA");
}

/** Return a time in full, in the reader's zone. @param {string | number | Date | null | undefined} time */
export function moment(time) {
  return time ? new Date(time).toLocaleString("sv-SE", { timeZoneName: "short" }) : "";
}

/** Return a size of bytes. @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4);
  return `${(bytes / 1024 ** power).toFixed(power === 1 ? 1 : 2)} ${["KiB", "MiB", "GiB", "TiB"][power - 1]}`;
}

/** Return a text of at most so many characters, cut in its middle. @param {string} text @param {number} most */
export function middle(text, most) {
  if (text.length <= most) return text;
  const half = (most - 1) / 2;
  return `${text.slice(0, Math.ceil(half))}…${text.slice(text.length - Math.floor(half))}`;
}

/** Return the short form of a run's id. @param {string} id */
export function short(id) {
  return id.slice(-8);
}

/** Return a param or other JSON value as one line. @param {unknown} value */
export function value(value) {
  if (value === null || value === undefined) return value === null ? "None" : "";
  if (typeof value === "number") return number(value, 6);
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? value : JSON.stringify(value);
}
