"""Tables, frames and histograms as bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from chachaml.artifacts import plain
from chachaml.artifacts.formats import missing
from chachaml.core.errors import BadValue

__all__ = [
    "as_table",
    "from_arrow",
    "from_histogram",
    "from_pandas",
    "from_polars",
    "from_table",
    "histogram",
    "to_arrow",
    "to_histogram",
    "to_pandas",
    "to_polars",
    "to_table",
]


def as_table(rows: Any, headers: Sequence[str] | None = None) -> dict[str, list[Any]]:
    """Return ``{"headers": [...], "rows": [[...], ...]}``.

    Args:
        rows: Dicts, whose keys are the headers in the order of their first appearance; or sequences
            of cells; or ``{"headers": ..., "rows": ...}`` already.
        headers: Names of the columns for sequences of cells. Default: "0", "1", and so on.

    Raises:
        BadValue: Rows of other kinds or of unequal lengths, or cells that are not plain data.
    """
    if isinstance(rows, Mapping) and {"headers", "rows"} <= rows.keys():
        return as_table(rows["rows"], list(rows["headers"]))
    rows = [row if isinstance(row, Mapping) else list(_cells(row)) for row in rows]
    if rows and all(isinstance(row, Mapping) for row in rows):
        names = list(headers or dict.fromkeys(str(key) for row in rows for key in row))
        rows = [[{str(k): v for k, v in row.items()}.get(name) for name in names] for row in rows]
    else:
        names = list(headers or map(str, range(len(rows[0]) if rows else 0)))
    for number, row in enumerate(rows):
        if isinstance(row, Mapping) or len(row) != len(names):
            raise BadValue(f"row {number} of the table does not have the {len(names)} cells of its headers")
    return {"headers": [str(name) for name in names], "rows": rows}


def _cells(row: Any) -> Any:
    if isinstance(row, (str, bytes)) or not hasattr(row, "__iter__"):
        raise BadValue(f"a row of a table is a dict or a sequence of cells, not {type(row).__name__}")
    return row


def from_table(table: Any) -> bytes:
    """Return a table as JSON; cells that are not plain data are kept as their text."""
    found = as_table(table)
    return plain.dumps({**found, "rows": [[_cell(cell) for cell in row] for row in found["rows"]]})


def _cell(cell: Any) -> Any:
    try:
        plain.dumps(cell)
    except plain.NotPlain:
        return str(cell)
    return cell


def to_table(data: bytes, _: bool) -> Any:
    """Return the table as ``{"headers": [...], "rows": [[...], ...]}``."""
    return plain.loads(data)


def from_pandas(frame: Any) -> bytes:
    """Return a pandas frame as Parquet, index and dtypes included."""
    whole: bytes = frame.to_parquet(engine="pyarrow")
    return whole


def to_pandas(data: bytes, _: bool) -> Any:
    """Return Parquet as a pandas frame."""
    try:
        import pandas as pd

        return pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    except ImportError as error:
        raise missing("pandas pyarrow", "loading this table") from error


def from_polars(frame: Any) -> bytes:
    """Return a polars frame as Parquet."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def to_polars(data: bytes, _: bool) -> Any:
    """Return Parquet as a polars frame."""
    try:
        import polars as pl
    except ImportError as error:
        raise missing("polars", "loading this table") from error
    return pl.read_parquet(io.BytesIO(data))


def from_arrow(table: Any) -> bytes:
    """Return an Arrow table as Parquet."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def to_arrow(data: bytes, _: bool) -> Any:
    """Return Parquet as an Arrow table."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing("pyarrow", "loading this table") from error
    return pq.read_table(io.BytesIO(data))


def histogram(values: Any, bins: int = 64) -> dict[str, list[float]]:
    """Return ``{"counts": [...], "edges": [...]}`` of the finite ones among `values`.

    Raises:
        BadValue: No finite numbers, or no bins.
    """
    import numpy as np

    try:
        numbers = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise BadValue(f"a histogram is of numbers: {error}") from None
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or bins < 1:
        raise BadValue("a histogram needs a finite number at least, and a bin")
    counts, edges = np.histogram(numbers, bins)
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def from_histogram(found: Any) -> bytes:
    """Return a histogram as JSON."""
    return plain.dumps(found)


def to_histogram(data: bytes, _: bool) -> Any:
    """Return the histogram as ``{"counts": [...], "edges": [...]}``."""
    return plain.loads(data)
