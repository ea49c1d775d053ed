"""Models: what is in production and how to go back, promoting with a reason, and what people wrote."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.looks import EVIL, faults, fits
from tests.served import Served


@pytest.fixture
def model(server: Served) -> str:
    """A model of three versions, of which the second is in production and the first was."""
    ml.connect(server.where.path)
    for accuracy in (0.5, 0.75, 0.875):
        with ml.start_run("iris", name=f"at {accuracy}"):
            ml.log_param("size", accuracy * 8)
            ml.log_metric("accuracy", accuracy)
            ml.log_artifact("model", {"weights": accuracy})
            ml.registry.register_model("iris", description=EVIL)
    ml.registry.promote("iris", 1, comment="the first")
    ml.registry.promote("iris", 2, comment=EVIL)
    ml.registry.describe_model(
        "iris", description=EVIL, note=f"# About\n\n{EVIL} [x](javascript:__pwn()) $x^2$"
    )
    return "iris"


def test_models_are_listed_with_what_is_in_production(page: Page, model: str) -> None:
    page.goto("/models")
    row = page.get_by_role("row", name=model)
    expect(row).to_contain_text("version 2")
    expect(row).to_contain_text("1 archived")
    assert not faults(page)
    assert fits(page)


def test_a_version_is_promoted_with_a_reason_and_put_back(page: Page, model: str) -> None:
    page.goto(f"/models/{model}")
    page.get_by_role("row", name="at 0.875").get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It replaces version 2, which is archived.")
    dialog.get_by_label("Why").fill("the best so far")
    dialog.get_by_role("button", name="Move").click()
    live = page.locator(".live-version")
    expect(live).to_contain_text("version 3 since just now")
    expect(live).to_contain_text("the best so far")
    page.get_by_role("button", name="Undo").click()
    expect(live).to_contain_text("version 2 since")
    page.get_by_role("button", name="Go back to version").click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    expect(live).to_contain_text("version 3 since")
    assert ml.registry.model(model).production == 3


def test_aliases_notes_and_differences(page: Page, model: str) -> None:
    page.goto(f"/models/{model}")
    expect(page.locator("#prose [role=math]")).to_be_visible()
    assert not faults(page)
    page.get_by_role("button", name="More for version 1").click()
    page.get_by_role("button", name="Set an alias").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("champion")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("header .chip")).to_contain_text("champion → 1")
    page.get_by_role("button", name="Edit the note").click()
    page.get_by_label("Note, in Markdown").fill("**bold** words")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#prose strong")).to_have_text("bold")
    ml.registry.set_alias(model, "challenger", 2)
    expect(page.locator("header .chip")).to_have_count(2)
    page.get_by_label("Compare version 1").check()
    page.get_by_label("Compare version 3").check()
    page.get_by_role("button", name="Compare two versions").click()
    expect(page.get_by_role("row", name="accuracy 0.5 0.875")).to_be_visible()
    assert not faults(page)
    assert fits(page)
    page.goto(f"/models/{model}/versions/3")
    expect(page.get_by_role("link", name="at 0.875")).to_be_visible()
    assert not faults(page)
    assert fits(page)
