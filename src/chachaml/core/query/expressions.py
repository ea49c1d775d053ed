"""What a search is once it is understood: a tree of frozen structs, whose text is a search again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

__all__ = [
    "ATTRIBUTES",
    "DATASET",
    "PARTS",
    "And",
    "Attribute",
    "Compare",
    "Expression",
    "Field",
    "In",
    "IsNan",
    "IsNull",
    "Kind",
    "Not",
    "Operator",
    "Or",
    "Order",
    "Value",
    "fields_of",
]

Kind = Literal["metric", "param", "tag", "attribute", "dataset"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like", "ilike", "~"]
Value = float | int | str | bool

PARTS = ("last", "min", "max", "first", "mean", "count")
"""What may be asked of a metric, besides its last value."""

Attribute = Literal["text", "time", "seconds", "flag"]

ATTRIBUTES: dict[str, Attribute] = {
    "id": "text",
    "name": "text",
    "status": "text",
    "experiment": "text",
    "created_by": "text",
    "parent": "text",
    "error": "text",
    "error_type": "text",
    "started": "time",
    "ended": "time",
    "duration": "seconds",
    "archived": "flag",
    "git.sha": "text",
    "git.branch": "text",
    "git.dirty": "flag",
    "host": "text",
    "python": "text",
}
"""What every run has, and of which kind it is. Times are microseconds since 1970 inside."""

DATASET = ("name", "role", "digest", "source")
"""What is known of the data that a run used, all texts; a condition is met if any data set meets it."""

_BARE = re.compile(r"[^\W\d][\w/:@$+-]*(\.[\w/:@$+-]+)*")


class Field(msgspec.Struct, frozen=True):
    """What a condition is about: a metric, param or tag by its key, or an attribute or data set's by name."""

    kind: Kind
    key: str
    part: str = "last"

    @property
    def type(self) -> Attribute | Literal["number", "any"]:
        """Of which kind its values are; those of params and tags may be any."""
        if self.kind == "metric":
            return "number"
        if self.kind == "dataset":
            return "text"
        return ATTRIBUTES[self.key] if self.kind == "attribute" else "any"

    def __str__(self) -> str:
        if self.kind == "attribute":
            return self.key
        bare = _BARE.fullmatch(f"x.{self.key}") and self.key.rpartition(".")[2] not in PARTS
        key = self.key if bare else "`" + self.key.replace("`", "``") + "`"
        part = f".{self.part}" if self.kind == "metric" and self.part != "last" else ""
        return f"{self.kind}s.{key}{part}"


class Compare(msgspec.Struct, frozen=True, tag=True):
    """A value beside another. A field that the run lacks never matches; nor does NaN, but for ``!=``."""

    field: Field
    op: Operator
    value: Value

    def __str__(self) -> str:
        return f"{self.field} {self.op} {_literal(self.field, self.value)}"


class In(msgspec.Struct, frozen=True, tag=True):
    """One of several values."""

    field: Field
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.field} in ({', '.join(_literal(self.field, value) for value in self.values)})"


class IsNull(msgspec.Struct, frozen=True, tag=True):
    """The run lacks the field."""

    field: Field

    def __str__(self) -> str:
        return f"{self.field} is null"


class IsNan(msgspec.Struct, frozen=True, tag=True):
    """The run has the field, and it is NaN."""

    field: Field

    def __str__(self) -> str:
        return f"{self.field} is nan"


class Not(msgspec.Struct, frozen=True, tag=True):
    """The opposite; of a field that the run lacks, neither a condition nor its opposite matches."""

    part: Expression

    def __str__(self) -> str:
        return f"not ({self.part})"


class And(msgspec.Struct, frozen=True, tag=True):
    """All of them."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, (Or, And)) else str(part) for part in self.parts)


class Or(msgspec.Struct, frozen=True, tag=True):
    """Any of them."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(f"({part})" if isinstance(part, (Or, And)) else str(part) for part in self.parts)


Expression = Compare | In | IsNull | IsNan | Not | And | Or


class Order(msgspec.Struct, frozen=True):
    """Runs by one field. NaN comes after numbers and runs without the field last, in both directions."""

    field: Field
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.field} {'desc' if self.descending else 'asc'}"


def fields_of(expression: Expression) -> Iterator[Field]:
    """Yield the fields that an expression speaks of."""
    if isinstance(expression, (And, Or)):
        for part in expression.parts:
            yield from fields_of(part)
    elif isinstance(expression, Not):
        yield from fields_of(expression.part)
    else:
        yield expression.field


def _literal(field: Field, value: Value) -> str:
    if field.type == "time" and isinstance(value, int):
        return f"'{(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)).isoformat()}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if value != value else "inf" if value > 0 else "-inf"
    return repr(value)
