"""Panels over runs: what they draw, what a brush chooses, what the address keeps, hostile names."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from chachaml.core.changes import ParamsLogged
from chachaml.core.values import canonical
from chachaml.testing import Writer, points, started
from tests.browser.conftest import Watched
from tests.browser.looks import EVIL, faults
from tests.served import Served

BOX = "params.lr", "params.optimizer", "metrics.loss"


@pytest.fixture
def writer(server: Served) -> Writer:
    return Writer(server.service.store)


def write(writer: Writer, number: int, loss: float, **params: Any) -> str:
    run = f"{number:032x}"
    given = ParamsLogged(run, 1_000, {key: canonical(key, value) for key, value in params.items()})
    writer.write(started(run, name=f"run {number}"), given, points(run, "loss", [loss]))
    return run


def sweep(writer: Writer, count: int) -> None:
    """Write runs whose loss rises with the learning rate, over four decades."""
    for n in range(count):
        lr = 10 ** (-5 + 4 * n / (count - 1))
        write(writer, n + 1, float(n), lr=lr, optimizer=["adam", "sgd"][n % 2], seed=7)


def show(page: Page, *panels: dict[str, Any]) -> None:
    page.goto(f"/runs?panels={quote(json.dumps({'list': panels}))}")


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def inked(panel: Locator) -> int:
    """Return how many pixels are coloured."""
    count: int = panel.locator("canvas").first.evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const copy = Object.assign(document.createElement("canvas"), { width, height });
          const ink = copy.getContext("2d", { willReadFrequently: true });
          ink.drawImage(canvas, 0, 0);
          const { data } = ink.getImageData(0, 0, width, height);
          let count = 0;
          for (let at = 0; at < data.length; at += 4) {
            const [r, g, b, a] = data.subarray(at, at + 4);
            if (a > 40 && Math.max(r, g, b) - Math.min(r, g, b) > 40) count += 1;
          }
          return count;
        }"""
    )
    return count


def brush(page: Page, panel: Locator, axis: int, start: float, end: float) -> None:
    """Drag along an axis, between shares of its height from its top."""
    box = panel.locator(".parallel-strip").nth(axis).bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] * start)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] * end, steps=4)
    page.mouse.up()


def test_a_brush_chooses_runs_and_becomes_a_search(page: Page, writer: Writer) -> None:
    """It stays when a run comes, and in the address; what it chose is what the search then finds."""
    sweep(writer, 41)
    show(page, {"kind": "parallel", "fields": BOX})
    lines = panel(page, "Parallel coordinates")
    expect(lines).to_contain_text("41 runs, coloured by loss; logarithmic: lr")
    every = inked(lines)
    brush(page, lines, 0, 0.5, 1)
    expect(lines).to_contain_text(re.compile("2[01] of 41 chosen"))
    assert 500 < inked(lines) < every * 0.8
    brush(page, lines, 1, 0, 0.5)
    expect(lines).to_contain_text("10 of 41 chosen")
    write(writer, 100, 5.0, lr=2e-5, optimizer="sgd")
    expect(lines).to_contain_text("11 of 42 chosen")
    page.reload()
    lines.get_by_role("button", name="Search for these").click()
    expect(page.locator("#total")).to_have_text("11 runs")
    expect(lines).to_contain_text("11 runs, coloured by loss")
    query = page.get_by_role("combobox", name="Search runs").input_value()
    assert re.fullmatch(r"params\.lr >= \S+ and params\.lr <= \S+ and params\.optimizer = 'sgd'", query)


def test_a_dot_names_its_run_and_opens_it(page: Page, writer: Writer) -> None:
    sweep(writer, 5)
    write(writer, 50, 2.0, optimizer="adam")
    show(page, {"kind": "scatter", "fields": ["params.lr", "metrics.loss"]})
    dots = panel(page, "Scatter")
    expect(dots).to_contain_text("5 of 6 runs; the others lack values; logarithmic: lr")
    assert inked(dots) > 100
    box = dots.locator(".panel-plot").bounding_box()
    assert box is not None
    x, y = (box["x"] + 58 + box["x"] + box["width"] - 20) / 2, box["y"] + (22 + 240 - 36) / 2
    page.mouse.move(x, y)
    expect(page.locator(".chart-tip")).to_contain_text("run 3")
    expect(page.locator(".row.lit")).to_contain_text("run 3")
    dots.get_by_role("button", name="Edit Scatter").click()
    page.get_by_label("Across").select_option("metrics.loss")
    expect(dots.get_by_role("heading")).to_have_text("loss over loss")
    expect(dots).to_contain_text("6 runs")
    page.keyboard.press("Escape")
    page.go_back()
    expect(dots.get_by_role("heading")).to_have_text("loss over lr")
    expect(dots).to_contain_text("5 of 6 runs")
    page.mouse.move(x, y + 1)
    page.mouse.click(x, y)
    page.wait_for_url(f"**/runs/{3:032x}")


