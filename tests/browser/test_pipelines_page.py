"""Pipelines: the steps of one that failed, and of one that runs while it is looked at."""

from __future__ import annotations

import re
import threading

import pytest
from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.looks import EVIL, faults, fits
from tests.served import Served


def fail(_: object) -> None:
    raise RuntimeError(EVIL)


def test_a_failed_step_says_why(page: Page, server: Served) -> None:
    ml.connect(server.where.path)
    with pytest.raises(RuntimeError):
        ml.pipeline.run(EVIL[:60], [("load", lambda: 1), (EVIL[:50], fail), ("publish", lambda: 2)])
    ml.flush()
    page.goto("/pipelines")
    expect(page.get_by_role("row", name="1 of 3")).to_contain_text("failed")
    assert not faults(page)
    assert fits(page)
    page.get_by_role("link", name=EVIL[:60]).click()
    expect(page.locator(".failure")).to_contain_text(f"RuntimeError: {EVIL[:20]}")
    expect(page.locator(".graph [data-key=publish]")).to_contain_text("skipped")
    assert not faults(page)
    assert fits(page)
    step = page.locator(".graph").get_by_role("link", name="load")
    expect(step).to_have_attribute("href", re.compile("^/runs/[0-9a-f]{32}$"))


def test_a_pipeline_moves_while_it_runs(page: Page, server: Served) -> None:
    ml.connect(server.where.path)
    page.goto("/pipelines")
    expect(page.get_by_role("heading", name="No pipelines yet")).to_be_visible()
    go = threading.Event()
    steps = [("load", lambda: 1), ("fit", lambda _: go.wait(20)), ("judge", lambda: 3)]
    running = threading.Thread(target=lambda: ml.pipeline.run("train", steps))
    running.start()
    try:
        page.get_by_role("link", name="train").click()
        fit = page.locator(".graph [data-key=fit]")
        expect(fit).to_contain_text("running")
        load = page.locator(".graph a[data-key=load]")
        load.focus()
        go.set()
        expect(fit).to_contain_text("completed")
        expect(page.locator("header .status")).to_have_text("completed")
        expect(load).to_be_focused()
        expect(page.locator(".gantt rect")).to_have_count(3)
    finally:
        go.set()
        running.join()
