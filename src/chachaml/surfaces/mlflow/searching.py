"""Searching runs: MLflow's filter becomes a search of chachaml's own."""

from __future__ import annotations

from typing import Any

from chachaml.core.model import RunQuery, Status
from chachaml.core.query.expressions import (
    And,
    Compare,
    Expression,
    Field,
    In,
    IsNull,
    Not,
    Or,
    Order,
)
from chachaml.moving.mlflow_words import (
    COMMIT,
    NOTE,
    PARENT,
    RUN_NAME,
    SCHEDULED,
    STATUS,
    STATUSES,
    USER,
)
from chachaml.moving.texts import typed
from chachaml.surfaces.mlflow import experiments
from chachaml.surfaces.mlflow.asked import Asked
from chachaml.surfaces.mlflow.errors import invalid
from chachaml.surfaces.mlflow.filters import Comparison, Ordering, comparisons, orderings
from chachaml.surfaces.mlflow.runs import shown_runs

__all__ = ["search"]

_CAP = 50_000

_TAGS = {RUN_NAME: "name", USER: "created_by", PARENT: "parent", COMMIT: "git.sha"}
_ATTRIBUTES = {
    "run_id": "id",
    "run_name": "name",
    "Run name": "name",
    "status": "status",
    "user_id": "created_by",
    "User": "created_by",
    "start_time": "started",
    "created": "started",
    "Created": "started",
    "end_time": "ended",
    "experiment_id": "experiment",
}
_DATASET = {"name": "name", "digest": "digest", "context": "role"}
_TIMES = ("started", "ended")
_NUMERIC, _TEXTUAL = ("=", "!=", ">", ">=", "<", "<="), ("=", "!=", "like", "ilike")


def search(asked: Asked) -> Any:
    """Answer the runs that a filter asks for, the newest first unless told otherwise."""
    names = experiments.named(asked, asked.several("experiment_ids"))
    deleted, most = experiments.view(asked, "run_view_type"), asked.most(1000, _CAP)
    wanted = comparisons(asked.text("filter", ""))
    order = tuple(_order(one) for one in orderings(asked.several("order_by")))
    status = _lone_status(wanted) if deleted is not False else None
    parts = [_expression(one) for one in wanted if status is None or one.key != "status"]
    if len(names) > 1:
        parts.append(In(Field("attribute", "experiment"), tuple(names)))
    query = RunQuery(
        experiment=names[0] if len(names) == 1 else None,
        filter=And(tuple(parts)) if parts else None,
        order=order,
        status=status,
        archived=deleted,
        limit=most,
        cursor=asked.text("page_token", ""),
        with_values=True,
        last_only=True,
    )
    page = asked.store.find_runs(query) if names else None
    if page is None or not page.runs:
        return {}
    found = {"runs": shown_runs(asked, page.runs)}
    return {**found, "next_page_token": page.next} if page.next else found


def _lone_status(wanted: list[Comparison]) -> Status | None:
    """Return the status that a filter asks for, None if it does not.

    For searches among deleted runs: the search language calls these archived, whatever their status is.
    """
    asked = [one for one in wanted if (one.entity, one.key) == ("attribute", "status")]
    if not asked:
        return None
    if len(asked) > 1 or asked[0].op != "=" or asked[0].value not in ("RUNNING", "FINISHED", "KILLED"):
        raise invalid("of deleted runs a filter can only ask whether they are RUNNING, FINISHED or KILLED")
    return STATUSES[asked[0].value]


def _expression(one: Comparison) -> Expression:
    if one.entity == "metric":
        return _metric(one)
    if one.entity in ("param", "tag"):
        return _textual(one)
    if one.entity == "dataset":
        return _compared(Field("dataset", _known(_DATASET, one)), one)
    field = Field("attribute", _known(_ATTRIBUTES, one))
    if field.key in _TIMES:
        return _time(field, one)
    return _status(one) if field.key == "status" else _compared(field, one)


def _known(names: dict[str, str], one: Comparison) -> str:
    if one.key not in names:
        raise invalid(f"Invalid {one.entity} key {one.key[:80]!r} specified. Valid keys are {sorted(names)}")
    return names[one.key]


def _check(one: Comparison, operators: tuple[str, ...], kind: type | tuple[type, ...], what: str) -> None:
    if one.op not in operators:
        raise invalid(f"Invalid comparator '{one.op}' for {one.entity} {one.key!r}. Valid are {operators}")
    if not isinstance(one.value, kind):
        raise invalid(f"Expected {what} for {one.entity} {one.key!r}. Got {one.value!r}")


