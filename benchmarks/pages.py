"""Pages in a real browser: how long charts of many runs take, from the store to the screen."""

from __future__ import annotations

import http.client
import json
import shutil
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.clock import median
from benchmarks.curves import blocks, noisy
from benchmarks.processes import Bench, Result, WorkFailed
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.serving import running_server

__all__ = ["ask_for_curves", "make_curves", "measure"]

RUNS, POINTS, LONG = 100, 10_000, 10_000_000
WIDTH = 1_000
"""Pixels of a chart, and so its buckets."""

# Only what draws is measured, so a page without anything else is the place for it.
_MOUNT = """async (runs) => {
  const { prefix, build } = document.documentElement.dataset;
  const { chart } = await import(`${prefix}/static/${build}/charts/chart.js`);
  const { ask } = await import(`${prefix}/static/${build}/charts/curves.js`);
  const host = document.querySelector("main");
  host.replaceChildren();
  const one = chart(host, { title: "loss", height: 400 });
  const buckets = host.clientWidth;
  const found = await ask({ runs, keys: ["loss"], x: "step", window: null, buckets, log_x: false });
  one.setData(found.get("loss").curves, new Map());
  const spent = [];
  for (let time = 0; time < 20; time++) {
    performance.mark("begin");
    one.refresh();
    await null;  // what uPlot draws it draws once this has run
    spent.push(performance.measure("drawn", "begin").duration);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  }
  return spent;
}"""


def measure(bench: Bench) -> Section:
    """Measure charts."""
    section = Section(
        "Pages",
        f"Charts of {WIDTH:,} pixels: the server's answers over HTTP on loopback, and drawing in Chromium "
        "without a graphics card.",
    )
    runs, points, long = bench.n(RUNS, 5), bench.n(POINTS, 500), bench.n(LONG, 50_000)
    with bench.reporting("chachaml", "charts"), bench.folder() as folder:
        ids = bench.work(folder, "pages.make_curves", runs=runs, points=points, long=long)
        with running_server(bench, folder, "chachaml") as (port, _, _):
            found = bench.work(folder, "pages.ask_for_curves", port=port, long_points=long, **ids)
            drawn = _draw(port, ids["runs"])
        what = f"{runs} runs x {points:,} points"
        rows = [
            [f"answer, {what}", engineering(found["many"])],
            [f"answer, zoom in {long:,} points, p50", engineering(found["zoom"])],
            [f"answer, zoom in {long:,} points, worst", engineering(found["zoom_worst"])],
            [f"drawing, {what}", engineering(drawn)],
        ]
        section.tables.append(Table(["charts, ms", "chachaml"], rows))
        section.targets += [
            Target(f"chart, answer, {what}", found["many"], 100, "ms"),
            Target(f"chart, answer, zoom in {long:,} points, p50", found["zoom"], 30, "ms"),
            Target(f"chart, drawing, {what}", drawn, 200, "ms"),
        ]
    return section


def make_curves(folder: Path, tool: str, runs: int, points: int, long: int) -> Result:
    """Make runs of one metric each, and one of a long one; return their ids."""
    import chachaml as ml

    ml.connect(folder / "chachaml.db")
    ids = []
    for number in range(runs):
        with ml.start_run("curves") as run:
            for step, value in enumerate(noisy(points, number)):
                run.log_metric("loss", value, step)
            ids.append(run.id)
    with ml.start_run("curves") as run:
        step = 0
        for values in blocks(long):
            for value in values:
                run.log_metric("long", value, step)
                step += 1
    ml.flush()
    return {"runs": ids, "long": run.id}


def ask_for_curves(
    folder: Path, tool: str, port: int, runs: list[str], long: str, long_points: int
) -> Result:
    """Time the answers that charts are made of."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    many = [_timed(line, runs=runs, keys=["loss"]) for _ in range(10)]
    zooms = []
    for power in range(4, 20):
        width = long_points * 0.7**power
        for place in (0.0, 0.37, 0.8):
            window = [place * (long_points - width), place * (long_points - width) + width]
            zooms.append(_timed(line, runs=[long], keys=["long"], window=window))
    return {"many": median(many), "zoom": median(zooms), "zoom_worst": max(zooms)}


def _timed(line: http.client.HTTPConnection, **question: Any) -> float:
    """Return the milliseconds that an answer takes."""
    begin = perf_counter()
    body = json.dumps({**question, "buckets": WIDTH})
    line.request("POST", "/api/curves", body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise WorkFailed(f"{answer.status}: {text[:200]!r}")
    return (perf_counter() - begin) * 1e3


def _draw(port: int, runs: list[str]) -> float:
    """Return the milliseconds that a browser takes to draw a chart of some runs."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH + 84, "height": 700})  # the rail is 84 wide
        page.goto(f"http://127.0.0.1:{port}/api/docs")
        spent: list[float] = page.evaluate(_MOUNT, runs)
        browser.close()
    return median(spent)
