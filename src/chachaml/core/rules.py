r"""The invariants, as pure functions; every store runs them inside its transaction.

The life of a run (docs/reference/run-states.md):

    unknown --started--> running --ended by the owner--> completed | failed | interrupted
                            ^  \--owner lost--> crashed
                            |                       |
                            +--- resumed, or data of the owner arrives after all

Data never waits for its run's start: whatever is logged to an unknown run makes a stub (an
owner-less running run with no experiment), which `RunStarted` completes when it arrives.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from chachaml.core.changes import (
    AlertRaised,
    ArtifactLogged,
    ConsoleWritten,
    DatasetLogged,
    EnvironmentCaptured,
    OwnerLost,
    ParamsLogged,
    PointsLogged,
    RunCopied,
    RunEdited,
    RunEnded,
    RunJoined,
    RunResumed,
    RunStarted,
    SeriesCopied,
    StepLogged,
    TagsRemoved,
    TagsSet,
    time_of,
)
from chachaml.core.model import HistoryRow, RunRow
from chachaml.core.values import same_value

__all__ = [
    "RunChange",
    "advance",
    "edited",
    "is_stub",
    "keep_artifact",
    "lose_owner",
    "may_go",
    "may_undo",
    "merge_param",
    "stub",
    "there",
]

Said = (
    ParamsLogged
    | TagsSet
    | TagsRemoved
    | PointsLogged
    | ArtifactLogged
    | DatasetLogged
    | StepLogged
    | AlertRaised
)
Seen = EnvironmentCaptured | ConsoleWritten
Copied = RunCopied | SeriesCopied
RunChange = RunStarted | RunResumed | RunJoined | RunEnded | Said | Seen | Copied


def stub(run: str, time: int) -> RunRow:
    """Return the row of a run that is known only by what was logged to it."""
    return RunRow(id=run, experiment="", name="", status="running", started=time)


def is_stub(row: RunRow) -> bool:
    """Tell whether the run's start has not arrived yet."""
    return row.experiment == ""


def advance(row: RunRow | None, change: RunChange, journal: str) -> tuple[RunRow, str]:
    """Return the run's row after `change`, and what it contradicted ('' if nothing).

    Args:
        row: The run's row before, None when the run is unknown.
        change: Any change of that run. Params, tags and points matter here only as signs of life.
        journal: Id of the journal that says so; '' for a command.
    """
    row = _heard(row or stub(change.run, time_of(change)), journal)
    match change:
        case RunStarted():
            return _start(row, change, journal)
        case RunResumed():
            return _resume(row, journal)
        case RunEnded():
            return _end(row, change, journal), ""
        case RunCopied():
            return _copy(row, change)
        case RunJoined() | ParamsLogged() | TagsSet() | TagsRemoved() | PointsLogged():
            return row, ""
        case ArtifactLogged() | DatasetLogged() | StepLogged() | AlertRaised():
            return row, ""
        case EnvironmentCaptured() | ConsoleWritten() | SeriesCopied():
            return row, ""
        case _:
            assert_never(change)


def _heard(row: RunRow, journal: str) -> RunRow:
    """Take a crash back when its owner is heard of after all; a run without one lives by any writer."""
    if row.status == "crashed" and journal and row.owner in (None, journal):
        return replace(row, status="running", ended=None)
    return row


def _start(row: RunRow, change: RunStarted, journal: str) -> tuple[RunRow, str]:
    if not is_stub(row):
        return row, "" if row.owner == journal else "the run was started twice; the first start stays"
    return replace(
        row,
        experiment=change.experiment,
        name=change.name,
        started=change.time,
        created_by=change.created_by,
        parent=change.parent,
        owner=row.owner or journal or None,
    ), ""


def _resume(row: RunRow, journal: str) -> tuple[RunRow, str]:
    rival = row.status == "running" and row.owner not in (None, journal)
    what = "the run was resumed while another process owned it; the later owner decides its end"
    row = replace(row, status="running", ended=None, error=None, owner=journal or None)
    return row, what if rival else ""


def _end(row: RunRow, change: RunEnded, journal: str) -> RunRow:
    # Anybody else's end is the end of their part in it only.
    if row.owner != (journal or None) or row.status not in ("running", "crashed"):
        return row
    duration = (row.duration or 0) + (change.duration or 0)
    return replace(row, status=change.status, ended=change.time, error=change.error, duration=duration)


def _copy(row: RunRow, change: RunCopied) -> tuple[RunRow, str]:
    if row.owner is not None:
        return row, "the run goes on here, and stays as it is"
    bare = replace(change.row, id=change.run, owner=None, tags={}, params={}, metrics={})
    return replace(bare, conflicts=(), artifacts=(), datasets=(), environment={}), ""


def lose_owner(row: RunRow, change: OwnerLost, *, joined: bool) -> RunRow:
    """Return the row after the process behind a journal is gone.

    Args:
        row: Any run's row.
        change: Whose process, and when it was last heard of.
        joined: Whether that journal wrote to the run: a stub dies with those who wrote it.
    """
    owned = row.owner == change.journal or (row.owner is None and joined)
    if not owned or row.status != "running":
        return row
    return replace(row, status="crashed", ended=max(change.time, row.started))


def merge_param(kept: str | None, new: str) -> tuple[str, str]:
    """Return the canonical value that stays, and what it contradicted ('' if nothing): the first stays."""
    if kept is None:
        return new, ""
    return kept, "" if same_value(kept, new) else f"{kept} stays, {new} was refused"


def keep_artifact(kept: str | None, new: ArtifactLogged) -> str:
    """Return what an artifact contradicts ('' if nothing): the first of its name stays, unless overwritten.

    Args:
        kept: Digest of the run's artifact of that name, None if there is none.
        new: What is logged now.
    """
    if kept in (None, new.digest) or new.overwrite:
        return ""
    return f"artifact {new.name!r}: {kept} stays, {new.digest} was refused"


# corrections by people ------------------------------------------------------------------------------


def may_go(row: RunRow) -> str:
    """Return why a run may be neither archived nor deleted ('' if it may)."""
    return "the run is running" if row.status == "running" else ""


def there(row: RunRow, aspect: str) -> str | None:
    """Return what a run's row has of an aspect that people correct, as they would write it."""
    if aspect == "archived":
        return None if row.archived is None else "yes"
    if aspect == "parent":
        return row.parent
    return row.name if aspect == "name" else row.experiment


def edited(row: RunRow, change: RunEdited) -> RunRow:
    """Return the row after a correction; those of params and metrics are not in the row."""
    match change.aspect, change.value:
        case "name", str(name):
            return replace(row, name=name)
        case "experiment", str(experiment):
            return replace(row, experiment=experiment)
        case "parent", parent:
            return replace(row, parent=parent)
        case "archived", value:
            return replace(row, archived=None if value is None else row.archived or change.time)
    return row


def may_undo(entry: HistoryRow | None, change: RunEdited, now: str | None) -> str:
    """Return why a correction may not be taken back ('' if it may).

    Args:
        entry: What is to be undone, None if there is no such entry.
        change: What would undo it.
        now: What is there now.
    """
    if entry is None or (entry.run, entry.aspect, entry.key) != (change.run, change.aspect, change.key):
        return f"there is no change {change.undoes} of this run"
    if entry.undone is not None:
        return f"change {entry.no} was undone before, by change {entry.undone}"
    if now != entry.after:
        return f"change {entry.no} was followed by another one: undo that first"
    return ""
