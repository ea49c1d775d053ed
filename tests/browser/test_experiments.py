"""The experiments: those that were described, those that only have runs, and both in any order."""

from __future__ import annotations

from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.looks import EVIL, faults, fits
from tests.served import Served


def names(page: Page) -> list[str]:
    return page.locator("tbody .name").all_inner_texts()


def test_experiments_are_listed_sorted_and_described(page: Page, server: Served) -> None:
    ml.connect(server.where.path)
    ml.create_experiment("planned", "Not begun yet", "grace")
    for accuracy in (0.5, 0.9):
        with ml.start_run("iris", name="try"):
            ml.log_metric("accuracy", accuracy)
    with ml.start_run(EVIL, name=EVIL):
        ml.log_metric(EVIL, 1.0)
    ml.flush()
    page.goto("/experiments")
    assert [name[:4] for name in names(page)] == [EVIL[:4], "iris", "plan"]
    expect(page.get_by_role("row", name="iris")).to_contain_text("0.9 accuracy")
    page.get_by_role("button", name="Runs").click()
    assert names(page)[0] == "iris"
    page.reload()
    assert names(page)[0] == "iris", "the order is in the address"
    page.get_by_role("button", name="Describe iris").click()
    page.get_by_label("Description").fill(f"Flowers {EVIL}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="iris")).to_contain_text("Flowers <img")
    assert names(page)[0] == "iris"
    with ml.start_run("iris"):
        ml.flush()
        expect(page.get_by_role("row", name="iris").locator(".running")).to_have_text("1")
    assert not faults(page)
    assert fits(page)


def test_an_empty_store_teaches_and_moves_on(page: Page, server: Served) -> None:
    page.goto("/experiments")
    expect(page.locator("pre")).to_contain_text(f'ml.connect("{server.url}")')
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Name").fill("first")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.get_by_role("link", name="first")).to_be_visible()
    ml.connect(server.where.path)
    ml.create_experiment("second", "", "grace")
    expect(page.get_by_role("link", name="second")).to_be_visible()
    page.get_by_role("button", name="Name").click()
    page.get_by_role("button", name="Name").click()
    assert names(page) == ["second", "first"], "a table that came later is sorted too"
