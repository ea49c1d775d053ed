"""The runs page: the table, its search, and what can be done with runs, on a real server."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

import chachaml as ml
from tests.browser.conftest import Watched
from tests.browser.looks import faults
from tests.served import Served

ATTACKS = (
    "<img src=x onerror=__pwn()>",
    "'\"><script>__pwn()</script>",
    "javascript:__pwn()",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "</script><svg onload=__pwn()>",
    "\u202eevil\u202c\u0000\x1b[2J",
    "![x](https://evil.example/x.png)",
)


@pytest.fixture
def made(server: Served) -> Served:
    """A store with 300 runs of two experiments."""
    ml.connect(server.where.path)
    for number in range(300):
        with ml.start_run("iris" if number % 3 else "digits", name=f"run {number:03}") as run:
            ml.log_params({"lr": (number % 5 + 1) / 100, "optimizer": "adam" if number % 2 else "sgd"})
            for step in range(4):
                run.log_metric("loss", (300 - number) / (step + 1), step)
            run.log_metric("accuracy", math.nan if number == 7 else number / 300)
    ml.flush()
    return server


WHERE = """name => {
    const links = [...document.querySelectorAll('.row .name')];
    return links.find((link) => link.textContent === name)?.getBoundingClientRect().top;
}"""


def rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Runs").locator(".row:not(.waiting)")


def first(page: Page) -> Locator:
    return rows(page).first.locator(".name")


def open_runs(page: Page, query: str = "") -> None:
    page.goto(f"/runs{query}")
    rows(page).first.wait_for()


def test_the_page_can_be_read_before_any_script_runs(
    made: Served, open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    page.goto("/runs?experiment=digits")
    expect(page.get_by_role("link", name="run 297")).to_be_visible()
    expect(page.get_by_text("100 runs")).to_be_visible()


def test_however_many_runs_there_are_only_some_rows_are_in_the_page(made: Served, page: Page) -> None:
    open_runs(page)
    expect(page.locator("#total")).to_have_text("300 runs")
    expect(first(page)).to_have_text("run 299")
    assert rows(page).count() < 80
    scroller = page.get_by_role("table", name="Runs")
    scroller.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(page.get_by_role("link", name="run 000")).to_be_visible()
    assert rows(page).count() < 80


def test_a_header_sorts_on_the_server_and_shift_adds(made: Served, page: Page) -> None:
    open_runs(page)
    page.get_by_role("button", name="accuracy", exact=True).click()
    expect(first(page)).to_have_text("run 299")
    page.get_by_role("button", name="accuracy ↓").click()
    expect(first(page)).to_have_text("run 000")
    assert "sort=metrics.accuracy+asc" in page.url
    page.get_by_role("button", name="lr", exact=True).click()
    page.get_by_role("button", name="loss", exact=True).click(modifiers=["Shift"])
    assert "params.lr+asc%2C+metrics.loss+asc" in page.url
    page.go_back()
    page.go_back()
    expect(first(page)).to_have_text("run 000")


def test_the_search_completes_and_shows_mistakes_in_place(made: Served, page: Page, watched: Watched) -> None:
    watched.expect("400")
    open_runs(page)
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search runs")
    box.press_sequentially("params.opt")
    page.get_by_role("option", name="params.optimizer").click()
    box.press_sequentially("= s")
    page.get_by_role("option", name="'sgd'").click()
    expect(page.locator("#total")).to_have_text("150 runs")
    box.press_sequentially("and metrics.loss >")
    box.press("Enter")
    expect(page.locator(".wrongness")).to_contain_text("expected")
    expect(box).to_have_attribute("aria-invalid", "true")
    box.press_sequentially(" 299")
    expect(page.locator("#total")).to_have_text("0 runs")
    expect(page.locator(".wrongness")).to_be_hidden()
    page.get_by_role("button", name="300 runs without the search").click()
    expect(page.locator("#total")).to_have_text("300 runs")


def test_runs_are_selected_compared_tagged_and_archived(made: Served, page: Page) -> None:
    open_runs(page)
    rows(page).nth(0).get_by_role("checkbox").check()
    rows(page).nth(4).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_contain_text("5 selected")
    page.locator("#selected").get_by_role("button", name="Tag").click()
    page.get_by_label("Tag, as key=value").fill("team=vision")
    page.get_by_role("dialog").get_by_role("button", name="Tag").click()
    expect(page.get_by_text("Tagged 5 runs")).to_be_visible()
    assert {run.tags.get("team") for run in ml.runs(limit=5)} == {"vision"}
    page.locator("#selected").get_by_role("button", name="Archive").click()
    expect(page.locator("#total")).to_have_text("295 runs")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#total")).to_have_text("300 runs")
    page.keyboard.press("c")
    page.wait_for_url("**/compare?ids=**")


def test_deleting_can_be_taken_back_for_a_while(made: Served, page: Page) -> None:
    open_runs(page)
    for ends in ("Undo", "leave"):
        rows(page).nth(0).get_by_role("checkbox").check()
        page.locator("#selected").get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.locator("#total")).to_have_text("299 runs")
        assert ml.count_runs() == 300
        if ends == "Undo":
            page.get_by_role("button", name="Undo").click()
            expect(page.locator("#total")).to_have_text("300 runs")
    page.goto("/api/docs")
    deadline = time.monotonic() + 20
    while ml.count_runs() != 299:
        assert time.monotonic() < deadline


def test_what_happens_shows_and_disturbs_nothing(made: Served, page: Page) -> None:
    open_runs(page)
    rows(page).nth(2).get_by_role("checkbox").check()
    scroller = page.get_by_role("table", name="Runs")
    scroller.evaluate("element => element.scrollTo(0, 2800)")
    shown = page.get_by_role("link", name="run 199")
    expect(shown).to_be_visible()
    before = page.evaluate(WHERE, "run 199")
    with httpx.Client(base_url=made.url) as client:
        run = client.post("/api/w/runs", json={"name": "new one", "experiment": "iris"}).json()["id"]
        expect(page.locator("#total")).to_have_text("301 runs")
        assert page.evaluate(WHERE, "run 199") == before
        expect(page.locator("#selected")).to_contain_text("1 selected")
        scroller.evaluate("element => element.scrollTo(0, 0)")
        expect(rows(page).first).to_contain_text("running")
        client.post(f"/api/w/runs/{run}/end", json={"status": "failed"})
        expect(rows(page).first).to_contain_text("failed")


def test_columns_and_groups_are_chosen_and_in_the_address(made: Served, page: Page) -> None:
    open_runs(page)
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Find", exact=True).fill("optim")
    page.locator(".field-option", has_text="optimizer").get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="optimizer")).to_have_count(0)
    page.get_by_role("button", name="Group").click()
    page.locator(".field-option", has_text="optimizer").get_by_role("checkbox").check()
    page.keyboard.press("Escape")
    expect(page.locator("#total")).to_have_text("2 groups")
    expect(page.locator(".groups tbody tr").first).to_contain_text("150")
    page.reload()
    expect(page.locator("#total")).to_have_text("2 groups")
    page.locator(".groups").get_by_role("button", name="adam").click()
    expect(page.locator(".inner-rows .name").first).to_have_text("run 299")


def test_a_view_is_saved_and_opened_again(made: Served, page: Page) -> None:
    open_runs(page, "?sort=metrics.accuracy+asc")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Save what is shown").click()
    page.get_by_label("Name").fill("worst first")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as worst first")).to_be_visible()
    open_runs(page)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("link", name="worst first").click()
    expect(first(page)).to_have_text("run 000")


def test_the_keyboard_does_all(made: Served, page: Page) -> None:
    open_runs(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#selected")).to_contain_text("1 selected")
    page.keyboard.press("1")
    expect(page.locator("#charts")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{ml.runs(limit=2)[1].id}")


def test_runs_beside_each_other_differ_in_colour_and_keep_theirs(made: Served, page: Page) -> None:
    def colours() -> dict[str, str]:
        dots = page.locator(".row:not(.waiting)").evaluate_all(
            """rows => rows.slice(0, 12).map(row =>
                [row.querySelector(".name").textContent, row.querySelector(".dot").style.background])"""
        )
        return dict(dots)

    open_runs(page)
    before = colours()
    assert len(set(before.values())) == len(before) == 12
    deadline = time.monotonic() + 20
    while not page.evaluate("localStorage.getItem('chachaml-colours')"):
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    moved = page.evaluate("JSON.parse(localStorage.getItem('chachaml-colours')).map(([id]) => id)")
    open_runs(page)
    assert colours() == before
    by_id = {run.id: run.name for run in ml.runs(limit=12)}
    seen = next(one for one in moved if one in by_id)  # whose colour does not follow from its id
    page.goto(f"/runs/{seen}")
    expect(page.locator("#colour")).to_have_attribute("style", re.compile(re.escape(before[by_id[seen]])))


def test_an_empty_store_teaches_and_the_first_run_shows_by_itself(server: Served, page: Page) -> None:
    page.goto("/runs")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.locator("pre").first).to_contain_text(f'ml.connect("{server.service.options.origins[0]}")')
    assert faults(page) == []
    httpx.post(f"{server.url}/api/w/runs", json={"name": "the first"})
    expect(page.get_by_role("link", name="the first")).to_be_visible()


def test_nothing_that_somebody_wrote_runs(server: Served, page: Page) -> None:
    ml.connect(server.where.path)
    for attack in ATTACKS:
        text = attack.replace("\u0000", "")
        with ml.start_run(text, name=text, tags={"t": text, "note": text}):
            ml.log_params({"p": text, text[:30]: 1})
            ml.log_metric(text[:30], 1.0)
            ml.log_metric(text[:30], 2.0)
    ml.flush()
    open_runs(page)
    expect(page.locator("#total")).to_have_text(f"{len(ATTACKS)} runs")
    page.get_by_role("button", name="Columns").click()
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Search runs").press_sequentially("tags.t = ")
    page.get_by_role("option").first.wait_for()


def test_axe_finds_nothing_and_it_fits_a_telephone(
    made: Served, page: Page, open_context: Callable[..., BrowserContext]
) -> None:
    open_runs(page)
    page.locator("#charts canvas").first.wait_for()
    assert faults(page) == []
    dark = open_context(viewport={"width": 1440, "height": 900}, color_scheme="dark").new_page()
    open_runs(dark)
    assert faults(dark) == []
    page.set_viewport_size({"width": 375, "height": 720})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    expect(first(page)).to_be_visible()
