"""The page of a run: all that is known of it, live, safe whatever it holds, and changed in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

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


def test_a_run_is_archived_restored_and_deleted(page: Page, api: Api) -> None:
    run = api.start()
    api.end(run)
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="What to do with this run").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.locator("#archived")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#archived")).to_have_count(0)
    page.get_by_role("button", name="What to do with this run").click()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/runs")
    assert api.client.get(f"/api/runs/{run}").status_code == 404


def test_five_hundred_metrics_stay_quick(page: Page, api: Api) -> None:
    run = api.start()
    for step in range(3):
        api.log(run, step, **{f"layer{n // 20}/unit{n % 20}": n + step for n in range(500)})
    page.goto(f"/runs/{run}")
    expect(page.locator('tr[data-key="layer0/unit0"] path')).to_be_visible()
    began = time.perf_counter()
    page.fill("#find-metrics", "layer24/unit19")
    expect(page.locator("#metrics tbody tr:visible")).to_have_count(2)
    assert time.perf_counter() - began < 1
    expect(page.locator('tr[data-key="layer24/unit19"] path')).to_be_visible()
