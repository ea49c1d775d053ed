// The form of an alert, with what the rule would have done to the runs that there are.

import { ApiError, get, runUrl } from "./api.js";
import { afterSilence, fill, h } from "./dom.js";
import { counted, short } from "./format.js";
import { dialog } from "./told.js";

/** @typedef {Record<string, any>} Rule What `set_alert` takes. */

const KINDS = { threshold: "a value is reached", odd: "a NaN or an infinity comes", plateau: "a metric stops improving", status: "a run ends in some way", silent: "a run falls silent", filter: "a run meets a filter" };
const OPS = { "<": "below", "<=": "at most", ">": "above", ">=": "at least", "=": "exactly" };
const OF = { last: "last value", min: "lowest value", max: "highest value" };
const STATUSES = ["failed", "crashed", "interrupted", "completed", "running"];

/** @param {Record<string, string> | string[]} values @param {string} now @param {string} label */
function choice(values, now, label) {
  const pairs = Array.isArray(values) ? values.map((one) => [one, one]) : Object.entries(values);
  const made = h("select", { "aria-label": label }, pairs.map(([value, text]) => h("option", { value }, text)));
  made.value = now;
  return made;
}

/** @param {string} label @param {any} input */
const field = (label, input) => h("label.field", {}, label, input);

/** @param {string} kind @param {any} rule The rule as it is. @returns {{elements: any[], read: () => Rule}} */
function waiting(kind, rule) {
  const text = (/** @type {string} */ label, /** @type {any} */ value, /** @type {Record<string, any>} */ more = {}) =>
    h("input", { "aria-label": label, value: value ?? "", required: true, ...more });
  const metric = text("Metric", rule.metric, { list: "known-metrics", placeholder: "val/accuracy" });
  if (kind === "threshold") {
    const of = choice(OF, rule.of ?? "last", "Which value");
    const op = choice(OPS, rule.op ?? "<", "Compares");
    const threshold = text("Threshold", rule.threshold ?? "", { inputmode: "decimal", placeholder: "0.9" });
    return {
      elements: [field("Metric", metric), h("div.row", {}, field("Its", of), field("is", op), field("than this", threshold))],
      read: () => ({ metric: metric.value, of: of.value, op: op.value, threshold: threshold.value }),
    };
  }
  if (kind === "odd") return { elements: [field("Metric", metric)], read: () => ({ metric: metric.value, nan: true }) };
  if (kind === "plateau") {
    const direction = choice({ min: "lower is better", max: "higher is better" }, rule.direction ?? "min", "Better is");
    const steps = text("Steps", rule.steps || "", { type: "number", min: 1, placeholder: "500" });
    return {
      elements: [field("Metric", metric), h("div.row", {}, field("Where", direction), field("for so many steps", steps))],
      read: () => ({ metric: metric.value, direction: direction.value, no_improvement: steps.value }),
    };
  }
  if (kind === "status") {
    const status = choice(STATUSES, rule.statuses?.[0] ?? "failed", "Status");
    return { elements: [field("Status", status)], read: () => ({ status: status.value }) };
  }
  if (kind === "silent") {
    const minutes = text("Minutes", rule.minutes || "", { type: "number", min: 0, step: "any", placeholder: "10" });
    return { elements: [field("Minutes without a word", minutes)], read: () => ({ silent_minutes: minutes.value }) };
  }
  const filter = text("Filter", rule.filter, { placeholder: "metrics.loss > 10 and params.lr > 0.1" });
  return { elements: [field("Filter, in the search language", filter)], read: () => ({ filter: filter.value }) };
}

