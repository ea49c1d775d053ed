"""Whether a change that comes from elsewhere is one that chachaml could have made."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from chachaml.core.changes import (
    ArtifactLogged,
    Batch,
    Change,
    ExperimentDescribed,
    ParamsLogged,
    PointsLogged,
    RecordKept,
    RowsCopied,
    RunEdited,
    RunStarted,
    SeriesCopied,
    TagsSet,
    VersionRegistered,
    ViewSaved,
)
from chachaml.core.errors import BadValue
from chachaml.core.ids import is_id
from chachaml.core.names import check_artifact_name
from chachaml.core.values import as_text, check_key

__all__ = ["check_batch", "check_change", "check_digest", "check_value"]

_MOST = 2**62


def check_batch(batch: Batch) -> None:
    """Refuse a batch that no client of this version makes.

    Raises:
        BadValue: Says what is wrong with it.
    """
    if batch.journal is not None:
        _check_id("journal", batch.journal.id)
        if not (abs(batch.start) < _MOST and abs(batch.end) < _MOST):
            raise BadValue(f"a batch from {batch.start} to {batch.end} is none")
    elif not batch.command or len(batch.command) > 200:
        raise BadValue("a batch is of a journal, or a command with an id")
    for change in batch.changes:
        check_change(change)


def check_change(change: Change) -> None:
    """Refuse a change that could not be kept, or not be read again.

    Raises:
        BadValue: Says what is wrong with it.
    """
    if isinstance(change, PointsLogged):  # most of them are
        _check_points(change)
        return
    check_value(change)
    if isinstance(run := getattr(change, "run", None), str):
        _check_id("run", run)
    match change:
        case RunStarted():
            _check_start(change)
        case ParamsLogged():
            for key, value in change.params.items():
                check_key("param", key)
                _check_json(value)
        case TagsSet():
            for key in change.tags:
                check_key("tag", key)
        case RunEdited(aspect="param", value=str(value)):
            _check_json(value)
        case RunEdited(aspect="parent", value=str(value)):
            _check_id("parent", value)
        case RunEdited(aspect="metric", value=str(value)) if not value.isdecimal():
            raise BadValue(f"{value[:40]!r} is no number of a history entry")
        case ArtifactLogged():
            check_artifact_name(change.name)
            check_digest(change.digest)
        case SeriesCopied():
            check_key("metric", change.key)
        case RowsCopied():
            for version in change.versions:
                check_artifact_name(version.artifact)
                check_digest(version.digest)
        case VersionRegistered(about=str(about)) if about and not isinstance(_check_json(about), dict):
            raise BadValue("what is said about a version must be a JSON object")
        case ExperimentDescribed() if not change.name.strip():
            raise BadValue("an experiment's name is not empty")
        case RecordKept():
            check_key("record", change.kind)
            check_key("record", change.key)
            _check_json(change.value or "null")
        case ViewSaved() if not change.name.strip() or len(change.name) > 200 or len(change.state) > 20_000:
            raise BadValue("a view has a name of at most 200 characters, and a state of at most 20,000")


def _check_points(change: PointsLogged) -> None:
    count = len(change.values)
    if count % 8 or len(change.times) != count or len(change.steps) not in ((0, count)):
        raise BadValue(f"metric {change.key[:80]!r}: the columns of points are not of one length")
    check_key("metric", change.key)
    _check_id("run", change.run)


def _check_start(change: RunStarted) -> None:
    if not change.experiment.strip() or not change.name.strip():
        raise BadValue("a run has an experiment and a name, neither of them empty")
    if change.parent is not None:
        _check_id("parent", change.parent)
    for key in change.tags:
        check_key("tag", key)


def check_digest(digest: str) -> str:
    """Return `digest` if it can be a SHA-256: 64 lowercase hex digits.

    Raises:
        BadValue: It is none.
    """
    if len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest):
        raise BadValue(f"{digest[:80]!r} is no SHA-256: 64 lowercase hex digits")
    return digest


def _check_id(what: str, text: str) -> None:
    if not is_id(text):
        raise BadValue(f"{text[:80]!r} is no {what}'s id: 32 lowercase hex digits")


def _check_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadValue(f"a value must be JSON, not {text[:80]!r}") from None


def check_value(value: object) -> None:
    """Refuse text, anywhere in a value, that not every store can keep, and numbers of more than 64 bits.

    Raises:
        BadValue: Says what is wrong with it.
    """
    for one in _parts(value):
        if isinstance(one, str):
            as_text("text", one)
        elif isinstance(one, int) and not -(2**63) <= one < 2**63:
            raise BadValue(f"{one} is no number of 64 bits")
        elif isinstance(one, (list, tuple, dict)) or hasattr(one, "__struct_fields__"):
            check_value(one)


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return list(value)
    return list(msgspec.structs.astuple(value)) if isinstance(value, msgspec.Struct) else []
