"""What a source says, as every store can keep it: texts, times and numbers within their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as with_fields
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from chachaml.core.changes import PointsLogged
from chachaml.core.errors import BadValue
from chachaml.core.model import RunRow
from chachaml.core.values import canonical
from chachaml.moving.account import Tally
from chachaml.moving.imported import Imported, Version
from chachaml.moving.texts import clean, key_of

__all__ = ["sound_points", "sound_run", "sound_time", "sound_version"]

_FIRST, _LAST = -62_135_510_400_000_000, 253_402_214_400_000_000
"""Microseconds since 1970 of the years 1 and 9999, in every time zone: what is beyond cannot be shown."""

_Plain = TypeVar("_Plain")


def sound_run(one: Imported, tally: Tally) -> Imported:
    """Return a run without what no store can keep; params that are left out are told."""
    row = one.whole.row
    params, whole = _params(row, tally), _texts(replace(one.whole, row=replace(row, params={})))
    row = whole.row
    started = sound_time(row.started)
    ended = None if row.ended is None else max(sound_time(row.ended), started)
    row = replace(
        row,
        experiment=row.experiment.strip() or "imported",
        name=row.name.strip() or row.id[-8:],
        started=started,
        ended=ended,
        duration=None if row.duration is None or ended is None else min(row.duration, ended - started),
        archived=None if row.archived is None else sound_time(row.archived),
        params=params,
        tags={key_of(key): value for key, value in row.tags.items()},
        environment={key_of(key): _fact(value) for key, value in row.environment.items()},
    )
    return with_fields(one, whole=replace(whole, row=row))


def _params(row: RunRow, tally: Tally) -> dict[str, Any]:
    params = {}
    for key, value in row.params.items():
        try:
            kept = _texts(value)
            canonical(key_of(key), kept)
        except (BadValue, RecursionError) as error:
            why = error.message if isinstance(error, BadValue) else "it is nested too deep"
            tally.leave("param", f"{key} of {row.name}", why)
            continue
        params[key_of(key)] = kept
    return params


def sound_version(one: Version) -> Version:
    """Return a version of a model as it can be kept."""
    return with_fields(
        one,
        model=clean(one.model),
        time=sound_time(one.time),
        by=clean(one.by),
        description=clean(one.description),
        model_description=clean(one.model_description),
        tags={key_of(key): clean(value) for key, value in one.tags.items()},
        model_tags={key_of(key): clean(value) for key, value in one.model_tags.items()},
        aliases=[clean(alias) for alias in one.aliases],
    )


def sound_points(points: PointsLogged) -> PointsLogged:
    """Return points whose times can be shown."""
    times = np.frombuffer(points.times, "<i8")
    if not len(times) or (times.min() >= _FIRST and times.max() <= _LAST):
        return points
    return replace(points, times=np.clip(times, _FIRST, _LAST).astype("<i8").tobytes())


def sound_time(value: float) -> int:
    """Return a time that can be shown; databases may hold fractions where whole numbers belong."""
    return min(max(int(value), _FIRST), _LAST)


def _fact(value: Any) -> Any:
    """Return what is told of a machine; whole numbers beyond 64 bits as texts."""
    beyond = isinstance(value, int) and not -(2**63) <= value < 2**63
    return str(value) if beyond else value


def _texts(value: _Plain) -> _Plain:
    """Return a value in which all texts are such as every store can keep."""
    kept: Any = value
    if isinstance(value, str):
        kept = clean(value)
    elif isinstance(value, Mapping):
        kept = {_texts(key): _texts(one) for key, one in value.items()}
    elif isinstance(value, (list, tuple)):
        kept = type(value)(_texts(one) for one in value)
    elif isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        kept = replace(value, **{name: _texts(one) for name, one in fields.items()})
    return kept  # type: ignore[no-any-return]
