// The newest runs, live. Text from the store goes into text nodes, never into markup.

const COLUMNS = ["name", "experiment", "status", "started", "duration", "created_by", "metrics"];
const told = document.querySelector("#told");
const body = document.querySelector("tbody");
const filter = document.querySelector("#filter");

const cell = (text, kind = "td", style = "") => {
  const made = document.createElement(kind);
  made.textContent = text;
  if (style) made.className = style;
  return made;
};

const shown = {
  started: (run) => new Date(run.started).toLocaleString(),
  duration: ({ duration }) => {
    if (duration === null) return "";
    if (duration < 1) return `${Math.round(duration * 1000)} ms`;
    return duration < 120 ? `${duration.toFixed(1)} s` : `${Math.floor(duration / 60)} min`;
  },
  metrics: (run) =>
    Object.entries(run.metrics).slice(0, 4)
      .map(([key, value]) => `${key} ${typeof value === "number" ? +value.toPrecision(5) : value}`).join("   "),
};

const rowOf = (run) => {
  const row = document.createElement("tr");
  for (const column of COLUMNS) {
    const text = shown[column] ? shown[column](run) : run[column] ?? "";
    row.append(cell(text, "td", column === "status" ? run.status : ""));
  }
  return row;
};

const teach = () => {
  const lesson = document.querySelector("#empty").content.cloneNode(true);
  lesson.querySelector("pre").textContent =
    `curl -X POST ${location.origin}/api/w/runs -H 'Content-Type: application/json' -d '{"experiment":"iris"}'\n\n` +
    `import chachaml as ml\nml.connect("${location.origin}")\nwith ml.start_run(experiment="iris"):\n    ml.log_metric("loss", 0.31)`;
  return lesson;
};

const load = async () => {
  const query = new URLSearchParams({ limit: "100", columns: COLUMNS.join(",") });
  if (filter.value.trim()) query.set("filter", filter.value);
  const answer = await fetch(`/api/runs?${query}`);
  const data = await answer.json();
  if (!answer.ok) {
    told.textContent = `${data.error.message}  ${data.error.hint}`;
    told.className = "failed";
    if (answer.status === 401) location.assign("/login");
    return;
  }
  told.className = "dim";
  body.replaceChildren(...data.runs.map(rowOf));
  told.textContent = data.next ? `the newest ${data.runs.length} runs` : `${data.runs.length} runs`;
  if (!data.runs.length && !filter.value.trim()) told.replaceChildren(teach());
};

let waiting = 0;
const soon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(load, 150);
};

document.querySelector("thead tr").append(...COLUMNS.map((column) => cell(column.replace("_", " "), "th")));
filter.addEventListener("input", soon);
document.querySelector("#search").addEventListener("submit", (event) => {
  event.preventDefault();
  load();
});
const events = new EventSource("/api/events");
events.addEventListener("change", soon);
events.addEventListener("reset", soon);
load();
