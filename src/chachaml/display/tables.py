"""Tables of any columns, as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chachaml.display.html import document, html_table, text
from chachaml.display.text import MAX_ROWS, Column, least_width, table, terminal_width
from chachaml.display.words import Paint, count, moment, number, plain, safe, value_text

if TYPE_CHECKING:
    from chachaml.table import Table

__all__ = ["cell_text", "table_html", "table_text"]

MOST_COLUMNS = 40


def cell_text(value: Any) -> str:
    """Return a value of any kind as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return value_text(value)


def _is_numeric(column: Sequence[Any]) -> bool:
    there = [value for value in column if value is not None]
    return bool(there) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there)


def table_text(rows: Table, *, width: int | None = None, paint: Paint = plain, most: int = MAX_ROWS) -> str:
    """Return a table with as many columns as fit, and what was left out."""
    room = width or terminal_width()
    shown, columns = rows[:most], list[Column]()
    for name in rows.columns:
        values = shown[name]
        column = Column(safe(name), [cell_text(value) for value in values], _is_numeric(values), floor=8)
        if columns and least_width([*columns, column]) > room:
            break
        columns.append(column)
    hidden = rows.columns[len(columns) :]
    footer = f"{count(len(rows), 'row')}{'; there are more: ask with limit=' if rows.more else ''}"
    if len(rows) > most:
        footer += f", the first {most} shown"
    if hidden:
        names = ", ".join(safe(name) for name in hidden[:8]) + (", ..." if len(hidden) > 8 else "")
        footer += f"; {count(len(hidden), 'more column')}: {names}"
    return "\n".join([*(table(columns, room, paint) if columns else ()), paint(footer, "dim")])


def table_html(rows: Table) -> str:
    """Return a table for notebooks."""
    shown, names = rows[:MAX_ROWS], rows.columns[:MOST_COLUMNS]
    # The numbers stand together on the right of a table, so each column says for itself which it is.
    numeric = [_is_numeric(shown[name]) for name in names]
    body = [[text(cell_text(value), 200) for value in row[: len(names)]] for row in shown.rows()]
    footer = count(len(rows), "row") + ("; there are more" if rows.more else "")
    if len(rows.columns) > len(names):
        footer += f"; {count(len(rows.columns) - len(names), 'more column')}"
    titles = [text(name, 60) for name in names]
    return document([html_table(titles, body, numeric), f'<div class="soft">{footer}</div>'])
