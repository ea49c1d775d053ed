"""From what people type to what a store is asked, and back."""

from __future__ import annotations

import difflib
import warnings

from msgspec.structs import replace

from chachaml.core.errors import BadQuery, BadValue, ChachamlWarning
from chachaml.core.model import STATUSES, RunQuery
from chachaml.core.query import And, Compare, Expression, Field, In, Or, fields_of, parse, parse_order
from chachaml.results import Run, Runs
from chachaml.store.protocol import Store

__all__ = ["find", "metric_test", "narrowed", "query"]


def query(
    store: Store,
    filter: str | None,
    order_by: str | None,
    *,
    experiment: str | None = None,
    status: str | None = None,
    name: str | None = None,
    created_by: str | None = None,
    parent: str | None = None,
    archived: bool | None = False,
) -> RunQuery:
    """Return what to ask the store for; see `chachaml.runs`.

    Raises:
        BadQuery: The filter or order makes no sense.
        BadValue: An unknown status.
    """
    if status is not None and status not in (*STATUSES, "archived"):
        raise BadValue(f"no run has the status {status!r}", "one of: " + ", ".join((*STATUSES, "archived")))
    try:
        expression = None if filter is None or not filter.strip() else parse(filter)
        order = parse_order(order_by) if order_by else ()
    except BadQuery as error:
        raise _with_known_keys(error, store) from None
    if status == "archived" or (expression is not None and _asks_for_archived(expression)):
        archived = True if status == "archived" else None
    return RunQuery(
        experiment=experiment,
        status=None if status == "archived" else status,  # type: ignore[arg-type]
        name=name,
        created_by=created_by,
        parent=parent,
        archived=archived,
        filter=expression,
        order=order,
    )


def find(store: Store, query: RunQuery, limit: int) -> Runs:
    """Return the runs that a query asks for; says so if none can match for want of a key."""
    page = store.find_runs(replace(query, limit=limit, with_values=True))
    if not page.runs:
        _tell_unknown_keys(store, query)
    return Runs([Run.from_row(row) for row in page.runs], next=page.next or "")


def narrowed(query: RunQuery, also: Expression | None) -> RunQuery:
    """Return a query whose runs must meet `also` as well."""
    if also is None:
        return query
    return replace(query, filter=also if query.filter is None else And((also, query.filter)))


def metric_test(key: str, op: str, value: float | None, *, any: bool) -> Expression:
    """Return the test of `chachaml.search_runs`.

    Raises:
        BadValue: An unknown op, or a value that is no number.
    """
    if op not in (">", ">=", "<", "<=", "="):
        raise BadValue(f"op must be one of > >= < <= =, not {op!r}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadValue(f"metric_value must be a number, not {value!r}") from None
    if not any:
        return Compare(Field("metric", key), op, number)  # type: ignore[arg-type]
    if op == "=":
        raise BadValue(
            "whether any value equals a number is not kept", "say between which it may lie, with >= and <="
        )
    return Compare(Field("metric", key, "max" if op in (">", ">=") else "min"), op, number)  # type: ignore[arg-type]


def _asks_for_archived(expression: Expression) -> bool:
    """Tell whether a filter says itself what is to be done with archived runs."""
    if isinstance(expression, (And, Or)):
        return any(map(_asks_for_archived, expression.parts))
    status = Field("attribute", "status")
    if isinstance(expression, Compare) and expression.field == status:
        return expression.value == "archived"
    if isinstance(expression, In) and expression.field == status:
        return "archived" in expression.values
    return any(field == Field("attribute", "archived") for field in fields_of(expression))


def _with_known_keys(error: BadQuery, store: Store) -> BadQuery:
    """Return the error with a better guess at a name that is not an attribute: a key that some run has."""
    if not error.name:
        return error
    known = [(f"{kind}s.{key}", key) for kind, keys in store.keys().items() for key in keys]
    near = difflib.get_close_matches(error.name, [key for _, key in known], 1, 0.75)
    if not near:
        return error
    whole = [name for name, key in known if key == near[0]]
    return BadQuery(error.why, error.text, error.at, f"did you mean {' or '.join(whole)}?", error.name)


def _tell_unknown_keys(store: Store, query: RunQuery) -> None:
    keyed = ("metric", "param", "tag")
    asked = [] if query.filter is None else [f for f in fields_of(query.filter) if f.kind in keyed]
    if not asked:
        return
    known = store.keys()
    if not any(known.values()):
        return
    for field in dict.fromkeys(asked):
        if field.key not in known[field.kind]:
            near = difflib.get_close_matches(field.key, known[field.kind], 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            message = f"chachaml: no run has a {field.kind} {field.key!r}{guess}"
            warnings.warn(message, ChachamlWarning, stacklevel=4)
