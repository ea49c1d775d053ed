"""`Table`: columns that came out of a search, SQL or an export, and the ways to take them further."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, overload

import msgspec

from chachaml.core.errors import MissingExtra
from chachaml.core.values import json_ready
from chachaml.shown import Shown

if TYPE_CHECKING:
    from chachaml.display import Paint
    from chachaml.results import Run

__all__ = ["Table", "flat_runs"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text must not begin with in a spreadsheet, or it is run as a formula."""


class Table(Shown, Sequence[dict[str, Any]]):
    """Named columns of equal length; a sequence of rows, each a dict.

    ``table[0]`` is a row, ``table["loss"]`` a column as a list, ``table[:10]`` a shorter table.
    ``more`` tells whether there were more rows than the limit let through.
    """

    def __init__(self, columns: Mapping[str, list[Any]], *, length: int = 0, more: bool = False) -> None:
        self._columns = dict(columns)
        self._length = len(next(iter(self._columns.values()))) if self._columns else length
        self.more = more

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Table: ...
    @overload
    def __getitem__(self, index: str) -> list[Any]: ...
    def __getitem__(self, index: int | slice | str) -> dict[str, Any] | Table | list[Any]:
        """Return a row, a part of the table, or a column."""
        if isinstance(index, str):
            return self._columns[index]
        if isinstance(index, slice):
            length = len(range(*index.indices(self._length)))
            return Table({name: column[index] for name, column in self._columns.items()}, length=length)
        if not -self._length <= index < self._length:
            raise IndexError(f"row {index} of {self._length:,}")
        return {name: column[index] for name, column in self._columns.items()}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self.columns
        return (dict(zip(names, row, strict=True)) for row in self.rows())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows as tuples."""
        return zip(*self._columns.values(), strict=True) if self._columns else iter([()] * self._length)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.columns)

    # taking it further ------------------------------------------------------------------------------

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows."""
        return list(self)

    def to_json(self) -> str:
        """Return an array of objects as strict JSON: NaN and infinities as texts, times RFC 3339."""
        return f"[{','.join(map(_json, self))}]"

    def to_jsonl(self, path: str | Path | None = None) -> str:
        """Return, or write to `path`, one object to a line; see `to_json`."""
        return _written((f"{_json(row)}\n" for row in self), path)

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return, or write to `path`, CSV (RFC 4180) in UTF-8, with a line of names.

        A text that a spreadsheet would take for a formula gets an apostrophe before it.
        """
        if path is None:
            text = io.StringIO(newline="")
            self._write_csv(text)
            return text.getvalue()
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            self._write_csv(file)
        return str(path)

    def _write_csv(self, file: TextIO) -> None:
        writer = csv.writer(file)
        writer.writerow(map(_guarded, self.columns))
        writer.writerows(map(_cell, row) for row in self.rows())

    def to_parquet(self, path: str | Path) -> str:
        """Write Parquet to `path`; needs pyarrow."""
        import_arrow("to_parquet")
        import pyarrow.parquet

        pyarrow.parquet.write_table(self.to_arrow(), str(path))
        return str(path)

    def to_arrow(self) -> Any:
        """Return a pyarrow Table; a column of several types becomes text."""
        arrow = import_arrow("to_arrow")
        return arrow.table({name: _arrow_column(arrow, column) for name, column in self._columns.items()})

    def df(self) -> Any:
        """Return a pandas DataFrame; for polars, ``polars.DataFrame(table)`` takes the table itself."""
        try:
            import pandas
        except ImportError:
            raise MissingExtra("df() needs pandas", "pip install pandas") from None
        return pandas.DataFrame(self._columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the columns to any library that takes Arrow's C stream (the PyCapsule interface)."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    # display --------------------------------------------------------------------------------------

    def _text(self, paint: Paint) -> str:
        from chachaml.display import table_text

        return table_text(self, paint=paint)

    def _repr_html_(self) -> str:
        from chachaml.display import table_html

        return table_html(self)


def import_arrow(call: str) -> Any:
    """Return pyarrow.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise MissingExtra(f"{call}() needs pyarrow", "pip install 'chachaml[parquet]'") from None
    return pyarrow


def _json(row: dict[str, Any]) -> str:
    return msgspec.json.encode(json_ready(row)).decode()


def _written(lines: Iterable[str], path: str | Path | None) -> str:
    if path is None:
        return "".join(lines)
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    return str(path)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _guarded(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):
        return msgspec.json.encode(json_ready(value)).decode()
    return value


def _guarded(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def _arrow_column(arrow: Any, column: list[Any]) -> Any:
    kinds = {type(value) for value in column if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        column = [None if value is None else _plain_text(value) for value in column]
    elif kinds == {int, float}:
        column = [None if value is None else float(value) for value in column]
    elif kinds <= {list, dict}:
        column = [None if value is None else _plain_text(value) for value in column]
    elif kinds == {int} and any(value is not None and not -(2**63) <= value < 2**63 for value in column):
        column = [None if value is None else str(value) for value in column]
    return arrow.array(column, from_pandas=False)


def _plain_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return msgspec.json.encode(json_ready(value)).decode()


# runs as a table ------------------------------------------------------------------------------------

_BASE: dict[str, Callable[[Run], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "status": lambda run: run.status,
    "started": lambda run: run.started,
    "ended": lambda run: run.ended,
    "duration": lambda run: run.duration,
    "created_by": lambda run: run.created_by,
    "parent": lambda run: run.parent,
    "error": lambda run: run.error.message if run.error else None,
}


def flat_runs(
    runs: Sequence[Run],
    params: Mapping[str, list[Any]],
    metrics: Mapping[str, list[Any]],
    tags: Mapping[str, list[Any]],
) -> Table:
    """Return a row for each run: what every run has, then params, metrics and tags, given as columns.

    A name that several of these have is spelled as in searches, so that nothing hides another.
    """
    columns: dict[str, list[Any]] = {name: [value(run) for run in runs] for name, value in _BASE.items()}
    times = Counter([*_BASE, *params, *metrics, *(f"tags.{key}" for key in tags)])
    for kind, some in (("params", params), ("metrics", metrics)):
        for key, column in some.items():
            columns[key if times[key] == 1 else f"{kind}.{key}"] = column
    return Table(columns | {f"tags.{key}": column for key, column in tags.items()}, length=len(runs))
