"""Figures that pages quote from RESULTS.md and FIRST_FIVE.md: ``python -m benchmarks.readme`` writes them."""

from __future__ import annotations

import re
import sys

from benchmarks.environments import ROOT

__all__ = ["block", "first_five", "main", "written"]

RESULTS, FIRST_FIVE = ROOT / "benchmarks" / "RESULTS.md", ROOT / "benchmarks" / "FIRST_FIVE.md"
_EXPLANATION = ROOT / "docs" / "explanation"
PAGES = (ROOT / "README.md", _EXPLANATION / "comparison.md", _EXPLANATION / "performance.md")
"""Pages that quote figures, between ``<!-- figures -->`` or ``<!-- first five -->`` and its end."""

_COLUMNS = (
    # title here, heading of the table there, column there, form of the tool's name there, factor
    ("a log call, us", "tool", "p50 ns", "{}, one key", 1e-3),
    ("points a second until readable", "until everything can be read", "points a second", "{}, one key", 1),
    ("bytes a point", "disk", "bytes a point", "{}", 1),
    ("lost of 1,000 by `kill -9`", "tool", "lost", "{}", 1),
    ("first run to exit, ms", "ms", "first run, median", "{}", 1),
    ("install, MB beyond numpy", "install", "MB beyond numpy", "{}", 1),
)
_TOOLS = ("chachaml", "trackio", "tensorboardX", "wandb", "swanlab", "aim", "mlflow")


def block(results: str) -> str:
    """Return the README's table of figures, taken from the text of RESULTS.md."""
    tables = _tables(results)
    head = ["", *(column[0] for column in _COLUMNS)]
    rows = [[tool, *(_figure(tables, tool, *column[1:]) for column in _COLUMNS)] for tool in _TOOLS]
    lines = [head, ["---", *["--:"] * len(_COLUMNS)], *rows]
    return "\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n"


def _tables(text: str) -> list[list[dict[str, str]]]:
    """Return all tables as lists of rows by column; a row's first cell is under the empty name too."""
    found: list[list[dict[str, str]]] = []
    for part in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in part.splitlines())
        found.append([dict(zip(["", *head], [row[0], *row], strict=True)) for row in rows])
    return found


def _figure(
    tables: list[list[dict[str, str]]], tool: str, title: str, column: str, form: str, factor: float
) -> str:
    # chachaml's float64 curve stands for it where its row says which of several it is.
    names = (form.format(tool), form.format(tool) + " a call", f"{tool}, float64")
    for table in tables:
        for row in table:
            if title in row and row[""] in names and column in row:
                return _scaled(row[column], factor)
    return "failed"


def _scaled(text: str, factor: float) -> str:
    if factor == 1:
        return text
    number = float(text.replace(",", "")) * factor
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def first_five(results: str) -> str:
    """Return the README's table of the first five minutes, taken from the text of FIRST_FIVE.md."""
    (rows,) = _tables(results)
    head = ["", "commands", "seconds", "of them installing", "MB installed"]
    columns = ("tool", "commands", "in all, s", "install, s", "MB")
    lines = [head, ["---", *["--:"] * 4], *([row[key] or row["page, s"] for key in columns] for row in rows)]
    return "\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n"


def written(page: str, results: str, first: str) -> str:
    """Return a page with its figures as they are now."""
    for mark, table in (("figures", block(results)), ("first five", first_five(first))):
        between = re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)", re.DOTALL)
        page = between.sub(lambda _, table=table: table, page)
    return page


def main() -> int:
    """Write the tables into the pages."""
    for page in PAGES:
        page.write_text(written(page.read_text(), RESULTS.read_text(), FIRST_FIVE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
