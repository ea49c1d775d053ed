"""Settings: what this browser keeps, and who may do what in a team."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from chachaml.core.access import digest_of
from chachaml.core.changes import (
    AccountSet,
    Batch,
    PointsLogged,
    RetentionRule,
    RetentionSet,
    RunStarted,
    TokenIssued,
)
from chachaml.core.ids import new_id
from tests.browser.looks import EVIL, faults, fits
from tests.served import SESSION, Served, served


def test_density_and_theme_are_kept(page: Page) -> None:
    page.goto("/settings")
    expect(page.get_by_label("as the system")).to_be_checked()
    page.get_by_label("dark").check()
    page.get_by_label("roomy").check()
    page.goto("/experiments")
    root = page.locator("html")
    expect(root).to_have_attribute("data-density", "roomy")
    expect(root).to_have_attribute("data-theme", "dark")
    page.goto("/settings")
    expect(page.get_by_label("roomy")).to_be_checked()
    expect(page.locator("#store")).to_contain_text("sqlite")
    expect(page.get_by_role("heading", name="People")).to_have_count(0)
    assert not faults(page)
    assert fits(page)


def test_it_says_who_uses_how_much_and_which_runs_go(page: Page, server: Served) -> None:
    page.goto("/settings")
    expect(page.locator("#retention")).to_contain_text("ml.retention.set_rule(")
    rule = RetentionRule(EVIL, "status = failed", 90.0, 30.0, 5, EVIL)
    started = RunStarted(new_id(), 1, EVIL, "a run", EVIL)
    points = PointsLogged(started.run, "loss", bytes(16), bytes(16), bytes(16))
    server.service.store.apply(Batch((RetentionSet(1, EVIL, "old", rule), started, points), command=new_id()))
    page.goto("/settings")
    rules = page.get_by_role("table", name="Rules of retention")
    expect(rules.get_by_role("row", name="old")).to_contain_text("90 days")
    for what in ("user", "experiment"):
        used = page.get_by_role("table", name=f"Usage by {what}")
        expect(used.get_by_role("row", name=EVIL)).to_contain_text("2")
        expect(used.get_by_role("row", name="all")).to_be_visible()
    assert not faults(page)
    assert fits(page)


class TestTeam:
    """A team's server; the browser is an admin's."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Served]:
        with served(tmp_path / "team.db", team=True) as server:
            for change in (
                AccountSet(1, "root", "ada", "user", "admin", {EVIL: "reader"}),
                TokenIssued(1, "root", new_id(), "ada", digest_of(SESSION), 2**60, EVIL),
            ):
                assert not server.service.store.apply(Batch((change,), command=new_id())).conflicts
            yield server

    def test_accounts_and_tokens_are_made_and_revoked(self, page: Page, server: Served) -> None:
        page.goto("/settings")
        accounts, tokens = (page.get_by_role("table", name=name) for name in ("Accounts", "Tokens"))
        expect(accounts.get_by_role("row", name="ada")).to_contain_text("reader")
        assert not faults(page)
        page.get_by_role("button", name="Account", exact=True).click()
        page.get_by_label("Name").fill("grace")
        page.get_by_label("Role in all experiments").select_option("reader")
        page.get_by_role("button", name="Experiment", exact=True).click()
        page.get_by_label("Experiment", exact=True).fill("iris")
        page.get_by_role("button", name="Save").click()
        expect(accounts.get_by_role("row", name="grace")).to_contain_text("iris writer")
        accounts.get_by_role("row", name="grace").get_by_role("button", name="New token").click()
        page.get_by_label("For what").fill("notebook")
        page.get_by_role("button", name="Make it").click()
        secret = page.locator(".once").inner_text()
        page.get_by_role("button", name="I have it").click()

        def answer() -> int:
            headers = {"Authorization": f"Bearer {secret}"}
            return httpx.get(f"{server.url}/api/runs", headers=headers).status_code

        assert answer() == 200
        assert secret not in page.content()
        tokens.get_by_role("row", name="notebook").get_by_role("button", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(tokens.get_by_role("row", name="notebook")).to_contain_text("revoked")
        assert answer() == 401
        expect(page.locator("#audit")).to_contain_text("grace")
        assert fits(page)
