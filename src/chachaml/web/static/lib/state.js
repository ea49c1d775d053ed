// What a page shows, in its address: back, reload and a shared link bring all of it again.

/**
 * @template {Record<string, any>} S
 */
export class UrlState {
  /**
   * @param {S} defaults What is not in the address. Their types say how to read it: texts, numbers, booleans, lists of texts, objects.
   */
  constructor(defaults) {
    this.defaults = defaults;
    /** @type {S} */
    this.now = this.read();
    /** @type {Set<(changed: Set<string>) => void>} */
    this.listeners = new Set();
    window.addEventListener("popstate", () => this.take(this.read()));
  }

  /** @returns {S} */
  read() {
    const query = new URLSearchParams(location.search);
    const found = /** @type {any} */ ({ ...this.defaults });
    for (const [name, usual] of Object.entries(this.defaults)) {
      const text = query.get(name);
      if (text === null) continue;
      try {
        found[name] = parse(text, usual);
      } catch {
        found[name] = usual; // an address that somebody mistyped still shows the page
      }
    }
    return found;
  }

  /**
   * Change some of it.
   * @param {Partial<S>} some
   * @param {{replace?: boolean}} [how] Whether "back" passes over this change.
   */
  set(some, how = {}) {
    const next = { ...this.now, ...some };
    const query = new URLSearchParams(location.search);
    for (const [name, usual] of Object.entries(this.defaults)) {
      const text = print(next[name]);
      if (text === print(usual)) query.delete(name);
      else query.set(name, text);
    }
    const address = `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`;
    if (address !== location.pathname + location.search + location.hash) {
      history[how.replace ? "replaceState" : "pushState"](null, "", address);
    }
    this.take(next);
  }

  /** @param {S} next */
  take(next) {
    const changed = new Set(Object.keys(this.defaults).filter((name) => print(next[name]) !== print(this.now[name])));
    this.now = next;
    if (changed.size) for (const act of this.listeners) act(changed);
  }

  /** Hear of changes: the names of what is another. @param {(changed: Set<string>) => void} act */
  onChange(act) {
    this.listeners.add(act);
  }
}

/** @param {string} text @param {any} usual */
function parse(text, usual) {
  if (typeof usual === "number") return Number.isFinite(Number(text)) ? Number(text) : usual;
  if (typeof usual === "boolean") return text === "1";
  if (Array.isArray(usual)) return text ? text.split(",").map(decodeURIComponent) : [];
  if (typeof usual === "object" && usual !== null) return JSON.parse(text);
  return text;
}

/** @param {any} value @returns {string} */
function print(value) {
  if (typeof value === "boolean") return value ? "1" : "0";
  if (Array.isArray(value)) return value.map((one) => encodeURIComponent(String(one)).replaceAll("%2F", "/")).join(",");
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value);
}
