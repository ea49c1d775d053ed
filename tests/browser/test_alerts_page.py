"""Alerts: rules as sentences, what one would have done, and who may set them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

import chachaml as ml
from tests.browser.conftest import Watched
from tests.browser.looks import EVIL, faults, fits
from tests.served import Served


def log(name: str, *values: float) -> None:
    with ml.start_run("iris", name=name):
        for value in values:
            ml.log_metric("accuracy", value)
    ml.flush()


def test_an_alert_is_set_with_a_preview_muted_and_deleted(
    page: Page, server: Served, watched: Watched
) -> None:
    watched.expect("400")
    ml.connect(server.where.path)
    log("good", 0.5, 0.95)
    log("bad", 0.8, 0.7)
    page.goto("/alerts")
    expect(page.get_by_role("heading", name="No alerts yet")).to_be_visible()
    page.get_by_role("button", name="New alert").click()
    page.get_by_label("Name").fill("drop")
    page.get_by_label("Metric").fill("accuracy")
    page.get_by_label("Threshold").fill("0.9")
    preview = page.get_by_role("status", name="Preview")
    expect(preview).to_contain_text("fired for 1 run of the 2 newest runs that it is about, and for 1 more")
    assert not faults(page)
    page.get_by_label("Threshold").fill("much")
    expect(preview).to_contain_text("Expected `float")
    page.get_by_label("Threshold").fill("0.9")
    page.get_by_role("button", name="Set", exact=True).click()
    rule = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="drop"))
    expect(rule).to_contain_text("Tells when accuracy, its last value, is below 0.9.")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#toasts")).to_contain_text("Checked 1 alert")
    expect(page.locator("#history tbody tr")).to_contain_text("accuracy = 0.7 < 0.9 in run bad")
    page.get_by_role("button", name="Mute drop").click()
    page.get_by_role("button", name="Mute for 1 day").click()
    expect(rule).to_contain_text("muted until")
    page.get_by_role("button", name="Edit drop").click()
    page.get_by_label("Level").select_option("error")
    page.get_by_role("button", name="Save").click()
    expect(rule.locator(".badge.error").first).to_have_text("error")
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    page.get_by_role("button", name="More for drop").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(rule).to_have_count(0)
    assert fits(page)


def test_who_may_only_read_is_told_so(open_context: Callable[..., BrowserContext], server: Served) -> None:
    ml.connect(server.where.path)
    hook = "https://hooks.example.invalid/a-secret-that-nobody-sees"
    ml.alerts.set_alert(EVIL, experiment=EVIL, metric=EVIL, nan=True, webhook_url=hook, secret="whisper")
    page = open_context(signed_in=False).new_page()
    page.goto("/alerts")
    expect(page.locator(".may-not")).to_contain_text("may look at alerts, but not set them")
    expect(page.get_by_role("button", name="New alert")).to_have_count(0)
    assert "a-secret" not in page.content()
    assert not faults(page)
    assert fits(page)


def test_a_delivery_is_tried_and_addresses_stay(page: Page, server: Served) -> None:
    ml.connect(server.where.path)
    hook = "https://hooks.example.invalid/a-secret-that-nobody-sees"
    ml.alerts.set_alert("loud", metric="loss", nan=True, webhook_url=hook)
    page.goto("/alerts")
    page.get_by_role("button", name="Edit loud").click()
    page.get_by_label("Metric").fill("cost")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".rules")).to_contain_text("cost has a NaN")
    assert [row.targets for row in server.service.store.alerts()] == [(hook,)]
    page.get_by_role("button", name="More for loud").click()
    page.get_by_role("button", name="Test the delivery").click()
    expect(page.get_by_role("dialog", name="Test of loud")).to_contain_text("failed")
