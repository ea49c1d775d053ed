"""The memory store's columns of chosen fields, and what some runs have at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from chachaml.core.model import Columns, DatasetRow, Facet, RunRow, Summary, Values
from chachaml.core.query import Field, value_of
from chachaml.core.values import canonical
from chachaml.store.memory_runs import last_of
from chachaml.store.rows import number_of

__all__ = ["columns_of", "facets_of", "values_of"]


def columns_of(rows: Sequence[RunRow]) -> Columns:
    """Return runs, given whole, as columns."""
    params = sorted({key for row in rows for key in row.params})
    metrics = sorted({key for row in rows for key in row.metrics})
    tags = sorted({key for row in rows for key in row.tags})
    return Columns(
        runs=tuple(replace(row, params={}, metrics={}, tags={}) for row in rows),
        params={key: [row.params.get(key) for row in rows] for key in params},
        metrics={key: [last_of(row.metrics.get(key)) for row in rows] for key in metrics},
        tags={key: [row.tags.get(key) for row in rows] for key in tags},
    )


def values_of(runs: Sequence[tuple[RunRow, Sequence[DatasetRow]]], fields: Sequence[Field]) -> Values:
    """Return the values of some fields of runs, given whole, each with its data sets."""
    rows = [replace(row, datasets=tuple(datasets)) for row, datasets in runs]
    return Values([row.id for row in rows], [[value_of(field, row) for row in rows] for field in fields])


def facets_of(rows: Sequence[RunRow]) -> list[Facet]:
    """Return what runs, given whole, have: by kind, then by key."""
    return [*_metrics(rows), *_params(rows), *_tags(rows)]


def _metrics(rows: Sequence[RunRow]) -> Iterator[Facet]:
    for key in _keys(row.metrics for row in rows):
        found: list[Summary] = [row.metrics[key] for row in rows if key in row.metrics]
        numbers = [one.last for one in found if not math.isnan(one.last)]
        yield Facet("metric", key, len(found), len({*numbers}), *_range(numbers), max(s.count for s in found))


def _params(rows: Sequence[RunRow]) -> Iterator[Facet]:
    for key in _keys(row.params for row in rows):
        texts = [canonical("param", row.params[key]) for row in rows if key in row.params]
        numbers = [number for text in texts if (number := number_of(text)) is not None]
        yield Facet("param", key, len(texts), len({*texts}), *_range(numbers))


def _tags(rows: Sequence[RunRow]) -> Iterator[Facet]:
    for key in _keys(row.tags for row in rows):
        texts = [row.tags[key] for row in rows if key in row.tags]
        yield Facet("tag", key, len(texts), len({*texts}))


def _keys(some: Iterable[Iterable[str]]) -> list[str]:
    return sorted({key for keys in some for key in keys})


def _range(numbers: Sequence[float]) -> tuple[float | None, float | None]:
    low, high = min(numbers, default=None), max(numbers, default=None)
    return _finite(low), _finite(high)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