def test_panels_are_added_with_what_fits_and_taken_away(page: Page, writer: Writer) -> None:
    """What depends on what is said with its direction; what cannot be said is told."""
    sweep(writer, 30)
    page.goto("/runs")
    for name in ("Parameter importance", "Parallel coordinates", "Scatter"):
        page.get_by_role("button", name="Add a panel").click()
        page.get_by_role("button", name=name, exact=True).click()
        expect(panel(page, name)).to_be_visible()
    weights = panel(page, "Parameter importance")
    expect(weights.get_by_role("row").nth(1)).to_contain_text(re.compile(r"lr\s*9\d %\s*↑ rises"))
    expect(weights).not_to_contain_text("seed")
    expect(panel(page, "Parallel coordinates")).to_contain_text("30 runs, coloured by loss")
    expect(panel(page, "Scatter").get_by_role("heading")).to_have_text("loss over lr")
    assert faults(page) == []
    page.get_by_role("button", name="Remove Scatter").click()
    expect(page.get_by_role("article", name="Scatter")).to_have_count(0)
    page.get_by_role("combobox", name="Search runs").fill("params.lr < 0")
    page.keyboard.press("Enter")
    expect(panel(page, "Parallel coordinates")).to_contain_text("No run matches.")
    expect(weights).to_contain_text("No run that matches has this metric.")


def test_nothing_that_somebody_wrote_runs_and_a_mistyped_address_still_shows(
    page: Page, watched: Watched, writer: Writer
) -> None:
    """Of an address's panels those that are none are left out; names and values are text."""
    for n in range(6):
        run = write(writer, n + 1, float(n), **{EVIL: [EVIL, n % 2], "one": 1})
        writer.write(points(run, EVIL, [float(n)]))
    evil = f"`{EVIL}`"
    fields = [f"params.{evil}", "params.one", f"metrics.{evil}"]
    show(
        page,
        {"kind": "parallel", "fields": fields, "brush": {"params.one": "x", fields[0]: [1]}},
        {"kind": "constructor", "fields": []},
        {"kind": "scatter", "fields": [fields[0]]},
        {"kind": "scatter", "fields": [fields[0], fields[2]]},
        {"kind": "importance", "fields": [fields[2]]},
    )
    expect(page.locator(".panel")).to_have_count(4)
    lines = panel(page, "Parallel coordinates")
    expect(lines).to_contain_text("the same in all: one")
    expect(panel(page, "Scatter").first).to_contain_text("Choose two axes")
    expect(panel(page, "Parameter importance").get_by_role("row")).to_have_count(2)
    brush(page, lines, 0, 0, 0.5)
    lines.get_by_role("button", name="Search for these").click()
    expect(page.locator("#total")).to_have_text("3 runs")
    assert faults(page) == []
    page.goto("/runs?panels=%7Bnot")
    expect(page.get_by_role("button", name="Add a panel")).to_be_visible()


def test_a_chart_by_hand_is_drawn_and_asks_for_nothing(page: Page, writer: Writer) -> None:
    sweep(writer, 20)
    fields = ["params.lr", "metrics.loss"]
    chart = {
        "mark": "bar",
        "transform": [{"calculate": "datum.metrics_loss * 2", "as": "twice"}],
        "encoding": {"x": {"field": "params_lr", "bin": True}, "y": {"aggregate": "mean", "field": "twice"}},
    }
    elsewhere = {
        "data": {"url": "https://evil.example/x.csv"},
        "mark": {"type": "image", "url": "https://evil.example"},
    }
    show(
        page,
        {"kind": "handmade", "fields": fields, "chart": json.dumps(chart)},
        {"kind": "handmade", "fields": fields, "chart": json.dumps({**chart, **elsewhere})},
        {"kind": "handmade", "fields": fields, "chart": "{"},
    )
    charts = panel(page, "Chart by hand")
    expect(charts.nth(0).locator("canvas")).to_be_visible()
    assert inked(charts.nth(0)) > 500
    expect(charts.nth(1).locator("canvas")).to_be_visible()
    expect(charts.nth(2).locator(".problem")).to_contain_text("JSON")
    charts.nth(2).get_by_role("button", name="Edit").click()
    page.get_by_label("The chart, as Vega-Lite").fill(
        json.dumps({"mark": "tick", "encoding": {"x": {"field": "metrics_loss"}}})
    )
    page.get_by_role("button", name="Draw").click()
    expect(charts.nth(2).locator("canvas")).to_be_visible()
