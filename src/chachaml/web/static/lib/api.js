// Asking the server. Every error is told as it was answered: what is wrong, and what to do.

const root = document.documentElement.dataset;

/** Return an address of this server, behind whatever prefix it is. @param {string} path Begins with a slash. @param {Record<string, any>} [query] */
export function url(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `${root.prefix ?? ""}${path}${text ? `?${text}` : ""}`;
}

/** Return where the page of a run is. @param {string} id @param {string} [tab] */
export function runUrl(id, tab = "") {
  return url(`/runs/${id}${tab ? `/${tab}` : ""}`);
}

export class ApiError extends Error {
  /** @param {number} status @param {{code?: string, message?: string, hint?: string, at?: number, why?: string}} about */
  constructor(status, about) {
    super(about.message || `the server answered ${status}`);
    this.status = status;
    this.code = about.code ?? "";
    this.hint = about.hint ?? "";
    this.at = about.at;
    this.why = about.why ?? this.message;
  }

  /** The message and the hint in one line. */
  get whole() {
    return this.hint ? `${this.message} (${this.hint})` : this.message;
  }
}

/** @param {string} method @param {string} address @param {any} body @param {AbortSignal} [signal] */
async function send(method, address, body, signal) {
  /** @type {RequestInit} */
  const options = { method, signal, credentials: "same-origin" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: "offline", message: "the server does not answer", hint: "is it still running?" });
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

/** @param {Response} answer */
async function problem(answer) {
  try {
    return new ApiError(answer.status, (await answer.json()).error ?? {});
  } catch {
    return new ApiError(answer.status, {});
  }
}

/** Ask for JSON. @param {string} path @param {Record<string, any>} [query] @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function get(path, query, signal) {
  return (await send("GET", url(path, query), undefined, signal)).json();
}

/** Ask something to be done. @param {string} path @param {any} [body] @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function post(path, body = {}, signal) {
  return (await send("POST", url(path), body, signal)).json();
}

/** Ask something to be done although the page may be left. @param {string} path @param {any} body */
export async function postAtLast(path, body) {
  const options = { method: "POST", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(url(path), options);
  if (!answer.ok) throw await problem(answer);
}

/** @param {string} path @param {Record<string, any>} [query] @returns {Promise<any>} */
export async function remove(path, query) {
  return (await send("DELETE", url(path, query), undefined)).json();
}

/** Ask for bytes. @param {string} path @param {any} body @param {AbortSignal} [signal] @returns {Promise<ArrayBuffer>} */
export async function postForBytes(path, body, signal) {
  return (await send("POST", url(path), body, signal)).arrayBuffer();
}

/** Ask for a text, whole or a part of it. @param {string} path @param {number} [most] Bytes. @returns {Promise<string>} */
export async function getText(path, most) {
  /** @type {Record<string, string>} */
  const headers = most ? { Range: `bytes=0-${most - 1}` } : {};
  const answer = await fetch(url(path), { headers, credentials: "same-origin" });
  if (!answer.ok) throw await problem(answer);
  return answer.text();
}
