"""Taking runs elsewhere: flat maps, tables, files, and SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from chachaml import searching
from chachaml.connection import connection
from chachaml.core.errors import BadValue
from chachaml.results import Run
from chachaml.table import Table, flat_runs

__all__ = ["export_runs", "sql"]

_INTO: dict[str, Callable[[Table, str | Path | None], Any]] = {
    "table": lambda table, path: table,  # noqa: ARG005
    "dicts": lambda table, path: table.to_dicts(),  # noqa: ARG005
    "df": lambda table, path: table.df(),  # noqa: ARG005
    "arrow": lambda table, path: table.to_arrow(),  # noqa: ARG005
    "csv": lambda table, path: table.to_csv(path),
    "jsonl": lambda table, path: table.to_jsonl(path),
    "parquet": lambda table, path: table.to_parquet(cast(Path, path)),
}

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def export_runs(
    filter: str | None = None,
    *,
    order_by: str | None = None,
    experiment: str | None = None,
    status: str | None = None,
    created_by: str | None = None,
    archived: bool | None = False,
    format: str | None = None,
    path: str | Path | None = None,
) -> Any:
    """Return all runs that match as flat maps, or take them elsewhere; there is no limit.

    A run is: id, name, experiment, status, started, ended, duration (seconds), created_by, parent,
    error; its params and the last value of its metrics under their own names, and its tags as
    ``tags.<key>``. A name that several of these have is spelled as in searches (``params.lr``,
    ``metrics.lr``), so that nothing hides another. What a run lacks is None.

    Args:
        filter: In the search language; see `chachaml.runs`.
        order_by: Likewise.
        experiment: Of this experiment.
        status: Of this status.
        created_by: Of this user.
        archived: False leaves archived runs out, True takes these alone, None both.
        format: "dicts" (the default: a list), "table" (a `Table`), "df" (pandas), "arrow" (pyarrow),
            "csv" or "jsonl" (text, or a file if a path is given), "parquet" (a file).
        path: Where to write a file; its suffix tells the format too.

    Raises:
        BadValue: An unknown format, or one that needs a path or takes none.
        MissingExtra: pandas or pyarrow is needed and not installed.
    """
    kind = format or _format_of(path)
    if kind not in _INTO:
        raise BadValue(f"no format {kind!r}", "one of: " + ", ".join(_INTO))
    files = kind in _SUFFIXES.values()
    if (path is None) if kind == "parquet" else (path is not None and not files):
        raise BadValue(f"format {kind!r} {'needs a path' if kind == 'parquet' else 'writes no file'}")
    store = connection().ready()
    query = searching.query(
        store,
        filter,
        order_by,
        experiment=experiment,
        status=status,
        created_by=created_by,
        archived=archived,
    )
    found = store.columns(query)
    runs = [Run.from_row(row) for row in found.runs]
    return _INTO[kind](flat_runs(runs, found.params, found.metrics, found.tags), path)


def _format_of(path: str | Path | None) -> str:
    if path is None:
        return "dicts"
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise BadValue(f"what format is {str(path)!r}?", "say format=, or end it in " + ", ".join(_SUFFIXES))
    return _SUFFIXES[suffix]


def sql(query: str, values: Sequence[Any] | Mapping[str, Any] = (), *, limit: int = 10_000) -> Table:
    """Return what one SELECT finds; nothing can be changed.

    The views: ``runs``, ``params``, ``metrics``, ``tags``, ``artifacts``, ``datasets`` and
    ``experiments``; docs/guide/search.md has their columns.

    Args:
        query: SQL as SQLite understands it.
        values: For its ``?`` or ``:name`` places.
        limit: At most so many rows; the table's ``more`` says whether there are others.

    Raises:
        BadQuery: Not SQL.
        BadValue: It would change something, is more than one statement, or takes longer than 30 seconds.
    """
    if limit < 0:
        raise BadValue(f"limit must be 0 or more, not {limit}")
    store = connection().ready()
    ask = getattr(store, "sql", None)
    if ask is None:
        raise BadValue("there is no store here to ask yet", "log a run first, or chachaml.connect(path)")
    names, rows = ask(query, values, most=limit + 1)
    several = Counter(names)
    unique = [name if several[name] == 1 else f"{name}:{place}" for place, name in enumerate(names, 1)]
    kept = rows[:limit]
    columns = {name: [row[place] for row in kept] for place, name in enumerate(unique)}
    return Table(columns, length=len(kept), more=len(rows) > limit)
