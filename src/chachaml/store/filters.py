"""The search language as SQL: names of our own in its text, everything that users wrote bound."""

# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import re
from typing import Any

import msgspec

from chachaml.core.query import (
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
from chachaml.core.query.matching import number_in, text_of
from chachaml.core.values import canonical
from chachaml.store.engine import Db, Sql

__all__ = [
    "ATTRIBUTES",
    "COLUMNS",
    "condition",
    "fast_condition",
    "joined",
    "ranked_columns",
    "rare_condition",
]

_FEW = 6000
"""Runs that a comparison may find to be rare: these are listed, and looked at one by one."""

_MOST_PLANNED = 8
"""Conditions that a database may plan as joins."""

PATIENCE = 10.0
"""Seconds that the patterns of one query may take."""

COLUMNS = {
    "last": "last",
    "first": "first",
    "min": "min",
    "max": "max",
    "mean": "sum / nullif(finite, 0)",
    "count": "count",
}
_PRESENT = {"min": "min IS NOT NULL", "max": "max IS NOT NULL", "mean": "finite > 0"}

ATTRIBUTES = {
    "id": "runs.id",
    "name": "runs.name",
    "status": "CASE WHEN runs.archived IS NULL THEN runs.status ELSE 'archived' END",
    "experiment": "(SELECT name FROM experiments WHERE no = runs.experiment)",
    "created_by": "runs.created_by",
    "parent": "runs.parent",
    "error": "runs.error_message",
    "error_type": "runs.error_type",
    "started": "runs.started",
    "ended": "runs.ended",
    "duration": "CAST(runs.duration AS DOUBLE PRECISION) / 1e6",
    "archived": "(runs.archived IS NOT NULL)",
    **{
        name: f"(SELECT facts ->> '$.\"{name}\"' FROM environments WHERE no = runs.environment)"
        for name in ("git.sha", "git.branch", "git.dirty", "host", "python")
    },
}

_NAN = """'{"$float":"NaN"}'"""

# JSON to the text that people see: texts bare, the three floats that JSON lacks by their names.
_PARAM_TEXT = """CASE substr(value, 1, 1) WHEN '"' THEN value ->> '$'
    WHEN '{' THEN coalesce(value ->> '$."$float"', value) ELSE value END"""

_KEY = "(SELECT no FROM keys WHERE name = ?)"


def condition(db: Db, expression: Expression, *, opposite: bool = False, each: bool = False) -> Sql:
    """Return what a row of ``runs`` must meet, or not; never NULL.

    Args:
        db: A connection that reads, which was told how long patterns may take.
        expression: What to meet.
        opposite: Whether not to.
        each: Look at every run by itself, which is best when few are looked at; otherwise all runs that
            meet each comparison are listed first.
    """
    match expression:
        case And(parts) | Or(parts):
            word = " AND " if isinstance(expression, And) is not opposite else " OR "
            return _several(word, [condition(db, part, opposite=opposite, each=each) for part in parts])
        case Not(part):
            return condition(db, part, opposite=not opposite, each=each)
        case IsNull(field):
            return _lacks(field, opposite, each)
        case IsNan() | Compare() | In():
            return _has(expression.field, _test(db, expression), opposite, each)


def fast_condition(db: Db, expression: Expression) -> Sql:
    """Return the condition for a search of all runs."""
    return rare_condition(db, expression) or condition(db, expression)


def rare_condition(db: Db, expression: Expression) -> Sql | None:
    """Return the condition in which the rarest comparison lists its runs; None if none is rare.

    They are listed by their numbers: how rare a comparison is depends on the key, of which a
    database that plans by statistics knows nothing.
    """
    parts = expression.parts if isinstance(expression, And) else (expression,)
    rarest, listed, most = -1, list[int](), _FEW
    for place, part in enumerate(parts):
        if most and (runs := _few(db, part, most)) is not None:
            rarest, listed, most = place, runs, len(runs)
    if rarest < 0:
        return None
    among = "runs.no IN (SELECT value FROM json_each(?))", [msgspec.json.encode(listed).decode()]
    others = [condition(db, part, each=True) for place, part in enumerate(parts) if place != rarest]
    return _several(" AND ", [among, *others])


def _few(db: Db, part: Expression, most: int) -> list[int] | None:
    """Return the runs that meet a comparison, found by an index; None for others, and if so many do."""
    if not isinstance(part, (Compare, In)) or part.field.kind == "attribute":
        return None
    if isinstance(part, Compare) and part.op in ("!=", "like", "ilike", "~"):
        return None
    found, values = _holders(part.field, _test(db, part))
    runs = [run for (run,) in db.execute(f"SELECT run {found} LIMIT {most}", values)]
    return runs if len(runs) < most else None


def _several(word: str, pieces: list[Sql]) -> Sql:
    """Join conditions; of many each is tested by itself: planning how to join them would take longer."""
    if word == " AND " and len(pieces) > _MOST_PLANNED:
        pieces = [(f"({text}) OR FALSE", values) for text, values in pieces]
    return _joined_by(word, pieces)


def _joined_by(word: str, pieces: list[Sql]) -> Sql:
    """Join conditions as a balanced tree: SQLite refuses those that are a thousand deep."""
    if len(pieces) == 1:
        return pieces[0]
    half = len(pieces) // 2
    (left, first), (right, second) = _joined_by(word, pieces[:half]), _joined_by(word, pieces[half:])
    return f"({left}){word}({right})", first + second


def _has(field: Field, test: Sql, opposite: bool, each: bool) -> Sql:
    """Return that the run has the field and it meets `test`, or does not."""
    text, values = test
    if opposite:
        text = f"NOT ({text})"
    if field.kind == "attribute":
        expression = ATTRIBUTES[field.key]
        never_null = field.key in ("id", "name", "status", "experiment", "created_by", "started", "archived")
        return text if never_null else f"{expression} IS NOT NULL AND ({text})", values
    return _among(_holders(field, (text, values)), each)


def _lacks(field: Field, opposite: bool, each: bool) -> Sql:
    if field.kind == "attribute":
        return f"{ATTRIBUTES[field.key]} IS {'NOT ' if opposite else ''}NULL", []
    text, values = _among(_holders(field, ("TRUE", [])), each)
    return text if opposite else f"NOT ({text})", values


def _holders(field: Field, test: Sql) -> Sql:
    """Return where the runs are that have a key and whose value there meets `test`."""
    if field.kind == "dataset":
        return f"FROM datasets WHERE ({test[0]})", test[1]
    there = _PRESENT.get(field.part, "TRUE") if field.kind == "metric" else "TRUE"
    return f"FROM {_table(field)} WHERE key = {_KEY} AND {there} AND ({test[0]})", [field.key, *test[1]]


def _among(holders: Sql, each: bool) -> Sql:
    found, values = holders
    if each:
        # The offset keeps Postgres from listing all holders first: it expects far fewer than there may be.
        return f"EXISTS (SELECT 1 {found} AND run = runs.no LIMIT 1 OFFSET 0)", values
    return f"runs.no IN (SELECT run {found})", values


def _rows(field: Field) -> Sql:
    """Return where all values of a field are."""
    if field.kind in ("attribute", "dataset"):
        return "FROM runs" if field.kind == "attribute" else "FROM datasets", []
    return f"FROM {_table(field)} WHERE key = {_KEY}", [field.key]


def _table(field: Field) -> str:
    return {"metric": "series", "param": "params", "tag": "tags"}[field.kind]


# tests of a value -----------------------------------------------------------------------------------


def _test(db: Db, found: IsNan | Compare | In) -> Sql:
    field = found.field
    if isinstance(found, IsNan):
        if field.kind == "metric":
            return f"{COLUMNS[field.part]} IS NULL", []
        return f"value = {_NAN}" if field.kind == "param" else "FALSE", []
    if isinstance(found, In):
        if field.type == "text":
            return _one_of(field, found.values)
        return _joined_by(" OR ", [_compare(db, field, "=", value) for value in found.values])
    return _compare(db, field, found.op, found.value)


def _compare(db: Db, field: Field, op: str, value: Any) -> Sql:
    """Return a test that is never NULL."""
    if op in ("like", "ilike", "~"):
        return db.matching(op, _text(field), str(value), _rows(field))
    if field.kind == "dataset":
        return f"{_text(field)} {op} ?", [value]
    if field.kind == "attribute":
        return _compare_attribute(field, op, value)
    if field.kind == "metric":
        return _never_null(COLUMNS[field.part], op, float(value))
    if isinstance(value, str):
        return _compare_text(field, op, value)
    if isinstance(value, bool):
        return f"{_text(field)} {op} ?", [text_of(value)]
    return _never_null("number" if field.kind == "param" else "number_in(value)", op, float(value))


def _never_null(expression: str, op: str, value: float) -> Sql:
    """Return a test of numbers; what is NULL is not a number, and so only unequal."""
    if op == "!=":
        return f"({expression} != ? OR {expression} IS NULL)", [value]
    return f"({expression} {op} ? AND {expression} IS NOT NULL)", [value]


def _compare_text(field: Field, op: str, value: str) -> Sql:
    if field.kind == "tag":
        return f"value {op} ?", [value]
    number = number_in(value)
    if number is not None:
        unequal = "TRUE" if op == "!=" else "FALSE"  # which NaN is to everything
        nan = f"WHEN value = {_NAN} THEN {unequal}"
        text = f"CASE WHEN number IS NOT NULL THEN number {op} ? {nan} ELSE {_text(field)} {op} ? END"
        return text, [number, value]
    if op == "=" and value not in ("NaN", "Infinity", "-Infinity") and value[:1] not in ('"', "{"):
        quoted = canonical("value", value)
        return "number IS NULL AND value IN (?, ?)", [quoted, value]  # which an index finds
    return f"{_text(field)} {op} ?", [value]


def _compare_attribute(field: Field, op: str, value: Any) -> Sql:
    if op == "=" and field.key == "experiment":
        return "runs.experiment IN (SELECT no FROM experiments WHERE name = ?)", [value]
    if op == "=" and field.key == "status" and value != "archived":
        return "runs.status = ? AND runs.archived IS NULL", [value]
    return f"{ATTRIBUTES[field.key]} {op} ?", [value]


def _one_of(field: Field, values: tuple[Value, ...]) -> Sql:
    """Return that an attribute is one of some texts, of which there may be many."""
    among = "IN (SELECT value FROM json_each(?))"
    bound = [msgspec.json.encode(values).decode()]
    if field == Field("attribute", "experiment"):
        return f"runs.experiment IN (SELECT no FROM experiments WHERE name {among})", bound
    return f"{_text(field)} {among}", bound


def _text(field: Field) -> str:
    if field.kind == "attribute":
        return ATTRIBUTES[field.key]
    if field.kind == "dataset":
        return f"datasets.{field.key}"
    return _PARAM_TEXT if field.kind == "param" else "value"


# order ----------------------------------------------------------------------------------------------


def joined(orders: tuple[Order, ...]) -> Sql:
    """Return the joins that bring what runs are ordered by, as ``o0``, ``o1`` and so on."""
    text, values = "", []
    for number, order in enumerate(orders):
        if order.field.kind != "attribute":
            text += f" LEFT JOIN {_table(order.field)} AS o{number} ON o{number}.run = runs.no"
            text += f" AND o{number}.key = {_KEY}"
            values.append(order.field.key)
    return text, values


def ranked_columns(number: int, order: Order) -> tuple[str, str, str]:
    """Return the three parts of a rank (see `chachaml.core.query.Ranks`) as SQL."""
    field, table = order.field, f"o{number}"
    if field.kind == "attribute":
        expression = ATTRIBUTES[field.key]
        if field.type == "text":
            return _if(f"{expression} IS NULL", 3, 1), "0.0", f"coalesce({expression}, '')"
        if field.type == "flag":
            return _if(f"{expression} IS NULL", 3, 0), _if(expression, 1.0, 0.0), "''"
        return _if(f"{expression} IS NULL", 3, 0), f"coalesce({expression}, 0)", "''"
    if field.kind == "metric":
        there = _qualified(_PRESENT.get(field.part, "run IS NOT NULL"), table)
        value = _qualified(COLUMNS[field.part], table)
        number_or_nan = _if(f"{value} IS NULL", 2, 0)
        shown = _if(there, f"coalesce({value}, 0.0)", 0.0)
        return _if(there, number_or_nan, 3), shown, "''"
    if field.kind == "tag":
        return _if(f"{table}.run IS NULL", 3, 1), "0.0", f"coalesce({table}.value, '')"
    kind = f"CASE WHEN {table}.run IS NULL THEN 3 WHEN {table}.number IS NOT NULL THEN 0"
    kind += f" WHEN {table}.value = {_NAN} THEN 2 ELSE 1 END"
    text = _PARAM_TEXT.replace("value", f"{table}.value")
    plain = f"{table}.number IS NULL AND {table}.run IS NOT NULL AND {table}.value != {_NAN}"
    return kind, f"coalesce({table}.number, 0.0)", _if(plain, text, "''")


def _if(test: str, yes: object, no: object) -> str:
    return f"CASE WHEN {test} THEN {yes} ELSE {no} END"


def _qualified(expression: str, table: str) -> str:
    return re.sub(r"\b(last|first|min|max|sum|finite|count|run)\b", rf"{table}.\1", expression)