def _metric(one: Comparison) -> Expression:
    _check(one, _NUMERIC, (int, float), "a numeric value")
    return Compare(Field("metric", one.key), one.op, float(one.value))  # type: ignore[arg-type]


def _textual(one: Comparison) -> Expression:
    if one.entity == "param":
        field = Field("param", one.key)
    elif one.key in (PARENT, USER):
        return _either(Field("tag", one.key), Field("attribute", _TAGS[one.key]), one)
    elif one.key in _TAGS:
        field = Field("attribute", _TAGS[one.key])
    else:
        field = Field("tag", "note" if one.key == NOTE else one.key)
    return _asked(field, one)


def _either(tag: Field, made: Field, one: Comparison) -> Expression:
    """Ask of a tag that was set later, and where there is none of what the run was made with."""
    if one.op == "is null":
        return And((IsNull(tag), IsNull(made)))
    return Or((And((Not(IsNull(tag)), _asked(tag, one))), And((IsNull(tag), _asked(made, one)))))


def _asked(field: Field, one: Comparison) -> Expression:
    if one.op == "is null":
        return IsNull(field)
    if one.op == "is not null":
        return Not(IsNull(field))
    return _compared(field, one)


def _compared(field: Field, one: Comparison) -> Expression:
    """Return a comparison of texts. Params that read as truth values are kept as such."""
    if one.op in ("in", "not in"):
        values = tuple(one.value)
        if not all(isinstance(value, str) for value in values):
            raise invalid(f"Expected texts in quotes for {one.entity} {one.key!r}. Got {values!r}")
        inside = In(field, values)
        return inside if one.op == "in" else Not(inside)
    _check(one, _TEXTUAL, str, "a quoted string value")
    if field.kind == "param" and isinstance(truth := typed(one.value), bool) and one.op in ("=", "!="):
        return Compare(field, one.op, truth)  # type: ignore[arg-type]
    return Compare(field, one.op, one.value)  # type: ignore[arg-type]


def _status(one: Comparison) -> Expression:
    field = Field("attribute", "status")
    given = one.value if isinstance(one.value, list) else [one.value]
    if one.op not in ("=", "!=", "in", "not in") or not all(isinstance(value, str) for value in given):
        raise invalid(f"Invalid comparator '{one.op}' or value {one.value!r} for the status of runs")
    named = {value for value in given if value in STATUSES}
    ended: list[str] = [STATUSES[value] for value in named - {"RUNNING", SCHEDULED}]
    if "failed" in ended:
        ended.append("crashed")
    goes, tag = Compare(field, "=", "running"), Field("tag", STATUS)
    parts: list[Expression] = [In(field, tuple(sorted(ended)) or ("",))]
    if "RUNNING" in named:
        parts.append(And((goes, IsNull(tag))))
    if SCHEDULED in named:
        parts.append(And((goes, Not(IsNull(tag)))))
    inside = Or(tuple(parts))
    return inside if one.op in ("=", "in") else Not(inside)


def _time(field: Field, one: Comparison) -> Expression:
    """Return a comparison of milliseconds as one of the microseconds that are kept."""
    _check(one, _NUMERIC, (int, float), "a numeric value")
    start = int(one.value) * 1000
    end = start + 1000
    match one.op:
        case "=":
            return And((Compare(field, ">=", start), Compare(field, "<", end)))
        case "!=":
            return Or((Compare(field, "<", start), Compare(field, ">=", end)))
        case "<" | ">=":
            return Compare(field, one.op, start)
        case _:
            return Compare(field, "<" if one.op == "<=" else ">=", end)


def _order(one: Ordering) -> Order:
    if one.entity == "metric":
        field = Field("metric", one.key)
    elif one.entity == "param":
        field = Field("param", one.key)
    elif one.entity == "tag":
        field = Field("attribute", _TAGS[one.key]) if one.key in _TAGS else Field("tag", one.key)
    elif one.entity == "dataset":
        raise invalid("runs are not ordered by their data sets")
    elif one.key == "artifact_uri":
        field = Field("attribute", "id")
    else:
        field = Field("attribute", _known(_ATTRIBUTES, Comparison("attribute", one.key, "=", "")))
    return Order(field, one.descending)
