// The chat: questions, answers as they are written, what was looked up for them, and a yes or no to changes.

import { ApiError, get, runUrl } from "../lib/api.js";
import { fill, given, h, icon, onceAFrame, the } from "../lib/dom.js";
import { markdown } from "../lib/markdown.js";
import { events } from "../lib/sent_events.js";
import { curves, forgetCurves } from "./chat_curves.js";
import { keyOf, rememberKey, remembered, remember } from "./chat_memory.js";

/** @typedef {{id: string, name: string, arguments: any, result?: string, error?: string, runs?: string[]}} Call */
/** @typedef {{conversation: string, id: string, name: string, arguments: any, about: string}} Approval */
/** @typedef {{role: "user" | "assistant", text: string, calls?: Call[], runs?: string[], about?: string, failed?: string}} Turn */

const may = given("may");
const WHY = {
  rounds: "It stopped looking things up: it had done so as often as it may for one answer.",
  tokens: "It stopped: the answer has used up its tokens.",
  length: "It broke off: the answer is longer than the model writes at once.",
  refused: "The model did not want to answer this.",
};

/** @type {Turn[]} */
let turns = remembered();
/** @type {AbortController | null} */
let working = null;
/** @type {{on: boolean, default: string, providers: any[], examples: string[]}} */
let known = { on: true, default: "offline", providers: [], examples: [] };

const talk = the("#talk");
const question = the("#question");
const provider = the("#provider");
const model = the("#model");
const key = the("#key");
const keep = the("#keep");
const writes = document.querySelector("#writes");

// what is shown ------------------------------------------------------------------------------------

/** Return a function that links the runs among words. @param {string[]} runs */
function linker(runs) {
  const known = new Map(runs.flatMap((id) => [[id, id], [id.slice(-8), id]]));
  return (/** @type {string} */ text) => text.split(/((?<![0-9a-zA-Z])(?:[0-9a-f]{32}|[0-9a-f]{8})(?![0-9a-zA-Z]))/).map((part) => {
    const run = known.get(part);
    return run ? h("a", { href: runUrl(run) }, part) : part;
  });
}

/** @param {Call} call */
function shownCall(call) {
  const done = call.result !== undefined;
  const text = JSON.stringify(call.arguments ?? {});
  return h("details.call", { class: call.error ? "failed" : "" },
    h("summary", {}, icon(call.error ? "close" : done ? "check" : "search"), " ", call.name, " ", h("code", {}, text)),
    h("pre", { tabindex: 0, "aria-label": `What ${call.name} was asked for` }, JSON.stringify(call.arguments ?? {}, null, 2)),
    done && h("pre", { tabindex: 0, "aria-label": `What ${call.name} answered` }, call.error || call.result),
    call.runs?.length ? h("p.runs", {}, call.runs.map((run) => h("a", { href: runUrl(run) }, run.slice(-8)))) : null);
}

/** @param {Turn} turn @param {boolean} [asking] Whether it is still being written. */
function shown(turn, asking = false) {
  if (turn.role === "user") return h("article.said.user", { "aria-label": "You" }, turn.text);
  const runs = [...(turn.runs ?? []), ...(turn.calls ?? []).flatMap((call) => call.runs ?? [])];
  return h("article.said", { class: asking ? "asking" : "", "aria-label": "Answer" },
    (turn.calls ?? []).flatMap((call) => [shownCall(call), curves(call)]),
    h("div.prose", {}, markdown(turn.text, linker(runs))),
    turn.failed && h("p.bad", { role: "alert" }, turn.failed),
    !asking && h("footer", {},
      turn.text && h("button.quiet.square", { type: "button", data: { copy: turn.text }, "aria-label": "Copy the answer", title: "Copy" }, icon("copy")),
      turn.about && h("span", {}, turn.about)));
}

function showAll() {
  fill(talk, turns.length ? turns.map((turn) => shown(turn)) : welcome());
}

function welcome() {
  return h("div", {},
    h("p.muted", {}, "Ask about the runs in plain words."),
    h("ul.examples", {}, known.examples.map((text) => h("li", {}, h("button", { type: "button", onclick: () => { question.value = text; question.focus(); } }, text)))));
}

function toEnd() {
  const main = the("#main");
  main.scrollTop = main.scrollHeight;
}

// asking -------------------------------------------------------------------------------------------

function whom() {
  return { provider: provider.value, model: model.value.trim() || null, api_key: provider.value === "offline" ? null : key.value.trim() || null };
}

/** @param {string} text */
function ask(text) {
  const history = turns.filter((turn) => turn.text && !turn.failed).slice(-40).map(({ role, text }) => ({ role, text }));
  turns.push({ role: "user", text });
  if (turns.length === 1) fill(talk);
  talk.append(shown(turns[turns.length - 1]));
  return answer({ ...whom(), question: text, history, writes: writes instanceof HTMLInputElement && writes.checked });
}

/** Show an answer as it comes. @param {any} body @param {Turn} [turn] The one that goes on. */
async function answer(body, turn = { role: "assistant", text: "", calls: [] }) {
  let element = shown(turn, true);
  talk.append(element);
  let going = true;
  const anew = onceAFrame(() => {
    if (going) element = replaced(element, shown(turn, true));
  });
  working = new AbortController();
  setWorking(true);
  /** @type {Approval | null} */
  let waiting = null;
  const before = turn.text;
  try {
    for await (const event of events("/api/chat", { ...body, stream: true }, working.signal)) {
      if (event.type === "error") throw new ApiError(502, event.error);
      if (event.type === "needs_approval") waiting = event;
      take(turn, event, before);
      anew();
    }
  } catch (error) {
    turn.failed = !working.signal.aborted ? (error instanceof ApiError ? error.whole : String(error)) : "";
    if (working.signal.aborted) turn.about = "Stopped.";
  }
  going = false;
  working = null;
  setWorking(false);
  if (waiting) {
    element = replaced(element, shown(turn, true));
    element.append(approval(waiting, turn, element));
  } else {
    turns.push(turn);
    element = replaced(element, shown(turn));
    remember(turns);
  }
}

