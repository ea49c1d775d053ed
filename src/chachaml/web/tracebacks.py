"""Tracebacks as people read them: their own lines in sight, those of libraries folded."""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

__all__ = ["Stretch", "stretches"]

_FRAME = re.compile(r'\s*(?:\| )?\s*File "(?P<file>[^"]*)", line \d+')
_LIBRARY = re.compile(
    r"[/\\](site|dist)-packages[/\\]|[/\\]lib[/\\]python3[^/\\]*[/\\]|^<frozen |[/\\]Lib[/\\]"
)


class Stretch(NamedTuple):
    """Lines that follow each other; ``frames`` counts those of libraries, 0 for lines to be seen."""

    text: str
    frames: int


def stretches(traceback: str) -> list[Stretch]:
    """Return a traceback in stretches that are either to be seen or to be folded."""
    marked: list[tuple[bool, str]] = []
    folded = False
    for line in traceback.rstrip().splitlines():
        if match := _FRAME.match(line):
            folded = bool(_LIBRARY.search(match["file"]))
        elif not line.startswith((" ", "\t")):
            folded = False
        marked.append((folded, line))
    return [
        Stretch("\n".join(lines), sum(bool(_FRAME.match(line)) for line in lines) if fold else 0)
        for fold, group in groupby(marked, key=lambda one: one[0])
        if (lines := [line for _, line in group])
    ]
