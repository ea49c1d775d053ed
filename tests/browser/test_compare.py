"""Runs side by side: what differs, from which baseline, and that it moves while they run."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.conftest import Watched
from tests.browser.looks import EVIL, faults, fits
from tests.served import Served

_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def ids(server: Served) -> list[str]:
    """Three runs: two as usual, and one with texts as nobody should give them."""
    ml.connect(server.where.path)
    found = []
    for name, rate, loss in (("one", 0.1, 0.5), ("two", 0.01, 0.25), (EVIL, EVIL, 0.75)):
        with ml.start_run("iris", name=name, tags={EVIL: name}) as run:
            ml.log_params({"lr": rate, "same": 1})
            ml.log_metrics({"loss": loss, "accuracy": 1 - loss})
            ml.set_note(run.id, f"{name}: tried\nfor once\n")
            ml.log_table("confusion", [{"class": name, "right": 3}])
            for step in (1, 2):
                ml.log_artifact(f"curves/{step}.png", _DOT, content_type="image/png")
            found.append(run.id)
    ml.flush()
    return found


def row(page: Page, key: str) -> list[str]:
    head = page.get_by_role("rowheader", name=key, exact=True)
    expect(head).to_be_visible()
    return head.locator("xpath=..").locator("td").all_inner_texts()


def test_runs_stand_side_by_side(page: Page, ids: list[str]) -> None:
    page.goto(f"/compare?ids={','.join(ids)}")
    assert row(page, "lr")[:2] == ["0.1", "0.01"]
    assert row(page, "loss") == ["0.5", "0.25 ▼ 0.25", "0.75 ▲ 0.25"]
    assert row(page, "note")[:2] == ["one: tried\nfor once", "two: tried\nfor once"]
    assert page.locator("small.better").count() == 2, "less loss and more accuracy"
    expect(page.get_by_role("rowheader", name="same")).to_have_count(0)
    page.get_by_role("link", name="All", exact=True).click()
    assert row(page, "same") == ["1", "1", "1"]
    page.get_by_label("Find a key").fill("acc")
    expect(page.get_by_role("rowheader", name="lr", exact=True)).to_be_hidden()
    page.locator("#charts").scroll_into_view_if_needed()
    expect(page.locator(".chart-card[data-key=loss]")).to_be_visible()
    assert not faults(page)
    assert fits(page)


def test_another_baseline_and_fewer_runs(page: Page, ids: list[str]) -> None:
    page.goto(f"/compare?ids={','.join(ids)}")
    page.get_by_role("link", name="make baseline").first.click()
    page.wait_for_url("**base=*")
    assert row(page, "loss") == ["0.25", "0.5 ▲ 0.25", "0.75 ▲ 0.5"]
    page.get_by_role("link", name="Take one out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 runs compared")
    page.wait_for_load_state()
    page.get_by_role("button", name="Add run").click()
    page.get_by_role("button", name="one iris").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 runs compared")


def test_pictures_and_tables_go_step_by_step(page: Page, ids: list[str]) -> None:
    page.goto(f"/compare?ids={ids[0]},{ids[1]}")
    image = page.get_by_role("img", name="of one")
    image.scroll_into_view_if_needed()
    expect(image).to_have_attribute("src", f"/api/artifacts/{ids[0]}/curves/2.png/download")
    page.get_by_label("Step of curves/#.png").press("Home")
    expect(image).to_have_attribute("src", f"/api/artifacts/{ids[0]}/curves%2F1.png/download")
    page.wait_for_function("img => img.complete && img.naturalWidth === 1", arg=image.element_handle())
    expect(page.get_by_role("group", name="confusion of two").get_by_role("cell", name="two")).to_be_visible()


def test_what_runs_log_appears(page: Page, ids: list[str]) -> None:
    with ml.start_run("iris", name="live") as run:
        ml.log_metric("loss", 0.4, 1)
        ml.flush()
        page.goto(f"/compare?ids={ids[0]},{run.id}")
        expect(page.locator("tr[data-key=loss] td").nth(1)).to_have_text("0.4 ▼ 0.1")
        head = page.get_by_role("link", name="live", exact=True)
        head.hover()
        page.get_by_label("Find a key").fill("o")
        ml.log_metric("loss", 0.3, 2)
        expect(page.locator("tr[data-key=loss] td").nth(1)).to_have_text("0.3 ▼ 0.2")
        assert page.get_by_label("Find a key").input_value() == "o"


def test_fewer_than_two_runs_say_what_to_do(page: Page, ids: list[str], watched: Watched) -> None:
    watched.expect("400")
    answer = page.goto(f"/compare?ids={ids[0]}")
    assert answer is not None
    assert answer.status == 400
    page.get_by_role("checkbox", name="two").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 runs compared")
