"""What language models see of results: as the operations give them, but for runs, which are too large."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from chachaml.agents.sizing import Map, Whole
from chachaml.analysis.contents import Content
from chachaml.core.values import json_ready
from chachaml.ops import Operation
from chachaml.ops.operation import with_texts
from chachaml.ops.runs import Points, Printed, RunPage
from chachaml.results import BestRun, Run

__all__ = ["RunLine", "WholeRun", "schema_of", "view"]

_FACTS = ("git.sha", "git.branch", "git.dirty", "script", "argv", "python", "platform", "host", "cpu", "gpu")
_FRAMES = 2_000


class RunLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A run in a list. ``id`` is its short form, which every tool takes; times are RFC 3339, UTC."""

    id: str
    name: str
    experiment: str
    status: str
    started: str
    seconds: float | None = None
    by: str = ""
    parent: str = ""
    archived: bool = False
    error: str = ""
    tags: dict[str, str] = {}
    params: dict[str, Any] = {}
    metrics: dict[str, float] = {}


class Curve(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a metric of a run without its points."""

    last: float
    step: int
    points: int
    min: float | None = None
    min_step: int | None = None
    max: float | None = None
    max_step: int | None = None
    nans: int = 0
    infs: int = 0


class File(msgspec.Struct, frozen=True):
    """An artifact of a run."""

    name: str
    size: int
    content_type: str


class Data(msgspec.Struct, frozen=True, omit_defaults=True):
    """A data set that a run used."""

    name: str
    role: str
    digest: str
    rows: int | None = None
    columns: int | None = None


class WholeRun(RunLine, frozen=True, omit_defaults=True, kw_only=True):
    """One run with what belongs to it. ``id`` is the whole one.

    ``metrics`` has the last values, ``curves`` more of those metrics that were logged more than once.
    ``metric``, ``metric_value`` and ``metric_step`` say in what it is the best, where that was asked.
    """

    metric: str = ""
    metric_value: float | None = None
    metric_step: int | None = None
    ended: str = ""
    traceback: str = ""
    curves: dict[str, Curve] = {}
    artifacts: list[File] = []
    datasets: list[Data] = []
    environment: dict[str, Any] = {}
    conflicts: list[str] = []


def view(result: Any) -> Any:
    """Return a result as plain, strict JSON data; mappings that are no structs as `Map`."""
    if isinstance(result, Run):
        return _plain(_whole(result))
    return _plain(result)


def _plain(value: Any) -> Any:
    if isinstance(value, RunPage):
        return {"runs": Whole(map(_plain, value.runs)), "next": value.next}
    if isinstance(value, Points):  # without times: steps say it, in half the size
        columns = {"steps": Whole(value.steps), "times": [], "values": Whole(json_ready(value.values))}
        return {**_fields(value), **columns}
    if isinstance(value, (Content, Printed)):  # whoever goes on behind these must miss none of them
        found = _fields(value)
        return found | {name: Whole(found[name]) for name in ("lines", "rows") if name in found}
    if isinstance(value, Run):
        return _plain(_line(value))
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    if isinstance(value, Mapping):
        return Map({str(key): _plain(one) for key, one in value.items()})
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return _time(value)
    return json_ready(msgspec.to_builtins(value))


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    found = {}
    for name, default in _defaults(type(struct)).items():
        value = getattr(struct, name)
        if value != default or type(value) is not type(default):
            found[name] = _plain(value)
    return found


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields of a struct, with what need not be said of each where it leaves out defaults."""
    said = object()
    if not kind.__struct_config__.omit_defaults:
        return dict.fromkeys(kind.__struct_fields__, said)
    return {one.name: said if one.required else _default(one) for one in msgspec.structs.fields(kind)}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _time(time: datetime | None) -> str:
    return "" if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _short(run: Run) -> dict[str, Any]:
    error = "" if run.error is None else f"{run.error.type}: {run.error.message}"
    return {
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "started": _time(run.started),
        "seconds": None if run.duration is None else round(run.duration, 3),
        "by": run.created_by,
        "archived": run.archived is not None,
        "error": error,
        "params": run.params,
        "metrics": run.metrics,
    }


def _line(run: Run) -> RunLine:
    tags = {key: value for key, value in run.tags.items() if key != "note"}
    about = _short(run)
    about["error"] = about["error"][:300]
    short_parent = run.parent[-8:] if run.parent else ""
    return RunLine(
        id=run.short_id, parent=short_parent, tags=tags, **{**about, "error": about["error"][:300]}
    )


def _whole(run: Run) -> WholeRun:
    best = isinstance(run, BestRun)
    about = ("last", "last_step", "count", "min", "min_step", "max", "max_step", "nans", "infs")
    curves = {
        key: Curve(*(getattr(one, name) for name in about))
        for key, one in run.summaries.items()
        if one.count > 1
    }
    found = {name: getattr(run, name) for name in ("metric", "metric_value", "metric_step")} if best else {}
    return WholeRun(
        id=run.id,
        parent=run.parent or "",
        tags=run.tags,
        ended=_time(run.ended),
        traceback="" if run.error is None else run.error.traceback[-_FRAMES:],
        curves=curves,
        artifacts=[File(one.name, one.size, one.content_type) for one in run.artifacts],
        datasets=[Data(one.name, one.role, one.digest, one.rows, one.columns) for one in run.datasets],
        environment={key: run.environment[key] for key in _FACTS if key in run.environment},
        conflicts=[one.what for one in run.conflicts],
        **_short(run),
        **found,
    )


# schemas ------------------------------------------------------------------------------------------


def schema_of(operation: Operation[..., Any]) -> dict[str, Any]:
    """Return the JSON Schema of what `view` makes of an operation's result."""
    kind = operation.types["return"]
    if isinstance(kind, type) and issubclass(kind, Run):
        return _schema(WholeRun)
    schema = with_texts(operation.output_schema())
    parts = schema.pop("$defs", {})
    if "Run" in parts:
        parts["Run"] = _schema(RunLine)
    used = _used(schema, parts)
    return {**schema, "$defs": {name: parts[name] for name in sorted(used)}} if used else schema


def _schema(kind: type) -> dict[str, Any]:
    _, parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own = parts.pop(kind.__name__)
    return with_texts({**own, "$defs": parts} if parts else own)  # type: ignore[no-any-return]


def _used(schema: Any, parts: Mapping[str, Any]) -> set[str]:
    """Return the names of the parts that a schema refers to, through others too."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        text = str(waiting.pop())
        new = {name for name in parts if f"'#/$defs/{name}'" in text} - found
        found |= new
        waiting += [parts[name] for name in new]
    return found
