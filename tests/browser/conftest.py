"""A real browser against a real server; what a page does wrong by itself fails the test that opened it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect, sync_playwright

from tests.served import SESSION, Served, served

DEADLINE = 20_000
"""Milliseconds within which what a test waits for has to happen: machines that test are often busy."""

expect.set_options(timeout=DEADLINE)

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")  # it runs a loop, in which others cannot run theirs
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield started
        started.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "runs.db") as server:
        yield server


class Watched:
    """What pages did that they should not: errors, requests elsewhere, scripts of somebody else."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.wrong: list[str] = []
        self.expected: list[str] = []

    def expect(self, part: str) -> None:
        """Let pass what has this in its text: what the test provokes."""
        self.expected.append(part)

    def note(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.wrong.append(text)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.note(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def pass_on(self, route: Route) -> None:
        if route.request.url.startswith((self.url, "data:", "blob:")):
            route.continue_()
        else:
            self.note(f"a request elsewhere: {route.request.url}")
            route.abort()


@pytest.fixture
def watched(server: Served) -> Iterator[Watched]:
    watched = Watched(server.url)
    yield watched
    assert not watched.wrong, sorted(set(watched.wrong))[:20]


@pytest.fixture
def open_context(
    browser: Browser, server: Served, watched: Watched
) -> Iterator[Callable[..., BrowserContext]]:
    """Make contexts: as of the owner, who is signed in, unless told otherwise."""
    made: list[BrowserContext] = []

    def make(*, signed_in: bool = True, **how: object) -> BrowserContext:
        context = browser.new_context(base_url=server.url, **how)  # type: ignore[arg-type]
        context.set_default_timeout(DEADLINE)
        if signed_in:
            name = server.service.options.cookie
            context.add_cookies([{"name": name, "value": SESSION, "url": server.url}])
        context.route("**/*", watched.pass_on)
        context.on("console", watched.hear)
        context.on("weberror", lambda error: watched.note(f"not caught: {error.error}"))
        context.add_init_script("window.__pwn = () => console.error('a script of somebody else ran')")
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    """A page of the owner's browser, 1440 wide, light."""
    return open_context(viewport={"width": 1440, "height": 900}, color_scheme="light").new_page()
