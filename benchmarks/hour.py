"""Whether pages that stay open grow while runs log: python -m benchmarks.hour [MINUTES]

Opens the runs page with its charts, and the page of a run, while this process logs four metrics ten times a
second and starts a run each half a minute. Prints once a minute what each page holds without its garbage.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from itertools import count
from pathlib import Path
from time import monotonic

from playwright.sync_api import CDPSession, Page, sync_playwright

import chachaml as ml
from benchmarks.processes import Bench
from benchmarks.serving import running_server

KEYS = ("JSHeapUsedSize", "Nodes", "JSEventListeners")


def log(ends: threading.Event, run: ml.Run) -> None:
    """Log to a run, and start others beside it, until told to end."""
    for step in count():
        if ends.wait(0.1):
            return
        run.log_metrics({f"loss/{key}": 1 / (step + key + 1) for key in range(4)}, step)
        if step % 300 == 0:
            with ml.start_run("hour", name=f"beside {step}"):
                ml.log_metric("loss/0", step)


def held(session: CDPSession) -> list[int]:
    """Return bytes of the heap, nodes and listeners, without garbage."""
    session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return [int(found[key]) for key in KEYS]


def watch(pages: dict[str, Page], minutes: int) -> None:
    """Print what pages hold, once a minute."""
    sessions = {name: page.context.new_cdp_session(page) for name, page in pages.items()}
    for session in sessions.values():
        session.send("Performance.enable")
    print("minute page heap_MB nodes listeners")
    for minute in range(minutes + 1):
        for name, session in sessions.items():
            heap, nodes, listeners = held(session)
            print(minute, name, f"{heap / 1e6:.2f}", nodes, listeners, flush=True)
        begin = monotonic()
        while minute < minutes and monotonic() - begin < 60:
            for page in pages.values():
                page.wait_for_timeout(1000)  # in which it hears and draws


def main(minutes: int) -> None:
    """Serve, log and look."""
    bench = Bench({"chachaml": Path(sys.executable)}, quick=True)
    ends = threading.Event()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(bench, Path(folder), "chachaml") as (port, _, _),
    ):
        ml.connect(f"{folder}/chachaml.db")
        run = ml.start_run("hour", name="long")
        threading.Thread(target=log, args=(ends, run), daemon=True).start()
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            at = f"http://127.0.0.1:{port}"
            pages = {"runs": f"{at}/runs", "run": f"{at}/runs/{run.id}/charts"}
            opened = {name: browser.new_context().new_page() for name in pages}
            for name, page in opened.items():
                page.goto(pages[name])
            watch(opened, minutes)
            browser.close()
        ends.set()
        run.end()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
