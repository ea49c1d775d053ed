"""Write the guide's page of patterns, from what the use cases say: ``python -m examples.showcase.page``."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from examples.showcase import USE_CASES

__all__ = ["PAGE", "calls", "text"]

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "patterns.md"

HEAD = """# Patterns

Twenty-five use cases, each a file that is read in a minute. In a clone, `python -m examples.showcase 18` runs
one, and without a number all of them. Below is what each shows, and the calls that find it afterwards.

This page is written by `python -m examples.showcase.page`, from the files.
"""


def said(name: str) -> tuple[str, str]:
    """Return what a use case says of itself, and the calls that it names."""
    source = (Path(__file__).parent / f"{name}.py").read_text()
    about, _, indented = (ast.get_docstring(ast.parse(source), clean=False) or "").partition("\n\n    ")
    return about, inspect.cleandoc("    " + indented)


def calls(name: str) -> list[str]:
    """Return the calls that a use case names."""
    return said(name)[1].splitlines()


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    for number, name in enumerate(USE_CASES, 1):
        about, code = said(name)
        title, _, more = about.partition(":")
        words = " ".join(more.split())
        file = f"[{name}.py](../../examples/showcase/{name}.py)"
        parts.append(f"## {number}. {title}\n\n{words[:1].upper()}{words[1:]} {file}\n\n```py\n{code}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text())
