"""The figures that the README quotes from RESULTS.md: ``python -m benchmarks.readme`` puts them there."""

from __future__ import annotations

import re
import sys

from benchmarks.environments import ROOT

__all__ = ["block", "main"]

README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md"
_BLOCK = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)

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


def main() -> int:
    """Write the table into the README."""
    table = block(RESULTS.read_text())
    README.write_text(_BLOCK.sub(lambda _: table, README.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