/** @param {HTMLElement} old @param {HTMLElement} made */
function replaced(old, made) {
  const main = the("#main");
  const atEnd = main.scrollTop + main.clientHeight > main.scrollHeight - 80;
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  [...made.querySelectorAll("details")].forEach((one, no) => { one.open = open[no] ?? false; });
  old.replaceWith(made);
  if (atEnd) toEnd();
  return made;
}

/** Take what is told into a turn. @param {Turn} turn @param {any} event @param {string} before What it said before it went on. */
function take(turn, event, before) {
  const calls = turn.calls ?? [];
  if (event.type === "text") turn.text += event.text;
  else if (event.type === "call_started") {
    calls.push({ id: event.id, name: event.name, arguments: event.arguments });
    if (turn.text && !turn.text.endsWith("\n\n")) turn.text += "\n\n";
  } else if (event.type === "call_finished") {
    const call = calls.find((one) => one.id === event.id);
    if (call) Object.assign(call, { result: event.result, error: event.error, runs: event.runs });
  } else if (event.type === "done") {
    const { answer, runs, tokens, provider, model, stopped } = event.answer;
    turn.text = answer || before;
    turn.runs = runs;
    const spent = tokens.input + tokens.output;
    turn.about = [provider === "offline" ? "without a language model" : `${model}, ${spent.toLocaleString("en")} tokens`, /** @type {any} */ (WHY)[stopped]].filter(Boolean).join(". ");
  }
}

/** Ask whether something may be changed. @param {Approval} wanted @param {Turn} turn @param {HTMLElement} element */
function approval(wanted, turn, element) {
  const say = (/** @type {boolean} */ approved) => {
    element.remove();
    const { conversation, id, name, arguments: given } = wanted;
    answer({ ...whom(), approval: { conversation, id, name, arguments: given, approved } }, turn);
  };
  const card = h("section.approval", { "aria-label": "A change that waits for you", tabindex: -1 },
    h("p", {}, h("strong", {}, wanted.name), " ", wanted.about),
    h("pre", { tabindex: 0, "aria-label": "What exactly" }, JSON.stringify(wanted.arguments, null, 2)),
    h("div.actions", {},
      h("button.primary", { type: "button", onclick: () => say(true) }, "Do it"),
      h("button", { type: "button", onclick: () => say(false) }, "Do not")));
  requestAnimationFrame(() => { toEnd(); card.focus(); }); // no button: an Enter meant for something else says nothing
  return card;
}

/** @param {boolean} now */
function setWorking(now) {
  the("#send").hidden = now;
  the("#stop").hidden = !now;
  the("#anew").disabled = now;
}

// whom to ask --------------------------------------------------------------------------------------

const LEAVES = "Your question, this conversation, and what the model looks up of your runs go to ";

function showWhom() {
  const chosen = known.providers.find((one) => one.name === provider.value);
  const offline = !chosen;
  model.placeholder = chosen?.model || (chosen ? "the server's first one" : "");
  model.disabled = key.disabled = keep.disabled = offline;
  key.placeholder = chosen?.yours ? "set up at the server" : chosen?.name === "compatible" ? "if it wants one" : "";
  [key.value, keep.checked] = keyOf(provider.value);
  the("#whom").textContent = offline ? "without a language model" : chosen.title;
  the("#leaves").textContent = offline
    ? "Nothing leaves this server: common questions are understood as queries, and the answer says as which."
    : `${LEAVES}${chosen.title}.`;
}

async function start() {
  try { known = await get("/api/chat/providers"); } catch { /* the page still answers without a language model */ }
  const offered = known.on ? known.providers.filter((one) => one.name !== "compatible" || one.set_up) : [];
  fill(provider, offered.map((one) => h("option", { value: one.name }, one.title)), h("option", { value: "offline" }, "No language model"));
  const before = sessionStorage.getItem("chachaml-chat-provider") ?? known.default;
  provider.value = [...provider.options].some((one) => one.value === before) ? before : "offline";
  showWhom();
  showAll();
  toEnd();
  if (!may.ask) {
    question.disabled = the("#send").disabled = true;
    the("#leaves").textContent = "Chat is for whoever started this server: use the browser that it opened, or the link to sign in that it printed when it started.";
  }
}

provider.addEventListener("change", () => { sessionStorage.setItem("chachaml-chat-provider", provider.value); model.value = ""; showWhom(); });
for (const one of [key, keep]) one.addEventListener("change", () => rememberKey(provider.value, key.value.trim(), keep.checked));
the("#settings").addEventListener("click", () => {
  const how = the("#how");
  how.hidden = !how.hidden;
  the("#settings").setAttribute("aria-expanded", String(!how.hidden));
});
the("#anew").addEventListener("click", () => { turns = []; remember(turns); forgetCurves(); showAll(); question.focus(); });
the("#stop").addEventListener("click", () => working?.abort());
the("#ask").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || working) return;
  question.value = "";
  ask(text);
  toEnd();
});
question.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); the("#ask").requestSubmit(); }
});
start();
