"""Small pieces of Markdown that pages which are made consist of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["code", "prose", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; nothing if it has no rows."""
    lines = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    if not lines:
        return ""
    drawn = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in drawn) + "\n"


def code(text: object) -> str:
    """Return text as code."""
    return f"`{text}`" if str(text) else ""


def prose(text: str) -> str:
    """Return what a docstring says as Markdown: its code stays code, and nothing else becomes markup."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text.strip())
    return "".join(
        "`" + part.strip("`") + "`" if number % 2 else re.sub(r"([<>*_\[\]{}\\$#])", r"\\\1", part)
        for number, part in enumerate(parts)
    )
