// Server-sent events as the answer to a request with a body, which EventSource cannot make.

import { ApiError, url } from "./api.js";

/**
 * Ask, and yield what is told: each event's data, an object whose "type" says what it is.
 * @param {string} path @param {any} body @param {AbortSignal} signal
 * @returns {AsyncGenerator<any>}
 */
export async function* events(path, body, signal) {
  const answer = await ask(path, body, signal);
  if (!answer.ok || !answer.body) throw new ApiError(answer.status, (await answer.json().catch(() => ({}))).error ?? {});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (waiting + value).split("\n\n");
    waiting = frames.pop() ?? "";
    for (const frame of frames) {
      const lines = frame.split("\n");
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      const type = lines.find((line) => line.startsWith("event: "))?.slice(7);
      if (type) yield { type, ...JSON.parse(data) };
    }
  }
}

/** @param {string} path @param {any} body @param {AbortSignal} signal */
async function ask(path, body, signal) {
  try {
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
    return await fetch(url(path), { method: "POST", headers, body: JSON.stringify(body), signal, credentials: "same-origin" });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, { code: "offline", message: "the server does not answer", hint: "is it still running?" });
  }
}
