"""The documentation as a site: it builds without a warning, leads nowhere wrong, and leaves nothing out."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from docs.site import commands, navigation, python_api
from docs.site.staging import BadLink, links, moved, pages
from playwright.sync_api import Browser, sync_playwright

from chachaml.core import configuration, errors
from chachaml.surfaces.http.everything import all_routes
from chachaml.surfaces.mcp.tooling import allowed

ROOT = Path(__file__).parents[2]
MARKDOWN = [path for path in sorted(ROOT.glob("*.md")) if not path.name.startswith(".")]


class Page(NamedTuple):
    """What a page leads to, what can be led to in it, what it loads, and its text."""

    links: list[str]
    anchors: set[str]
    loads: list[str]
    text: str


class Reader(HTMLParser):
    """Reads a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.page = Page([], set(), [], text)
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if "id" in found:
            self.page.anchors.add(found["id"])
        if tag == "a" and "href" in found:
            self.page.links.append(found["href"])
        elif tag in ("link", "script", "img", "source", "iframe", "video", "audio", "form", "object"):
            used = [found.get(name, "") for name in ("href", "src", "action", "data", "srcset")]
            self.page.loads.extend(value for value in used if value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, which is built once for all workers that share the tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / "site", shared / "site.done"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            command = [sys.executable, "-m", "docs.site", str(folder)]
            built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
            assert built.returncode == 0, built.stderr
            assert built.stderr == ""
            done.touch()
    return folder


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, Page]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path.relative_to(site).as_posix()] = Reader(path.read_text()).page
    return found


def test_every_page_of_the_repository_is_there(read: dict[str, Page]) -> None:
    for page, place in pages().items():
        if page.endswith(".md"):
            assert place.replace(".md", ".html") in read, page


def test_links_lead_somewhere(site: Path, read: dict[str, Page]) -> None:
    for name, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert _well_formed(link), f"{name}: {link}"
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            assert target.resolve().is_file(), f"{name}: {link}"
            there = target.resolve().relative_to(site.resolve()).as_posix()
            if parts.fragment and there in read:
                assert unquote(parts.fragment) in read[there].anchors, f"{name}: {link}"


def _well_formed(address: str) -> bool:
    """Tell whether an address of elsewhere could be one; it is not asked for."""
    parts = urlsplit(address)
    if parts.hostname == "localhost":
        return parts.scheme == "http"
    return parts.scheme in ("https", "mailto") and " " not in address and "." in (parts.hostname or "a.b")


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_links_of_the_repositorys_own_pages_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        if ":" in path:
            assert _well_formed(link), link
        elif path:
            assert (page.parent / path).exists(), link
        if anchor and ":" not in path:
            assert anchor in _anchors(page.parent / path if path else page), link


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nothing_is_fetched_from_elsewhere(site: Path, read: dict[str, Page]) -> None:
    for name, page in read.items():
        assert not [one for one in page.loads if urlsplit(one).netloc], name
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(\s*['\"]?|@import\s+['\"])(?:https?:)?//", path.read_text()), path


# everything is said ---------------------------------------------------------------------------------


def test_every_public_name_is_documented(read: dict[str, Page]) -> None:
    anchors = set[str]().union(
        *(page.anchors for name, page in read.items() if name.startswith("reference/"))
    )
    assert [name for name in python_api.public_names() if name not in anchors] == []


def test_every_error_is_documented_and_can_be_looked_up(read: dict[str, Page]) -> None:
    help_page = (ROOT / "docs" / "troubleshooting.md").read_text()
    for name in errors.__all__:
        assert f"chachaml.errors.{name}" in read["reference/errors.html"].anchors, name
        assert name in re.findall(r"\w+", help_page), f"troubleshooting says nothing of {name}"


def test_every_setting_is_documented(read: dict[str, Page]) -> None:
    text = read["reference/settings.html"].text
    assert [name for name in configuration.SETTINGS if f">{name}<" not in text] == []


def test_every_route_is_documented(read: dict[str, Page]) -> None:
    text = re.sub(r"<[^>]*>", "", read["reference/http.html"].text)
    shown = {(route.method, route.path.replace(":path}", "}")) for route in all_routes().all if route.about}
    assert len(shown) > 90
    assert [f"{method} {path}" for method, path in sorted(shown) if f"{method} {path}" not in text] == []


def test_every_tool_and_command_is_documented(read: dict[str, Page]) -> None:
    tools, lines = read["reference/mcp.html"].text, read["reference/commands.html"].text
    assert [name for name in allowed("delete") if f">{name}<" not in tools] == []
    assert len(commands.names()) > 60
    plain = re.sub(r"<[^>]*>", "", lines)
    assert [name for name in commands.names() if name not in plain] == []


def test_what_troubleshooting_quotes_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    quoted = re.findall(r"^### (`.*`)$", page, re.MULTILINE)
    assert len(quoted) > 25
    source = " ".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    for heading in quoted:
        for message in re.findall(r"`([^`]+)`", heading):
            parts = [part.strip(" :") for part in message.split("...") if part.strip(" :,()")]
            assert all(part in source for part in parts), message


# pages that come -------------------------------------------------------------------------------------


def test_a_page_that_nobody_placed_gets_a_place(tmp_path: Path) -> None:
    for name in ("index", "guide/tracking", "guide/brand-new", "reference/schema", "newest"):
        page = tmp_path / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"# {name}\n")
    for folder in ("adr", "examples", "reference/python", "explanation", "contributing"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "index.md").write_text("# Index\n")
    navigation.add(tmp_path)
    assert "\nbrand-new\n" in (tmp_path / "guide" / "index.md").read_text()
    assert "\nnewest\n" in (tmp_path / "index.md").read_text()


def test_a_link_that_leads_nowhere_stops_the_build() -> None:
    with pytest.raises(BadLink, match=r"docs/guide/a.md: nothing.md leads nowhere"):
        moved("docs/guide/a.md", "guide/a.md", "[x](nothing.md)", {})
    assert moved("docs/a.md", "a.md", "```\n[x](nothing.md)\n```\n", {}) == "```\n[x](nothing.md)\n```\n"
    places = {"docs/faq.md": "faq.md"}
    assert moved("CHANGELOG.md", "x/y.md", "[x](docs/faq.md#b)", places) == "[x](../faq.md#b)"


def test_search_works_without_a_server(site: Path, offline: Browser) -> None:
    context = offline.new_context(offline=True)
    page = context.new_page()
    page.goto(f"file://{site}/search.html?q=kill+journal")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li a", has_text="Durability").count() >= 1
    context.close()


@pytest.fixture(scope="module")
def offline() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
