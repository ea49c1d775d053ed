"""Runs side by side, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chachaml.display.html import document, html_table, run_title, text
from chachaml.display.tables import cell_text
from chachaml.display.text import Column, least_width, table, terminal_width
from chachaml.display.words import Paint, count, cut, pairs, plain, safe

if TYPE_CHECKING:
    from chachaml.comparison import Comparison, Section

__all__ = ["comparison_html", "comparison_text"]

MOST_SAME = 12
MISSING = "-"


def comparison_text(comparison: Comparison, *, width: int | None = None, paint: Paint = plain) -> str:
    """Return the runs, numbered, and each section: what differs first, what is the same last."""
    if not comparison.runs:
        return "no runs to compare"
    room = width or terminal_width()
    lines = list(_runs(comparison, room, paint))
    for name, section in comparison.sections().items():
        lines += _section(name, section, len(comparison.runs), room, paint)
    return "\n".join(lines)


def _runs(comparison: Comparison, room: int, paint: Paint) -> Iterator[str]:
    runs = comparison.runs
    columns = [
        Column("", [str(number) for number in range(1, len(runs) + 1)], right=True),
        Column("id", [run.short_id for run in runs], style="strong"),
        Column("name", [safe(run.name) for run in runs], floor=12),
        Column("experiment", [safe(run.experiment) for run in runs], floor=10),
        Column("status", [run.status for run in runs], style="status"),
    ]
    yield from table(columns, room, paint)


def _section(name: str, section: Section, runs: int, room: int, paint: Paint) -> Iterator[str]:
    counts = {
        "differ": len(section.differ),
        "in some runs only": len(section.partial),
        "the same": len(section.same),
    }
    if not any(counts.values()):
        return
    said = ", ".join(f"{amount:,} {how}" for how, amount in counts.items() if amount)
    yield f"{paint(name, 'accent')} {paint(f'({said})', 'dim')}"
    unequal = {**section.differ, **section.partial}
    if unequal:
        yield from _unequal(unequal, section, runs, room, paint)
    if section.same:
        some = dict(list(section.same.items())[:MOST_SAME])
        more = f", and {len(section.same) - MOST_SAME:,} more" if len(section.same) > MOST_SAME else ""
        shared = pairs((key, cell_text(value) or "null") for key, value in some.items())
        yield paint(cut(f"  same: {shared}{more}", room), "dim")


def _unequal(
    unequal: dict[str, list[Any]], section: Section, runs: int, room: int, paint: Paint
) -> Iterator[str]:
    columns = [Column("", [safe(key) for key in unequal], floor=12)]
    for run in range(runs):
        values = [_value(values[run], partial=key in section.partial) for key, values in unequal.items()]
        column = Column(str(run + 1), values, right=True, floor=6)
        if least_width([*columns, column]) > room - 2 and len(columns) > 1:
            break
        columns.append(column)
    yield from table(columns, room, paint, indent="  ")
    hidden = runs - len(columns) + 1
    if hidden:
        yield paint(f"  ... and {count(hidden, 'more run')}, for which there is no room: .df()", "dim")


def _value(value: Any, *, partial: bool) -> str:
    return (MISSING if partial else "null") if value is None else cell_text(value) or '""'


def comparison_html(comparison: Comparison) -> str:
    """Return a table with a column for each run; what differs is marked, what is the same folded away."""
    if not comparison.runs:
        return document(['<span class="soft">no runs to compare</span>'])
    parts: list[str] = []
    titles = ["", *(run_title(run) for run in comparison.runs)]
    for name, section in comparison.sections().items():
        parts += _html_section(name, section, titles)
    return document(parts or ['<span class="soft">nothing was logged to these runs</span>'])


def _html_section(name: str, section: Section, titles: Sequence[str]) -> Iterator[str]:
    runs = len(titles) - 1
    rows = [_html_row(key, values, partial=False) for key, values in section.differ.items()]
    rows += [_html_row(key, values, partial=True) for key, values in section.partial.items()]
    if not rows and not section.same:
        return
    yield f"<h5>{name}</h5>"
    if rows:
        yield html_table(titles, rows, [False] + [True] * runs)
    if section.same:
        same = [[text(key, 80), text(cell_text(value) or "null", 160)] for key, value in section.same.items()]
        inner = html_table((), same, (False, False))
        yield f'<details><summary class="soft">{len(same):,} the same</summary>{inner}</details>'


def _html_row(key: str, values: Sequence[Any], *, partial: bool) -> list[str]:
    shown = [text(_value(value, partial=partial), 80) for value in values]
    mark = "partial" if partial else "differs"
    return [f'<span class="{mark}">{text(key, 80)}</span>', *shown]
