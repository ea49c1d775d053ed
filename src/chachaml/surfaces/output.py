"""What commands print: text with colour where it is wanted, strict JSON, and errors with a hint."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click
import msgspec

from chachaml.core.errors import BadValue, ChachamlError, Conflict, NotFound, StoreError
from chachaml.core.values import json_ready
from chachaml.display import Paint, ansi, plain, safe, table_text
from chachaml.table import Table

__all__ = [
    "EXIT_CODES",
    "exit_code",
    "paint_for",
    "print_data",
    "print_json",
    "print_report",
    "print_warning",
    "printable",
    "table",
    "tell",
    "width",
]

EXIT_CODES = ((BadValue, 2), (NotFound, 3), (Conflict, 4), (StoreError, 5))
"""The exit code of each class of error; any other is 1."""


def exit_code(error: ChachamlError) -> int:
    """Return the exit code that tells scripts what kind of error it was."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def paint_for(stream: TextIO) -> Paint:
    """Return colours for a terminal, none for pipes, dumb terminals and ``NO_COLOR``."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return ansi if wanted else plain


def width() -> int:
    """Return the columns to print in."""
    return shutil.get_terminal_size((100, 24)).columns


def tell(error: ChachamlError) -> None:
    """Say on standard error what went wrong and what to do next."""
    paint = paint_for(sys.stderr)
    click.echo(f"{paint('error:', 'failed')} {printable(error.message)}", err=True)
    if error.hint:
        click.echo(f"{paint('hint:', 'dim')}  {printable(error.hint)}", err=True)


def print_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    """Say a warning on standard error without the place in the code that raised it."""
    click.echo(f"{paint_for(sys.stderr)('warning:', 'interrupted')} {printable(str(message))}", err=True)


def printable(text: str) -> str:
    """Return text without what a terminal would take for commands."""
    return "\n".join(safe(line) for line in text.splitlines())


def print_json(data: object) -> None:
    """Print one strict JSON document: NaN and the infinities as strings."""
    encoding = sys.stdout.encoding or "ascii"
    ascii_only = not encoding.lower().startswith("utf")
    click.echo(
        json.dumps(json_ready(msgspec.to_builtins(data)), indent=2, ensure_ascii=ascii_only, allow_nan=False)
    )


def print_data(text: str) -> None:
    """Print what programs read: what the stream cannot carry as escapes, never as another sign."""
    encoding = sys.stdout.encoding or "ascii"
    click.echo(text.encode(encoding, errors="backslashreplace").decode(encoding), nl=False)


def table(rows: Table) -> str:
    """Return a table as this terminal shows it."""
    return table_text(rows, width=width(), paint=paint_for(sys.stdout))


def print_report(report: object) -> None:
    """Print a report as ``what  value`` lines."""
    facts = dict(_flat(msgspec.to_builtins(report)))
    widest = max(map(len, facts))
    paint = paint_for(sys.stdout)
    for name, text in facts.items():
        click.echo(f"{paint(name.replace('_', ' ').ljust(widest), 'dim')}  {printable(text)}")


def _flat(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from ((f"{name} {inner}", text) for inner, text in _flat(value))
        elif isinstance(value, (list, tuple)):
            yield name, "; ".join(map(str, value)) or "none"
        else:
            yield name, f"{value:,}" if isinstance(value, int) else str(value)
