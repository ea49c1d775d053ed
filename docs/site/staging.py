"""The sources of the site: the pages of the repository, where the site has them, and those that are made."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from docs.site import commands, errors, examples, formats, http, navigation, python_api, searching

__all__ = ["ROOT", "BadLink", "links", "pages", "stage"]

ROOT = Path(__file__).parents[2]

OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing/index.md",
    "SECURITY.md": "security.md",
    "THIRD-PARTY.md": "third-party.md",
    "benchmarks/RESULTS.md": "explanation/results.md",
    "benchmarks/FIRST_FIVE.md": "explanation/first-five.md",
}
"""Pages that have their place elsewhere in the repository."""

MADE = {
    "reference/commands.md": commands.page,
    "reference/http.md": http.page,
    "reference/errors.md": errors.page,
    "reference/artifact-formats.md": formats.page,
    "reference/search-language.md": searching.page,
}

_FENCE = re.compile(r"^\s*(```|~~~)")
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


class BadLink(Exception):
    """A link that leads nowhere."""


def pages() -> dict[str, str]:
    """Return where each of the repository's pages is in the site."""
    found = {
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix()
        for path in sorted((ROOT / "docs").rglob("*.md"))
    }
    found = {page: place.replace("README.md", "index.md") for page, place in found.items()}
    folders = {f"docs/{section}": f"{section}/index.md" for section in navigation.GROUPS}
    return (
        found
        | OUTSIDE
        | examples.places()
        | folders
        | {"README.md": "index.md", "examples": "examples/index.md"}
    )


def stage(folder: Path) -> None:
    """Write all that Sphinx is to read into `folder`."""
    places = pages()
    for page, place in places.items():
        if page.endswith(".md") and page != "README.md":
            _write(folder / place, moved(page, place, (ROOT / page).read_text(), places))
    for place, made in MADE.items():
        _write(folder / place, made())
    for place, text in (examples.pages() | python_api.pages()).items():
        _write(folder / place, text)
    for picture in (ROOT / "docs").rglob("*.png"):
        target = folder / picture.relative_to(ROOT / "docs")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    shutil.copyfile(ROOT / "docs/reference/openapi.json", folder / "reference/openapi.json")
    navigation.add(folder)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def moved(page: str, place: str, text: str, places: dict[str, str]) -> str:
    """Return a page's text with its links leading where their targets are in the site.

    Raises:
        BadLink: One leads to nothing that the site has.
    """

    def link(match: re.Match[str]) -> str:
        path, mark, anchor = match[1].partition("#")
        if not path or ":" in path:
            return match[1]
        target = os.path.normpath(PurePosixPath(page).parent / path)
        there = places.get(target) or target.removeprefix("docs/")
        if there not in MADE and not (there != target and (ROOT / target).exists()):
            raise BadLink(f"{page}: {match[1]} leads nowhere")
        return os.path.relpath(there, PurePosixPath(place).parent) + mark + anchor

    return "".join(_LINK.sub(link, line) if prose else line for line, prose in _lines(text))


def links(page: Path) -> Iterator[str]:
    """Yield where the links of a page lead, those in code left out."""
    for line, prose in _lines(page.read_text()):
        if prose:
            yield from _LINK.findall(line)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a page, and whether each is prose."""
    fenced = False
    for line in text.splitlines(keepends=True):
        fence = _FENCE.match(line) is not None
        yield line, not fenced and not fence
        fenced ^= fence
