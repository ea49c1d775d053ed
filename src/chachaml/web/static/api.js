// The API, operation by operation, each with a form that calls it. What comes back is shown as text.

const place = document.querySelector("#operations");
const find = document.querySelector("#find");

const make = (kind, text = "", style = "") => {
  const made = document.createElement(kind);
  made.textContent = text;
  if (style) made.className = style;
  return made;
};

const field = (parameter) => {
  const label = make("label", `${parameter.name}${parameter.required ? " (required)" : ""}  ${parameter.description ?? ""}`);
  const input = document.createElement("input");
  input.name = parameter.name;
  input.dataset.in = parameter.in;
  label.append(input);
  return label;
};

const address = (path, form) => {
  const query = new URLSearchParams();
  let filled = path;
  for (const input of form.querySelectorAll("input")) {
    if (input.dataset.in === "path") filled = filled.replace(`{${input.name}}`, encodeURIComponent(input.value));
    if (input.dataset.in === "query" && input.value) query.set(input.name, input.value);
  }
  return query.size ? `${filled}?${query}` : filled;
};

const call = async (path, method, form, result) => {
  const headers = {};
  for (const input of form.querySelectorAll('input[data-in="header"]')) if (input.value) headers[input.name] = input.value;
  const text = form.querySelector("textarea");
  const options = { method, headers };
  if (text) {
    headers["Content-Type"] = "application/json";
    options.body = text.value || "{}";
  }
  const url = address(path, form);
  result.textContent = `${method} ${url}\n\n…`;
  const answer = await fetch(url, options);
  const got = await answer.text();
  let pretty = got;
  try { pretty = JSON.stringify(JSON.parse(got), null, 2); } catch { /* not JSON */ }
  result.textContent = `${method} ${url}\n${answer.status}\n\n${pretty.slice(0, 100_000)}`;
};

const example = (schema) => {
  const names = Object.keys(schema?.properties ?? {});
  return names.length ? `{\n${(schema.required ?? names.slice(0, 2)).map((name) => `  "${name}": `).join(",\n")}\n}` : "{}";
};

const section = (path, method, about) => {
  const details = document.createElement("details");
  details.dataset.text = `${method} ${path} ${about.operationId} ${about.summary}`.toLowerCase();
  const summary = document.createElement("summary");
  summary.append(make("span", method.toUpperCase(), "method"), make("code", path), make("span", about.summary, "dim"));
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("form")) return;
    const form = document.createElement("form");
    if (about.description) form.append(make("p", about.description, "dim"));
    form.append(...(about.parameters ?? []).map(field));
    const schema = about.requestBody?.content?.["application/json"]?.schema;
    if (schema) {
      const text = document.createElement("textarea");
      text.value = example(schema);
      text.setAttribute("aria-label", "JSON body");
      form.append(text);
    }
    const result = make("pre");
    form.append(make("button", "Call"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      call(path, method.toUpperCase(), form, result);
    });
    details.append(form, result);
  }, { passive: true });
  return details;
};

const answer = await fetch("/api/openapi.json");
const description = await answer.json();
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, about] of Object.entries(methods)) place.append(section(path, method, about));
}
find.addEventListener("input", () => {
  for (const one of place.children) one.hidden = !one.dataset.text.includes(find.value.toLowerCase());
});