/** @param {HTMLElement} place @param {any} found */
function show(place, found) {
  const still = found.fires.filter((/** @type {any} */ one) => one.still).length;
  const passing = found.fires.length - still;
  fill(place,
    h("p", {}, h("strong", {}, `Would have fired for ${counted(still, "run")}`), ` of the ${counted(found.runs, "newest run")} that it is about`,
      passing ? `, and for ${passing} more for a while.` : "."),
    h("ul", {}, found.fires.slice(0, 8).map((/** @type {any} */ one) => h("li", {},
      h("a", { href: runUrl(one.run), target: "_blank" }, one.name || short(one.run)), ` ${one.text}`, one.still ? "" : h("span.muted", {}, " (for a while)")))),
    found.fires.length > 8 && h("p.muted", {}, `and ${found.fires.length - 8} more`));
}

/**
 * Ask for an alert.
 * @param {any} now The alert as it is, null for a new one.
 * @returns {Promise<Rule | undefined>} What to send.
 */
export function ruleForm(now) {
  const rule = now?.rule ?? {};
  return dialog(now ? `Edit ${now.name}` : "New alert", (close) => {
    const name = h("input", { value: now?.name ?? "", required: true, disabled: Boolean(now), placeholder: "accuracy-drop" });
    const experiment = h("input", { value: rule.experiment ?? "", list: "known-experiments", placeholder: "any" });
    const kind = choice(KINDS, rule.kind ?? "threshold", "Tells when");
    const level = choice(["info", "warning", "error"], rule.level ?? "warning", "Level");
    const cooldown = h("input", { type: "number", min: 0, step: "any", value: (rule.cooldown ?? 0) / 60e6 });
    const resolved = h("input", { type: "checkbox", checked: Boolean(rule.tell_resolved) });
    const url = h("input", { type: "url", placeholder: now?.targets.length ? `as it is: ${now.targets.join(", ")}` : "https://hooks.slack.com/…", autocomplete: "off" });
    const secret = h("input", { autocomplete: "off", placeholder: "optional" });
    const own = h("div");
    const preview = h("div.preview", { role: "status", "aria-label": "Preview" }, h("p.muted", {}, "What it would have done appears here."));
    /** @type {{elements: any[], read: () => Rule}} */
    let waits;
    let asking = new AbortController();
    const look = afterSilence(async () => {
      asking.abort();
      asking = new AbortController();
      const asked = waits.read();
      if (Object.values(asked).some((value) => value === "")) return;
      try {
        show(preview, await get("/api/alert-preview", { ...asked, experiment: experiment.value }, asking.signal));
      } catch (error) {
        if (error instanceof ApiError) fill(preview, h("p.problem", {}, error.whole));
      }
    }, 250);
    const choose = () => {
      waits = waiting(kind.value, kind.value === rule.kind ? rule : {});
      fill(own, waits.elements);
      look();
    };
    kind.addEventListener("change", choose);
    choose();
    const datalist = (/** @type {string} */ id, /** @type {Promise<string[]>} */ names) => {
      const made = h("datalist", { id });
      names.then((all) => fill(made, all.slice(0, 500).map((value) => h("option", { value }))), () => {});
      return made;
    };
    return [h("form", {
      oninput: look,
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        const told = url.value ? { webhook_url: url.value, secret: secret.value } : { keep_targets: Boolean(now?.targets.length) };
        close({
          name: name.value, experiment: experiment.value || null, ...waits.read(), level: level.value,
          cooldown: Number(cooldown.value || 0) * 60, notify_resolved: resolved.checked, ...told,
        });
      },
    },
    h("div", {},
      field("Name", name), field("Tells when", kind), own, field("Only in experiment", experiment),
      h("div.row", {}, field("Level", level), field("Silent for minutes after it fired", cooldown)),
      field("Webhook, a secret that is not shown again", url), field("Secret that signs it", secret),
      h("label", {}, resolved, " Tell also when it is no longer so")),
    preview,
    datalist("known-metrics", get("/api/keys").then((keys) => keys.metric)),
    datalist("known-experiments", get("/api/experiments").then((all) => all.map((/** @type {any} */ one) => one.name))),
    h("div.actions", {},
      h("button", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.primary", {}, now ? "Save" : "Set")))];
  }, "rule-form");
}
