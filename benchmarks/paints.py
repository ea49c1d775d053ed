"""The runs page in a real browser: until it is painted, until a key shows, and what comes over the line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.clock import median
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.serving import running_server

__all__ = ["make_runs", "measure"]

RUNS = 10_000
TIMES = 7

_PAINT = """() => {
  const [first] = performance.getEntriesByName("first-contentful-paint");
  const kept = performance.getEntriesByType("resource").filter((one) => one.name.includes("/static/"));
  return { paint: first.startTime, bytes: kept.reduce((sum, one) => sum + one.encodedBodySize, 0) };
}"""

# From a key to the frame in which the row under the cursor stands out.
_KEY = """async () => {
  const begin = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true, cancelable: true }));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begin;
}"""

_SORT = """async () => {
  const table = document.querySelector(".scroller");
  const shown = () => table.querySelector(".row .name")?.textContent;
  const before = shown();
  const begin = performance.now();
  table.querySelector('[data-field="metrics.metric-0"] .title, [role=columnheader] .title').click();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  while (shown() === before && performance.now() - begin < 5000) await frame();
  return performance.now() - begin;
}"""


def measure(bench: Bench) -> Section:
    """Measure the runs page."""
    runs = bench.n(RUNS, 50)
    section = Section(
        "The runs page",
        f"In Chromium, over {runs:,} runs, each time in a fresh context, which has nothing kept: until the "
        "first contentful paint, until a key shows, until another order shows. Bytes are of scripts, styles "
        "and icons, as they come over the line.",
    )
    with bench.reporting("chachaml", "paints"), bench.folder() as folder:
        bench.work(folder, "paints.make_runs", runs=runs)
        with running_server(bench, folder, "chachaml") as (port, _, _):
            found = _look(port)
    rows = [[name, engineering(value)] for name, value in found.items()]
    section.tables.append(Table(["the runs page", "chachaml"], rows))
    section.targets += [
        Target(f"first paint, {runs:,} runs", found["first paint, ms"], 300, "ms"),
        Target("from a key to paint", found["a key, ms"], 100, "ms"),
        Target("scripts and styles", found["scripts and styles, kB"], 250, "kB"),
    ]
    return section


def make_runs(folder: Path, tool: str, runs: int) -> Result:
    """Make runs of ten params and ten metrics."""
    import chachaml as ml

    ml.connect(folder / "chachaml.db")
    for number in range(runs):
        with ml.start_run(f"experiment-{number % 20}", name=f"run {number}"):
            ml.log_params({f"param-{key}": (number * (key + 3)) % 17 for key in range(10)})
            for step in range(3):
                ml.log_metrics(
                    {f"metric-{key}": (number * (key + 7)) % 1009 / (step + 1) for key in range(10)}, step
                )
    ml.flush()
    return {}


def _look(port: int) -> dict[str, float]:
    """Return what a browser shows when."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    seen: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(TIMES):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port}/runs")
            page.locator(".row .spark path").first.wait_for()
            loaded: dict[str, Any] = page.evaluate(_PAINT)
            seen.setdefault("first paint, ms", []).append(loaded["paint"])
            seen.setdefault("scripts and styles, kB", []).append(loaded["bytes"] / 1e3)
            seen.setdefault("a key, ms", []).append(page.evaluate(_KEY))
            seen.setdefault("another order, ms", []).append(page.evaluate(_SORT))
            context.close()
        browser.close()
    return {name: median(values) for name, values in seen.items()}
