"""What has to be said for a run to become here what it is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import (
    ArtifactLogged,
    Change,
    ConsoleWritten,
    DatasetLogged,
    EnvironmentCaptured,
    ParamsLogged,
    StepLogged,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.model import RunRow, Summary, WholeRun
from chachaml.core.values import canonical

__all__ = ["belongings", "likeness", "same_points"]


_STREAMS: dict[str, Literal["out", "err"]] = {"out": "out", "err": "err"}


def belongings(there: WholeRun, here: WholeRun | None, *, mirror: bool) -> Iterator[Change]:
    """Yield what brings all that belongs to a run but its points.

    Args:
        there: The run elsewhere.
        here: The run as it is here, None if it is unknown.
        mirror: Make tags and artifacts what they are there; else those that are here stay.
    """
    row, known = there.row, here.row if here else RunRow("", "", "", "running", 0)
    yield from _tags(row, known, mirror=mirror)
    new = {key: canonical(key, value) for key, value in row.params.items() if key not in known.params}
    if new:
        yield ParamsLogged(row.id, row.started, new)
    if row.environment != known.environment and row.environment:
        yield EnvironmentCaptured(row.id, row.started, row.environment)
    artifacts = {one.name: one for one in known.artifacts}
    for one in row.artifacts:
        if artifacts.get(one.name) != one and (mirror or one.name not in artifacts):
            kept = (one.name, one.digest, one.size, one.content_type, one.format, one.signature)
            yield ArtifactLogged(row.id, one.logged, *kept, overwrite=mirror)
    for data in row.datasets:
        if data not in known.datasets:
            about = (data.name, data.role, data.rows, data.columns, data.features, data.digest, data.source)
            yield DatasetLogged(row.id, data.logged, *about)
    yield from _told(there, here)


def _tags(row: RunRow, known: RunRow, *, mirror: bool) -> Iterator[Change]:
    tags = {
        key: value
        for key, value in row.tags.items()
        if known.tags.get(key) != value and (mirror or key not in known.tags)
    }
    if tags:
        yield TagsSet(row.id, row.started, tags)
    gone = tuple(known.tags.keys() - row.tags.keys())
    if gone and mirror:
        yield TagsRemoved(row.id, row.started, gone)


def _told(there: WholeRun, here: WholeRun | None) -> Iterator[Change]:
    """Yield what the run printed, and how its steps stand."""
    run = there.row.id
    printed = {replace(line, no=0) for line in here.console} if here else set()
    for line in there.console:
        if replace(line, no=0) not in printed:
            yield ConsoleWritten(run, line.time, _STREAMS[line.stream], line.line, line.text)
    steps = here.steps if here else ()
    for step in there.steps:
        if step not in steps:
            ran = (step.step_run, step.started, step.ended, step.attempts, step.key)
            yield StepLogged(run, there.row.started, step.step, step.order, step.status, step.needs, *ran)


def same_points(there: Summary, here: Summary | None) -> bool:
    """Tell whether two series look alike, as far as that can be told without their points."""
    return here is not None and _outline(there) == _outline(here)


def _outline(summary: Summary) -> tuple[int, ...]:
    ends = (summary.first_step, summary.first_time, summary.last_step, summary.last_time)
    return (summary.count, summary.nans, summary.infs, *ends)


def likeness(whole: WholeRun) -> bytes:
    """Return bytes that are equal for runs that are alike in all but the values of their points."""
    row = whole.row
    bare = replace(row, owner=None, params={}, metrics={}, tags={}, environment={})
    values: Mapping[str, Any] = {key: canonical(key, value) for key, value in row.params.items()}
    outlines = {key: _outline(summary) for key, summary in row.metrics.items()}
    console = tuple(replace(line, no=0) for line in whole.console)
    sorted_by_key = [sorted(one.items()) for one in (values, outlines, row.tags, row.environment)]
    return msgspec.msgpack.encode([bare, sorted_by_key, console, whole.steps])
