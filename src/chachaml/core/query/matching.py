"""What an expression means, by the book: the memory store asks here, SQL must agree."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from chachaml.core.model import RunRow, Summary
from chachaml.core.query.expressions import (
    And,
    Compare,
    Expression,
    Field,
    In,
    IsNan,
    IsNull,
    Not,
    Or,
    Order,
    Value,
)
from chachaml.core.query.patterns import pattern_matches
from chachaml.core.values import canonical

__all__ = ["Ranks", "matches", "number_in", "rank", "ranks_before", "text_of", "value_of"]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

_MISSING = object()

_FACTS = {"git.sha", "git.branch", "git.dirty", "host", "python"}
"""Attributes that are facts of the run's environment."""

Ranks = tuple[tuple[int, float, str], ...]
"""Where a run stands in each of several orders: 0 and a number, 1 and a text, 2 for NaN, 3 for nothing."""


def matches(expression: Expression, run: RunRow, *, opposite: bool = False) -> bool:
    """Tell whether a run, with tags, params and metrics, meets an expression, or its opposite."""
    match expression:
        case And(parts) | Or(parts):
            every = isinstance(expression, And) is not opposite
            return (all if every else any)(matches(part, run, opposite=opposite) for part in parts)
        case Not(part):
            return matches(part, run, opposite=not opposite)
        case IsNull(field):
            return (_value(field, run) is _MISSING) is not opposite
        case IsNan() | Compare() | In() if expression.field.kind == "dataset":
            values = [getattr(data, expression.field.key) for data in run.datasets]
            return any(_holds(expression, value) is not opposite for value in values)
        case IsNan() | Compare() | In():
            value = _value(expression.field, run)
            return value is not _MISSING and _holds(expression, value) is not opposite


def _holds(condition: IsNan | Compare | In, value: Any) -> bool:
    match condition:
        case IsNan():
            return isinstance(value, float) and math.isnan(value)
        case In(field, values):
            return any(_compares(field, "=", value, each) for each in values)
        case Compare(field, op, wanted):
            return _compares(field, op, value, wanted)


def value_of(field: Field, run: RunRow) -> Any:
    """Return what a run, with all that belongs to it, has there; of several data sets the first one's."""
    if field.kind == "dataset":
        return getattr(run.datasets[0], field.key) if run.datasets else None
    value = _value(field, run)
    return None if value is _MISSING else value


def _value(field: Field, run: RunRow) -> Any:
    """Return what a run has there: a number, a flag, a text; or `_MISSING`."""
    if field.kind == "metric":
        summary = run.metrics.get(field.key)
        return _MISSING if summary is None else _part(summary, field.part)
    if field.kind == "param":
        return run.params.get(field.key, _MISSING)
    if field.kind == "tag":
        return run.tags.get(field.key, _MISSING)
    if field.kind == "dataset":
        return run.datasets or _MISSING
    return _attribute(field.key, run)


def _part(summary: Summary, part: str) -> Any:
    value = getattr(summary, part)
    return _MISSING if value is None else float(value)


def _attribute(name: str, run: RunRow) -> Any:
    if name == "archived":
        return run.archived is not None
    if name == "status" and run.archived is not None:
        return "archived"
    if name in ("error", "error_type"):
        error = run.error
        return _MISSING if error is None else error.message if name == "error" else error.type
    if name in _FACTS:
        return run.environment.get(name, _MISSING)
    value = getattr(run, name)
    if name == "duration" and value is not None:
        return value / 1e6
    return _MISSING if value is None else value


def _compares(field: Field, op: str, value: Any, wanted: Value) -> bool:
    if op in ("like", "ilike", "~"):
        return pattern_matches(op, text_of(value), str(wanted))
    number, other = _numbers(field, value, wanted)
    if number is not None and other is not None:
        return _OPERATORS[op](number, other)
    if isinstance(wanted, (str, bool)):
        return _OPERATORS[op](text_of(value), text_of(wanted))
    return op == "!="


def _numbers(field: Field, value: Any, wanted: Value) -> tuple[float | None, float | None]:
    """Return both as numbers where they are to be compared as such."""
    if isinstance(wanted, bool) or (isinstance(wanted, str) and isinstance(value, str)):
        return None, None
    if isinstance(value, str):
        return (number_in(value) if field.kind == "tag" else None), float(wanted)
    return as_number(value), number_in(wanted) if isinstance(wanted, str) else float(wanted)


def as_number(value: Any) -> float | None:
    """Return the number that a plain value is, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number_in(text: str) -> float | None:
    """Return the number that a text says in decimal digits; None for any other."""
    return float(text) if _NUMBER.fullmatch(text) else None


def text_of(value: Any) -> str:
    """Return a value as the text that patterns look at: texts bare, others as JSON, NaN by its name."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    return canonical("value", value)


# order --------------------------------------------------------------------------------------------


def rank(order: Order, run: RunRow) -> tuple[int, float, str]:
    """Return where a run stands in an order: see `Ranks`."""
    value = _value(order.field, run)
    if value is _MISSING:
        return 3, 0.0, ""
    if order.field.type == "flag":
        return 0, float(value), ""
    number = as_number(value)
    if number is None:
        return 1, 0.0, text_of(value)
    return (2, 0.0, "") if math.isnan(number) else (0, number, "")


def ranks_before(orders: tuple[Order, ...], one: Ranks, other: Ranks) -> int:
    """Return -1 if `one` comes before `other`, 1 if after, 0 if the orders do not tell."""
    for order, (a, *first), (b, *second) in zip(orders, one, other, strict=True):
        if a != b:
            return -1 if a < b else 1
        if first != second:
            return -1 if (first < second) is not order.descending else 1
    return 0
