// The API, operation by operation, each with a form that calls it. What comes back is shown as text.

import { get, url } from "../lib/api.js";
import { h, the } from "../lib/dom.js";

function field(parameter) {
  const input = h("input", { name: parameter.name, data: { in: parameter.in } });
  return h("label", {}, `${parameter.name}${parameter.required ? " (required)" : ""}  ${parameter.description ?? ""}`, input);
}

function address(path, form) {
  const query = {};
  let filled = path;
  for (const input of form.querySelectorAll("input")) {
    if (input.dataset.in === "path") filled = filled.replace(`{${input.name}}`, encodeURIComponent(input.value));
    if (input.dataset.in === "query") query[input.name] = input.value;
  }
  return url(filled, query);
}

async function call(path, method, form, result) {
  /** @type {Record<string, string>} */
  const headers = {};
  for (const input of form.querySelectorAll('input[data-in="header"]')) if (input.value) headers[input.name] = input.value;
  const body = form.querySelector("textarea")?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const to = address(path, form);
  result.textContent = `${method} ${to}\n\n…`;
  const answer = await fetch(to, { method, headers, body });
  const got = await answer.text();
  let pretty = got;
  try { pretty = JSON.stringify(JSON.parse(got), null, 2); } catch { /* not JSON */ }
  result.textContent = `${method} ${to}\n${answer.status}\n\n${pretty.slice(0, 100_000)}`;
}

function example(schema) {
  const names = Object.keys(schema?.properties ?? {});
  return names.length ? `{\n${(schema.required ?? names.slice(0, 2)).map((name) => `  "${name}": `).join(",\n")}\n}` : "{}";
}

function formOf(path, method, about) {
  const schema = about.requestBody?.content?.["application/json"]?.schema;
  const result = h("pre");
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); call(path, method, form, result); } },
    about.description && h("p.dim", {}, about.description),
    (about.parameters ?? []).map(field),
    schema && h("textarea", { rows: 5, "aria-label": "JSON body" }, example(schema)),
    h("button", {}, "Call"));
  return [form, result];
}

function section(path, method, about) {
  const details = h("details", { data: { text: `${method} ${path} ${about.operationId} ${about.summary}`.toLowerCase() } },
    h("summary", {}, h("span.method", {}, method), h("code", {}, path), h("span.dim", {}, about.summary)));
  details.addEventListener("toggle", () => details.append(...formOf(path, method, about)), { once: true });
  return details;
}

const place = the("#operations");
const find = the("#find");
const description = await get("/api/openapi.json");
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, about] of Object.entries(methods)) place.append(section(path, method.toUpperCase(), about));
}
find.addEventListener("input", () => {
  for (const one of place.children) one.hidden = !one.dataset.text.includes(find.value.toLowerCase());
});
