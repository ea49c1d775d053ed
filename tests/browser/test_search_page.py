"""Search: words and conditions in one box, why something is found, and where a mistake is."""

from __future__ import annotations

from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.looks import EVIL, faults, fits
from tests.served import Served


def test_one_box_finds_runs_and_the_rest(page: Page, server: Served) -> None:
    ml.connect(server.where.path)
    for name, loss in (("resnet", 0.5), (EVIL, 0.05)):
        with ml.start_run("iris", name=name, tags={"team": "Vision lab", EVIL: EVIL}) as run:
            ml.log_metric("loss", loss)
            ml.log_artifact("model", {"w": loss})
    ml.set_note(run.id, f"seen by vision {EVIL}")
    ml.registry.register_model("visionary", run=run.id)
    ml.create_experiment("iris", "about vision")
    ml.flush()
    page.goto("/search")
    assert not faults(page)
    box = page.get_by_label("Words, or a filter")
    box.fill("vision")
    box.press("Enter")
    hits = page.locator(".hits li")
    expect(hits).to_have_count(4)
    expect(hits.filter(has_text="resnet").locator("mark")).to_have_text("Vision")
    expect(hits.filter(has_text="visionary")).to_have_count(1)
    assert not faults(page)
    assert fits(page)
    box.fill("metrics.loss < 0.1 and tags.team = 'Vision lab'")
    box.press("Enter")
    expect(hits).to_have_count(1)
    expect(hits).to_contain_text("metrics.loss 0.05")
    box.fill("tags.teem = x")
    box.press("Enter")
    expect(page.locator("#nothing")).to_contain_text("No run has a tag 'teem'; did you mean 'team'?")
    box.fill(EVIL[:20])
    box.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


def test_the_form_asks_by_a_metric_and_mistakes_are_shown_in_place(page: Page, server: Served) -> None:
    ml.connect(server.where.path)
    for accuracy in (0.5, 0.9):
        with ml.start_run("iris", name=f"at {accuracy}"):
            ml.log_metric("accuracy", accuracy)
    ml.flush()
    page.goto("/search?metric_key=accuracy&op=%3C&metric_value=0.6&experiment=iris")
    expect(page.locator(".hits li")).to_contain_text("at 0.5")
    assert page.get_by_label("Compares").locator("option").all_inner_texts() == [">", ">=", "<", "<=", "="]
    page.get_by_label("Value").fill("much")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("metric_value must be a number, not 'much'")
    page.goto("/search?q=accuracy+%3E+0.5")
    expect(page.get_by_role("alert").locator("mark")).to_have_text("accuracy")
    expect(page.get_by_role("alert")).to_contain_text("did you mean metrics.accuracy?")
    assert not faults(page)
