"""Operations on many runs as a table: pages from anywhere, chosen columns, groups."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from chachaml import searching
from chachaml.analysis.groups import Group, grouped
from chachaml.connection import connection
from chachaml.core.errors import BadValue
from chachaml.core.model import Facet, RunQuery
from chachaml.core.query import Field, parse_order
from chachaml.ops.operation import operation
from chachaml.ops.runs import AnyStatus, Limit
from chachaml.results import Run
from chachaml.store.protocol import Store

__all__ = ["Chosen", "TablePage", "get_values", "group_runs", "list_facets", "page_runs"]

_FIELDS = 50
"""Columns at once, at most."""

Most = Annotated[int, Meta(ge=1, le=100_000)]


class TablePage(msgspec.Struct, frozen=True):
    """Some runs of a table, and how many it has in all."""

    total: int
    runs: tuple[Run, ...]


class Chosen(msgspec.Struct, frozen=True):
    """The values of fields of runs, each in the order of ``runs``, their ids; None where a run has none."""

    runs: list[str]
    values: dict[str, list[Any]]


@operation("read")
def page_runs(
    filter: str = "",
    order_by: str = "",
    experiment: str | None = None,
    status: AnyStatus | None = None,
    archived: bool | None = False,
    keys: list[str] = [],  # noqa: B006 - it is only read
    offset: Annotated[int, Meta(ge=0)] = 0,
    limit: Limit = 100,
) -> TablePage:
    """Give a page of runs from anywhere in their order, with params and metrics of some keys only.

    Args:
        filter: What they must meet, in the search language.
        order_by: Another order than newest first, such as "metrics.loss asc, started desc".
        experiment: Only runs of this experiment.
        status: Only runs in this status.
        archived: False hides archived runs, True shows these alone.
        keys: The params and metrics to fill.
        offset: Skip so many.
        limit: At most so many.
    """
    store, query = _asked(filter, order_by, experiment=experiment, status=status, archived=archived)
    rows = store.find_runs(
        replace(query, limit=limit, offset=offset, keys=tuple(keys), with_values=True)
    ).runs
    # A page that is not full, unless it lies behind the end, says by itself how many there are.
    short = len(rows) < limit and (rows or not offset)
    total = offset + len(rows) if short else store.count_runs(query)
    return TablePage(total, tuple(map(Run.from_row, rows)))


@operation("read")
def list_facets(
    filter: str = "",
    experiment: str | None = None,
    status: AnyStatus | None = None,
    archived: bool | None = False,
    limit: Most = 2000,
) -> list[Facet]:
    """List the params, metrics and tags that runs have: how many, how many values that differ, their range.

    Args:
        filter: What runs must meet, in the search language.
        experiment: Only runs of this experiment.
        status: Only runs in this status.
        archived: False hides archived runs, True shows these alone.
        limit: Look at so many of the newest runs.
    """
    store, query = _asked(filter, "", experiment=experiment, status=status, archived=archived)
    return store.facets(replace(query, limit=limit))


@operation("read")
def get_values(
    fields: list[str],
    filter: str = "",
    order_by: str = "",
    experiment: str | None = None,
    status: AnyStatus | None = None,
    archived: bool | None = False,
    limit: Most = 1000,
) -> Chosen:
    """Give chosen fields of many runs, as columns.

    Args:
        fields: As in searches: "params.lr", "metrics.loss.min", "tags.team", "status".
        filter: What runs must meet, in the search language.
        order_by: Another order than newest first.
        experiment: Only runs of this experiment.
        status: Only runs in this status.
        archived: False hides archived runs, True shows these alone.
        limit: At most so many.
    """
    store, query = _asked(filter, order_by, experiment=experiment, status=status, archived=archived)
    found = store.values(replace(query, limit=limit), _fields(fields))
    return Chosen(found.runs, dict(zip(fields, found.columns, strict=True)))


@operation("read")
def group_runs(
    by: list[str],
    fields: list[str] = [],  # noqa: B006 - it is only read
    filter: str = "",
    experiment: str | None = None,
    status: AnyStatus | None = None,
    archived: bool | None = False,
    limit: Most = 500,
) -> list[Group]:
    """Group runs by what they have in common, and sum up numbers within each group.

    Args:
        by: Fields, as in searches: "params.lr", "tags.team", "status".
        fields: Fields to sum up: "metrics.loss.min".
        filter: What runs must meet, in the search language.
        experiment: Only runs of this experiment.
        status: Only runs in this status.
        archived: False hides archived runs, True shows these alone.
        limit: At most so many groups, the largest ones.
    """
    store, query = _asked(filter, "", experiment=experiment, status=status, archived=archived)
    wanted = [*_fields(by), *_fields(fields)]
    columns = store.values(replace(query, limit=100_000), wanted).columns
    return grouped(columns[: len(by)], columns[len(by) :])[:limit]


def _asked(filter: str, order_by: str, **conditions: Any) -> tuple[Store, RunQuery]:
    store = connection().ready()
    return store, searching.query(store, filter, order_by, **conditions)


def _fields(texts: list[str]) -> list[Field]:
    """Return what some texts name.

    Raises:
        BadQuery: One of them is no field.
        BadValue: There are none, or too many.
    """
    if len(texts) > _FIELDS:
        raise BadValue(f"at most {_FIELDS} fields at once, not {len(texts)}", "ask in several requests")
    return [_field(text) for text in texts]


def _field(text: str) -> Field:
    found = parse_order(text)
    if len(found) != 1 or found[0].descending:
        raise BadValue(f"{text!r} is no single field", "such as params.lr, metrics.loss.min or status")
    return found[0].field
