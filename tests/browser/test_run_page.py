"""The page of a run: all that is known of it, live, safe whatever it holds, and changed in place."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

import chachaml as ml
from chachaml.connection import using
from tests.browser.conftest import Watched
from tests.served import Served

AXE = Path(".venv/node/node_modules/axe-core/axe.min.js")


class Api:
    """Logs to a server, as a client in any language does."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url)

    def start(self, name: str = "night shift", **given: Any) -> str:
        made: str = self.post("/api/w/runs", name=name, experiment="iris", **given)["id"]
        return made

    def post(self, path: str, **body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def log(self, run: str, step: int = 0, **metrics: Any) -> None:
        self.post(f"/api/w/runs/{run}/metrics", metrics=metrics, step=step)

    def keep(self, run: str, name: str, data: bytes, kind: str) -> None:
        path = f"/api/w/runs/{run}/artifacts"
        answer = self.client.post(path, params={"name": name}, content=data, headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text

    def end(self, run: str, **given: Any) -> None:
        self.post(f"/api/w/runs/{run}/end", **given)


@pytest.fixture
def api(server: Served) -> Iterator[Api]:
    made = Api(server.url)
    yield made
    made.client.close()


@contextmanager
def logging(api: Api, run: str) -> Iterator[None]:
    """Log to a run all the time, from another thread through the API."""
    done = threading.Event()

    def log() -> None:
        client, step = Api(str(api.client.base_url)), 0
        while not done.wait(0.05):
            client.log(run, step, **{"train/loss": 1 / (step + 1), "train/acc": "NaN", "lr": 0.1})
            step += 1
        client.client.close()

    thread = threading.Thread(target=log)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def axe(page: Page) -> None:
    """Fail on what makes the page hard to use for somebody."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found]


def test_short_ids_lead_to_the_run_and_unknown_ones_to_others(page: Page, api: Api, watched: Watched) -> None:
    run = api.start()
    page.goto(f"/runs/{run[-8:]}")
    page.wait_for_url(f"**/runs/{run}")
    page.goto(f"/runs/{run[:-4]}/code")
    page.wait_for_url(f"**/runs/{run}/code")
    watched.expect("404")
    page.goto(f"/runs/{run[:10]}ffff")
    expect(page.get_by_role("heading")).to_contain_text(["No run"])
    page.get_by_role("link", name="night shift").click()
    page.wait_for_url(f"**/runs/{run}")


def test_a_run_is_shown_as_it_is_logged_to(page: Page, api: Api) -> None:
    run = api.start(tags={"stage": "base"})
    page.goto(f"/runs/{run}")
    expect(page.locator("#status")).to_have_text("running")
    expect(page.locator("#no-metrics")).to_be_visible()
    with logging(api, run):
        row = page.locator('tr[data-key="train/loss"]')
        expect(row.locator("path")).to_be_visible()
        before = row.locator(".num").first.inner_text()
        expect(row.locator(".num").first).not_to_have_text(before)
        expect(page.locator('tr[data-key="train/acc"] .nan').first).to_have_text("NaN")
        page.get_by_role("button", name="train 2").click()
        expect(row).to_be_hidden()
        page.fill("#find-metrics", "loss")
        expect(row).to_be_visible()
        expect(page.locator('tr[data-key="lr"]')).to_be_hidden()
        api.post(f"/api/w/runs/{run}/params", model={"width": 64, "act": "relu"}, lr=0.1)
        expect(page.locator('tr[data-key="model.width"] td')).to_have_text("64")
        api.log(run, 0, progress=0.5)
        expect(page.locator("#took")).to_contain_text("left")
        axe(page)
    api.end(run, status="failed", error={"type": "ValueError", "message": "no", "traceback": "Traceback"})
    expect(page.get_by_role("heading", name="ValueError")).to_be_visible()
    expect(page.locator("#status")).to_have_text("failed")


def test_name_tags_and_note_are_changed_in_place(page: Page, api: Api) -> None:
    run = api.start()
    page.goto(f"/runs/{run}")
    page.keyboard.press("r")
    page.get_by_role("textbox", name="Name").fill("day shift")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="day shift")).to_be_visible()
    page.keyboard.press("t")
    page.get_by_role("textbox", name="Tag").fill("stage/a")
    page.get_by_role("textbox", name="Value").fill("baseline")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_contain_text("stage/a = baseline")
    page.get_by_role("button", name="Remove the tag stage/a").click()
    expect(page.locator(".chip")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".chip")).to_have_count(1)
    page.keyboard.press("e")
    page.get_by_role("textbox", name="Note").fill(r"**Why** $\frac{a}{b}$ and $\frac{a$")
    preview = page.get_by_label("Preview")
    expect(preview.locator("strong")).to_have_text("Why")
    expect(preview.locator(".katex")).to_have_count(1)
    expect(preview.locator(".problem")).to_contain_text("KaTeX parse error")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#note .katex")).to_have_count(1)
    page.reload()
    expect(page.locator("#note .katex")).to_have_count(1)
    found = api.get(f"/api/runs/{run}")
    assert (found["name"], found["tags"]["stage/a"]) == ("day shift", "baseline")
    assert found["tags"]["note"].startswith("**Why**")


def test_a_failed_run_opens_on_its_error(page: Page, api: Api) -> None:
    run = api.start()
    trace = (
        'Traceback (most recent call last):\n  File "/home/ada/train.py", line 3, in <module>\n    fit()\n'
        '  File "/env/lib/python3.12/site-packages/x/y.py", line 9, in fit\n    raise ValueError("bad")\n'
        "ValueError: bad"
    )
    api.end(run, status="failed", error={"type": "ValueError", "message": "bad", "traceback": trace})
    page.goto(f"/runs/{run}")
    expect(page.get_by_text("/home/ada/train.py")).to_be_visible()
    expect(page.get_by_text("site-packages")).to_be_hidden()
    page.get_by_text("1 frame in libraries").click()
    expect(page.get_by_text("site-packages")).to_be_visible()
    axe(page)


def test_a_run_is_archived_restored_and_deleted(page: Page, api: Api, watched: Watched) -> None:
    watched.expect("400")  # comparing one run asks for another
    run = api.start()
    api.end(run)
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="What to do with this run").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.locator("#archived")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#archived")).to_have_count(0)
    page.get_by_role("button", name="What to do with this run").click()
    page.get_by_role("button", name="Compare with another run").click()
    page.wait_for_url(f"**/compare?ids={run}")
    page.go_back()
    page.get_by_role("button", name="What to do with this run").click()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/runs")
    assert api.client.get(f"/api/runs/{run}").status_code == 404


def test_one_of_five_hundred_metrics_is_found(page: Page, api: Api) -> None:
    run = api.start()
    for step in range(3):
        api.log(run, step, **{f"layer{n // 20}/unit{n % 20}": n + step for n in range(500)})
    page.goto(f"/runs/{run}")
    expect(page.locator('tr[data-key="layer0/unit0"] path')).to_be_visible()
    page.fill("#find-metrics", "layer24/unit19")
    expect(page.locator("#metrics tbody tr:visible")).to_have_count(2)
    expect(page.locator('tr[data-key="layer24/unit19"] path')).to_be_visible()


PRINTS = """
import sys, time
import chachaml as ml
ml.connect(sys.argv[1])
with ml.start_run("iris", name="printing", console=True) as run:
    for n in range(300):
        print(f"\\x1b[31mline\\x1b[0m {n} \\x1b]0;title\\x07<img src=x onerror=__pwn()>")
    sys.stdout.write("loading 10%"); sys.stdout.flush()
    run.log_metric("loss", 1.0)
    for line in sys.stdin:
        sys.stdout.write("\\r" + line.strip()); sys.stdout.flush()
"""


@contextmanager
def printing(server: Served) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, which prints and waits to be told what to print next."""
    command = [sys.executable, "-c", PRINTS, str(server.where.path)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_what_a_process_prints_is_followed_until_it_is_killed(page: Page, server: Served, api: Api) -> None:
    with printing(server) as process:
        run = wait_for(lambda: [one["id"] for one in api.get("/api/runs?columns=name")["runs"]])[0]
        page.goto(f"/runs/{run}/console")
        last = page.locator("#L301 > span")
        expect(last).to_have_text("loading 10%")
        expect(last).to_be_in_viewport()
        assert process.stdin is not None
        process.stdin.write("loading 90%\n")
        process.stdin.flush()
        expect(last).to_have_text("loading 90%")
        expect(page.locator("#L301")).to_have_count(1)
        expect(page.locator("#L1 .fg-1")).to_have_text("line")
        expect(page.locator("#L1 > span")).to_have_text("line 0 <img src=x onerror=__pwn()>")
        page.fill("input[type=search]", "line 120")
        expect(page.locator(".line.here")).to_have_id("L121")
        expect(page.locator("#L121")).to_be_in_viewport()
        page.goto(f"/runs/{run}/console?x#L20")
        expect(page.locator(".line.here")).to_have_id("L20")
        axe(page)
        expect(page.locator("#status")).to_have_text("running")
        process.kill()
        expect(page.locator("#status")).to_have_text("crashed", timeout=20_000)


def wait_for(act: Callable[[], Any]) -> Any:
    """Return what something gives, once it gives something."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := act():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came")


FORMULA = "=cmd|'/c calc'!A0"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HTML = (
    b"<h1>Report</h1><p id=x>as drawn</p><img src='https://evil.example/x.png'>"
    b"<script>document.querySelector('#x').textContent = 'script ran'; top.__pwn && top.__pwn()</script>"
)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='top.__pwn()'><text y='20'>drawn</text></svg>"


def test_artifacts_are_shown_each_in_its_way(page: Page, api: Api, watched: Watched) -> None:
    watched.expect("Blocked script execution")
    watched.expect("Content Security Policy")
    watched.expect("from accessing a cross-origin frame")
    run = api.start()
    api.keep(run, "plots/dot.png", PNG, "image/png")
    api.keep(run, "plots/a b#?.svg", SVG, "image/svg+xml")
    api.keep(run, "report.html", HTML, "text/html")
    api.keep(run, "notes.md", b"# Title\n\n$x^2$ <script>__pwn()</script>", "text/markdown")
    api.keep(run, "data.csv", b"n,name\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(250)), "text/csv")
    api.keep(run, "conf.json", b'{"layers": [64, 32], "act": "relu"}', "application/json")
    api.keep(run, "train.py", b"import os\nprint('x')\n", "text/x-python")
    api.keep(run, "beep.wav", b"RIFF", "audio/wav")
    api.keep(run, "model.pkl", b"\x80\x04N.", "application/octet-stream")
    page.goto(f"/runs/{run}/artifacts")

    def choose(name: str) -> None:
        page.locator(f'#tree a[data-name="{name}"]').click()
        expect(page.locator("#preview h2")).to_have_text(name)

    choose("plots/dot.png")
    expect(page.locator("#preview img")).to_have_js_property("naturalWidth", 1)
    choose("plots/a b#?.svg")
    expect(page.frame_locator("#preview iframe").get_by_text("drawn")).to_be_visible()
    choose("report.html")
    frame = page.frame_locator("#preview iframe")
    expect(frame.locator("#x")).to_have_text("as drawn")
    axe(page)
    page.get_by_role("button", name="Run its scripts").click()
    expect(frame.locator("#x")).to_have_text("script ran")
    choose("notes.md")
    expect(page.locator("#preview .katex")).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("<script>__pwn()</script>")
    choose("data.csv")
    expect(page.locator("#preview tbody tr")).to_have_count(100)
    page.get_by_role("button", name="Rows after").click()
    expect(page.locator("#preview tbody tr").first).to_contain_text("row 100")
    page.reload()
    expect(page.locator("#preview tbody tr").first).to_contain_text("row 100")
    axe(page)
    choose("conf.json")
    page.get_by_text("layers").locator("xpath=..").locator("summary").click()
    expect(page.locator("#preview .number").first).to_have_text("64")
    choose("train.py")
    expect(page.locator("#preview li")).to_have_text(["import os", "print('x')"])
    choose("beep.wav")
    expect(page.locator("#preview")).to_contain_text("no audio/wav")
    choose("model.pkl")
    expect(page.locator("#preview")).to_contain_text("application/x-python-pickle, format bytes")
    page.go_back()
    expect(page.locator("#preview h2")).to_have_text("beep.wav")


def test_code_and_surroundings_are_set_beside_another_run(page: Page, server: Served) -> None:
    trains = "import chachaml as ml, sys\nml.connect(sys.argv[1])\nwith ml.start_run('iris'): pass\n"
    script = server.where.path.with_name("train.py")
    script.write_text(trains)
    for flag in ("--lr=1", "--lr=it's"):
        command = [sys.executable, str(script), str(server.where.path), flag]
        subprocess.run(command, check=True, cwd=script.parent, env={**os.environ, "CHACHAML_CAPTURE": "on"})
    with using(server.where):
        newer, older = ml.runs()
    page.goto(f"/runs/{newer.id}/code")
    expect(page.locator("#again")).to_contain_text("'--lr=it'\"'\"'s'")
    expect(page.locator("#packages li").filter(has_text="numpy")).to_be_visible()
    page.select_option("#against", older.id)
    expect(page.locator("#differences")).to_contain_text("argv")
    expect(page.locator("#differences")).to_contain_text("Packages: no difference.")
    axe(page)


def test_lineage_leads_to_relatives_models_and_runs_on_the_same_data(page: Page, server: Served) -> None:
    with using(server.where):
        with ml.start_run("sweep", name="all of them") as parent:
            with ml.start_run(name="first"):
                ml.log_dataset([[1, 2]], name="digits", role="train")
                ml.log_text("model", "weights")
                ml.registry.register_model("net", "model", stage="production")
            with ml.start_run(name="second") as second:
                ml.log_dataset([[1, 2]], name="digits", role="train")
        result = ml.pipeline.run("chain", [("load", lambda: 1)])
        step = result.steps[0].run
        ml.sync()
    page.goto(f"/runs/{second.id}/lineage")
    expect(page.get_by_text("1 other run used the same data")).to_be_visible()
    page.get_by_role("link", name="first").click()
    page.get_by_role("link", name="Lineage").click()
    expect(page.get_by_role("link", name="net")).to_be_visible()
    page.locator("#lineage").get_by_role("link", name="all of them").click()
    page.wait_for_url(f"**/runs/{parent.id}")
    page.locator(".facts").get_by_role("link", name="2", exact=True).click()
    expect(page.locator("#lineage tbody tr")).to_have_count(2)
    axe(page)
    page.goto(f"/runs/{step}/lineage")
    expect(page.get_by_role("link", name="chain").first).to_be_visible()


def test_curves_are_drawn_and_grow(page: Page, api: Api) -> None:
    run = api.start()
    api.log(run, 0, **{"loss": 1, "system/cpu": 20})
    with logging(api, run):
        page.goto(f"/runs/{run}/charts")
        expect(page.locator('.chart-card[data-key="train/loss"] canvas').first).to_be_visible()
        expect(page.locator('.chart-card[data-key="system/cpu"]')).to_have_count(0)
        page.get_by_role("link", name="System").click()
        expect(page.locator('.chart-card[data-key="system/cpu"]')).to_be_visible()
        expect(page.locator(".chart-card")).to_have_count(1)
        axe(page)


def test_every_tab_of_an_empty_run_teaches(page: Page, api: Api) -> None:
    run = api.start()
    api.end(run)
    for tab in ("", "/charts", "/system", "/console", "/artifacts", "/code", "/lineage"):
        page.goto(f"/runs/{run}{tab}")
        expect(page.locator(".tabs a[aria-current]")).to_be_visible()
        axe(page)


PAYLOADS = [
    "<script>__pwn()</script>",
    "<img src=x onerror=__pwn()>",
    "\"'><svg/onload=__pwn()>",
    "</script><script>__pwn()</script>",
    "</textarea><script>__pwn()</script>",
    "javascript:__pwn()",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "[x](javascript:__pwn()) ![x](https://evil.example/a.png) <https://evil.example>",
    "`<b>` <style>*{display:none}</style> <iframe src=https://evil.example>",
    r"$\href{javascript:__pwn()}{x}$ $\htmlData{a=b}{x}$ $\includegraphics{https://evil.example/x}$",
    r"$$\def\a{\a\a}\a$$ $\color{red;background:url(https://evil.example)}x$",
    "<a href=//evil.example onmouseover=__pwn()>x</a>",
    "\u202egnp.exe\u2066 \u200b\ufeff",
    "\x1b]8;;https://evil.example\x07x\x1b[2J\x1b[31m",
    "%00%0d%0aSet-Cookie: a=b",
    "x" * 900,
    FORMULA,
]


def test_nothing_that_a_run_holds_does_anything(page: Page, server: Served, watched: Watched) -> None:
    watched.expect("Blocked script execution")
    watched.expect("Content Security Policy")
    everything = "\n\n".join(PAYLOADS)
    with using(server.where):
        try:
            with ml.start_run(
                PAYLOADS[2], name=PAYLOADS[1], tags={each[:200]: each for each in PAYLOADS}
            ) as run:
                for place, each in enumerate(PAYLOADS):
                    ml.log_param(each[:200], each)
                    ml.log_metrics({each[:200]: place}, step=0)
                    ml.log_metrics({each[:200]: 1}, step=1)
                    ml.log_dataset([[place]], name=each[:100], role=each[:50], source=each[:100])
                    ml.log_text(f"t{place}/{each[:60].replace('/', '_')}.md", each)
                ml.log_html("evil.html", everything)
                ml.log_artifact("evil.json", {each: each for each in PAYLOADS})
                ml.log_table("evil", [{"<b>x</b>": each} for each in PAYLOADS])
                raise ValueError(everything)
        except ValueError:
            pass
        ml.set_note(run.id, everything)
        ml.sync()
    page.goto(f"/runs/{run.id}")
    curve = page.locator('#metrics [data-curve="javascript:__pwn()"]')
    curve.scroll_into_view_if_needed()
    expect(curve.locator("path")).to_be_visible()
    expect(page.locator("#note")).to_contain_text("<script>__pwn()</script>")
    expect(page.locator("#note .problem").first).to_be_visible()
    expect(page.locator("#name")).to_have_text(PAYLOADS[1])
    assert not page.locator("#run :is(script, iframe, object, [onerror], [onload])").count()
    assert page.evaluate(
        "[...document.querySelectorAll('#run a')].every((a) => !/^javascript/i.test(a.href))"
    )
    for tab in ("console", "code", "lineage", "charts", "artifacts"):
        page.goto(f"/runs/{run.id}/{tab}")
        expect(page.locator(".tabs a[aria-current]")).to_be_visible()
        if tab == "charts":
            expect(page.locator(".chart-card canvas").first).to_be_visible()
    for link in page.locator("#tree a").all():
        link.click()
        expect(page.locator("#preview .content > *").first).to_be_attached()
