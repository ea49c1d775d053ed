// What this browser keeps of the chat: the conversation, and a key for as long as it may.

const TALK = "chachaml-chat";
const KEY = "chachaml-chat-key-";
const MOST = 60;
const LONGEST = 20_000;

/** Return the conversation. @returns {any[]} */
export function remembered() {
  try {
    const found = JSON.parse(localStorage.getItem(TALK) ?? "[]");
    return Array.isArray(found) ? found.filter((turn) => typeof turn?.text === "string") : [];
  } catch {
    return [];
  }
}

/** Keep the conversation, the newest of it if it is long. @param {any[]} turns */
export function remember(turns) {
  const short = (/** @type {any} */ call) => ({ ...call, result: call.result?.slice(0, LONGEST) });
  let kept = turns.slice(-MOST).map((turn) => (turn.calls ? { ...turn, calls: turn.calls.map(short) } : turn));
  while (kept.length) {
    try {
      localStorage.setItem(TALK, JSON.stringify(kept));
      return;
    } catch {
      kept = kept.slice(Math.ceil(kept.length / 2)); // the browser's place for it is full
    }
  }
  localStorage.removeItem(TALK);
}

/** Return a provider's key, and whether it is kept for longer than the tab. @param {string} provider @returns {[string, boolean]} */
export function keyOf(provider) {
  const kept = localStorage.getItem(KEY + provider);
  return [kept ?? sessionStorage.getItem(KEY + provider) ?? "", kept !== null];
}

/** @param {string} provider @param {string} key @param {boolean} longer Whether to keep it for longer than the tab. */
export function rememberKey(provider, key, longer) {
  localStorage.removeItem(KEY + provider);
  sessionStorage.removeItem(KEY + provider);
  if (key) (longer ? localStorage : sessionStorage).setItem(KEY + provider, key);
}
