"""Logging: metrics, params and tags of a run, in the transaction that many clients share."""

from __future__ import annotations

import json
import posixpath
import re
import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from chachaml.core.changes import (
    Batch,
    Change,
    EnvironmentCaptured,
    ParamsLogged,
    PointsLogged,
    RunEdited,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.checks import check_change
from chachaml.core.model import RunRow
from chachaml.core.values import canonical
from chachaml.moving.mlflow_words import COMMIT, NOTE, PARENT, RUN_NAME, run_id, shown
from chachaml.moving.texts import typed
from chachaml.surfaces.http import logging_api
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.mlflow import models
from chachaml.surfaces.mlflow.asked import Asked, Given, answered
from chachaml.surfaces.mlflow.errors import invalid, unknown
from chachaml.surfaces.mlflow.runs import active_run, run_named

__all__ = ["delete_tag", "log_batch", "log_metric", "log_model", "log_param", "set_tag"]

_MOST_METRICS, _MOST_PARAMS, _MOST_TAGS, _MOST_ALL = 1000, 100, 100, 1000
_DEEPEST = 100
"""How many runs may stand above one that is made a child."""
_LONGEST_KEY, _LONGEST_PARAM, _LONGEST_TAG = 250, 6000, 8000
_KEY = re.compile(r"[/\w.\- :]+")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


# what may be logged -------------------------------------------------------------------------------


def key_of(one: Given, name: str = "key") -> str:
    """Return a key that MLflow allows.

    Raises:
        Refused: It does not.
    """
    key = one.text(name)
    if not _KEY.fullmatch(key):
        why = (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
            "colon(:) and slashes (/)."
        )
        raise one.wrong(name, key, why)
    if posixpath.normpath(key) != key or key == "." or key.startswith(("..", "/")):
        raise one.wrong(name, key, "Names may be treated as files: they must be clean, relative paths.")
    if len(key) > _LONGEST_KEY:
        raise one.wrong(name, key[:80] + "...", f"Names are at most {_LONGEST_KEY} characters long.")
    return key


def _number(one: Given) -> float:
    value = one.values.get("value")
    if value is None:
        raise one.missing("value")
    if isinstance(value, str) and (value in _NUMBERS or _NUMBER.fullmatch(value)):
        return _NUMBERS[value] if value in _NUMBERS else float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise one.wrong("value", value)
    return float(value)


def points_of(run: str, metrics: Iterable[Given]) -> list[PointsLogged]:
    """Return metrics as points: for each key its columns."""
    columns: dict[str, tuple[list[int], list[int], list[float]]] = {}
    for one in metrics:
        # Most are as they should be, and of few keys: only the others are looked at closely.
        key, value = one.values.get("key"), one.values.get("value")
        step, time = one.values.get("step", 0), one.values.get("timestamp")
        if not isinstance(key, str) or key not in columns:
            columns[key := key_of(one)] = ([], [], [])
        if type(step) is not int or not -(2**63) <= step < 2**63:
            step = one.whole("step", 0)
        if type(time) is not int:
            time = one.whole("timestamp")
        if not abs(time) < 2**53:
            raise one.wrong("timestamp", time, "It is in milliseconds since 1970.")
        steps, times, values = columns[key]
        steps.append(step)
        times.append(time * 1000)
        values.append(value if type(value) is float else _number(one))
    return [_packed(run, key, *each) for key, each in columns.items()]


def _packed(run: str, key: str, steps: list[int], times: list[int], values: list[float]) -> PointsLogged:
    count = len(steps)
    packed = (struct.pack(f"<{count}q", *steps), struct.pack(f"<{count}q", *times))
    return PointsLogged(run, key, *packed, struct.pack(f"<{count}d", *values))


def _params_of(given: Iterable[Given]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        key, value = key_of(one), one.text("value", "", empty=True)[:_LONGEST_PARAM]
        if found.setdefault(key, value) != value:
            raise _changed(key, found[key], value)
    return found


def _changed(key: str, old: str, new: str) -> Exception:
    return invalid(
        f"Changing param values is not allowed. Param with key='{key}' was already logged with "
        f"value='{old[:200]}'. Attempted logging new value '{new[:200]}'."
    )


def _tag_changes(asked: Asked, run: str, given: Iterable[Given]) -> list[Change]:
    """Return what setting tags means: the run's name and note are among them."""
    now, tags, found = asked.now(), dict[str, str](), list[Change]()
    for one in given:
        key, value = key_of(one), one.text("value", "", empty=True)[:_LONGEST_TAG]
        if key == RUN_NAME and value.strip():
            found.append(RunEdited(run, now, asked.user, "name", value))
        elif key != RUN_NAME:
            tags["note" if key == NOTE else key] = value
        if key == COMMIT and value:
            found.append(EnvironmentCaptured(run, now, {"git.sha": value}))
    return [TagsSet(run, now, tags), *found] if tags else found


# writing ------------------------------------------------------------------------------------------


async def _write(
    asked: Asked, run: str, points: list[PointsLogged], params: dict[str, str], tags: list[Change]
) -> Response:
    """Write what is logged to a run: params and tags first, for these may be refused."""
    others: list[Change] = [*tags]
    if params:
        kept = {key: canonical(key, typed(value)) for key, value in params.items()}
        others.insert(0, ParamsLogged(run, asked.now(), kept))
    for change in (*points, *others):
        check_change(change)
    if others or not points:
        await _commit(asked, run, others, logging_api.command(asked.request), params)
    if points:
        # Clients send a batch again when its answer was lost: the same points have the same id.
        parts = (part for one in points for part in (one.key.encode(), one.steps, one.times, one.values))
        digest = sha256(b"\0".join((run.encode(), *parts))).hexdigest()
        await _commit(asked, run, points, digest[:32], {})
    return answered({})


async def _commit(
    asked: Asked, run: str, changes: Sequence[Change], command: str, params: dict[str, str]
) -> None:
    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        row = active_run(found, run)
        kept = asked.store.get_run(run).params if params else {}
        for key, value in params.items():
            if key in kept and shown(key, kept[key]) != value:
                raise _changed(key, shown(key, kept[key]), value)
        return _with_parent(asked, row, batch)

    await logging_api.write(asked.request, Batch(tuple(changes), command=command), [run], prepare)


def _with_parent(asked: Asked, row: RunRow, batch: Batch) -> Batch:
    """Return a batch that makes a run the child of the one that its tags name, too, if that may be."""
    for change in batch.changes:
        if isinstance(change, TagsSet) and (named := change.tags.get(PARENT)):
            parent = run_id(named)
            if parent != row.parent and _may_be_below(asked, row.id, parent):
                adopted = RunEdited(row.id, change.time, asked.user, "parent", parent)
                return replace(batch, changes=(*batch.changes, adopted))
    return batch


def _may_be_below(asked: Asked, run: str, parent: str) -> bool:
    """Tell whether there is that parent, and it is not below the run itself."""
    above, at = {run}, parent
    while at not in above and len(above) <= _DEEPEST:
        above.add(at)
        found = asked.store.bare_runs([at]).get(at)
        if found is None or found.parent is None:
            return found is not None or at != parent
        at = found.parent
    return False


async def log_metric(request: Request) -> Response:
    """Log one point of a metric."""
    asked = Asked(request)
    run = run_named(asked)
    written = await _write(asked, run, points_of(run, [asked]), {}, [])
    await models.log_metrics(asked, run, [asked])
    return written


async def log_param(request: Request) -> Response:
    """Log one param."""
    asked = Asked(request)
    run = run_named(asked)
    return await _write(asked, run, [], _params_of([asked]), [])


async def set_tag(request: Request) -> Response:
    """Set one tag."""
    asked = Asked(request)
    run = run_named(asked)
    return await _write(asked, run, [], {}, _tag_changes(asked, run, [asked]))


async def log_batch(request: Request) -> Response:
    """Log metrics, params and tags of a run: of params and tags all or none."""
    asked = Asked(request)
    run = run_named(asked)
    metrics, params, tags = (asked.parts(name) for name in ("metrics", "params", "tags"))
    for what, some, most in (
        ("metrics", metrics, _MOST_METRICS),
        ("params", params, _MOST_PARAMS),
        ("tags", tags, _MOST_TAGS),
        ("metrics, params and tags", [*metrics, *params, *tags], _MOST_ALL),
    ):
        if len(some) > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {what}. "
                f"Got {len(some)} {what}. Please split up {what} across multiple requests and try again."
            )
    points = points_of(run, metrics)
    written = await _write(asked, run, points, _params_of(params), _tag_changes(asked, run, tags))
    await models.log_metrics(asked, run, metrics)
    return written


def delete_tag(asked: Asked) -> Any:
    """Take a tag away."""
    run, key = run_named(asked), asked.text("key")
    active_run(asked.store.bare_runs([run]), run)
    ours, row = "note" if key == NOTE else key, asked.store.get_run(run)
    gone: list[Change] = [TagsRemoved(run, asked.now(), (ours,))] if ours in row.tags else []
    if key == PARENT and row.parent is not None:
        gone.append(RunEdited(run, asked.now(), asked.user, "parent", None))
    if not gone:
        raise unknown(f"No tag with name: {key[:80]} in run with id {run}")
    asked.apply(*gone)


def log_model(asked: Asked) -> Any:
    """Note that a run logged a model: older clients do so once its files are there."""
    run, text = run_named(asked), asked.text("model_json")
    try:
        model = json.loads(text)
        missing = [
            name for name in ("artifact_path", "flavors", "utc_time_created", "run_id") if name not in model
        ]
    except (ValueError, TypeError) as error:
        raise invalid(f"Malformed model info. \n {text[:200]} \n could not be parsed: {error}") from None
    if missing:
        raise invalid(f"Model json is missing mandatory fields: {sorted(missing)}")
    active_run(asked.store.bare_runs([run]), run)
    tag = "mlflow.log-model.history"
    with asked.service.one_by_one:
        before = json.loads(asked.store.get_run(run).tags.get(tag, "[]"))
        asked.apply(TagsSet(run, asked.now(), {tag: json.dumps([*before, model])}))
