"""The live run: what training code holds, and the path of a number into the journal."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import Any, Literal, Self
from zlib import crc32

from chachaml import current, hooks
from chachaml.connection import Connection, at, is_left_behind
from chachaml.core.changes import (
    AlertRaised,
    ConsoleWritten,
    EnvironmentCaptured,
    Fact,
    PackagesSeen,
    ParamsLogged,
    PointsLogged,
    RunEnded,
    RunError,
    RunJoined,
    StepLogged,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.errors import BadValue, NotFound, ParamConflict, RunHasEnded, StoreError
from chachaml.core.ids import short
from chachaml.core.model import RunRow
from chachaml.core.values import as_number, as_step, as_text, canonical, check_key, flatten, same_value
from chachaml.journal.format import POINT, point_body, point_cell, row_frame
from chachaml.run_artifacts import RunArtifacts

__all__ = ["LiveRun", "as_error", "attach", "from_row", "status_of"]

_UNSTARTED = -1
"""The highest step of a series without points: its first step without a number is 0."""


class _Series:
    """A series as its writer knows it."""

    __slots__ = ("head", "number", "top")

    def __init__(self, number: int | None, top: int) -> None:
        self.number = number
        self.head = POINT | (number or 0) << 8
        self.top = top


class _Group:
    """Series that are logged together, by one record a call; while they are, they share `top`."""

    __slots__ = ("keys", "number", "pack", "top")

    def __init__(self, keys: tuple[str, ...], number: int, top: int, *, plain: bool) -> None:
        self.keys, self.number, self.top = keys, number, top
        self.pack = struct.Struct(f"<{len(keys)}d").pack if plain else self._pack_any

    def _pack_any(self, *values: Any) -> bytes:
        """Pack what need not be plain numbers: a tensor with a gradient warns when it is packed itself."""
        return struct.pack(f"<{len(values)}d", *map(as_number, self.keys, values))


class LiveRun(RunArtifacts):
    """A run that this process writes to. Get one from `chachaml.start_run`.

    Use it as a context manager, or call `end`. May be used from any thread, from forked processes,
    and pickled to spawned ones; only the process that started or resumed the run decides its end.

    Attributes:
        id: 32 hex digits, sorting by time.
        experiment: Name of its experiment.
        name: Its own name.
        parent: Id of the run that it is a part of, or None.
        tags: The tags that this process knows of.
    """

    def __init__(
        self,
        connection: Connection,
        run: str,
        *,
        experiment: str,
        name: str,
        parent: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        tops: Mapping[str, int] | None = None,
        artifacts: Iterable[str] = (),
        owner: bool,
        rank: int = 0,
    ) -> None:
        self.id, self.experiment, self.name, self.parent = run, experiment, name, parent
        self.tags = dict(tags or {})
        self._connection, self._owner, self._rank = connection, owner, rank
        self._params = dict(params or {})
        self._tops = dict(tops or {})
        self._artifacts = set(artifacts)
        self._journal = connection.journal()
        self._announced = self._journal.id if owner else ""
        self._began = time.monotonic()
        self._closing: list[Callable[[], None]] = []
        self._ended = False
        self._forget_numbers()
        current.opened(self)

    def _forget_numbers(self) -> None:
        self._lock = threading.RLock()
        self._salt = self._journal.salt
        self._group_numbers: dict[tuple[str, ...], int] = {}
        self._series: dict[str, _Series] = {}
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._grouped: dict[str, _Group] = {}
        self._members: dict[str, _Series] = {}

    def __repr__(self) -> str:
        state = "ended" if self._ended else "live"
        where = f"experiment {self.experiment!r} of {self._connection.path.name}"
        return f"<{state} run {self.name!r} ({short(self.id)}) in {where}>"

    def __reduce__(self) -> tuple[Callable[..., LiveRun], tuple[object, ...]]:
        return attach, (self._connection.path, self.id, self.experiment, self.name)

    # metrics --------------------------------------------------------------------------------------

    def log_metric(self, key: str, value: Any, step: int | None = None) -> None:
        """Log one value of a metric; it survives this process once the call returns.

        Args:
            key: Any text; slashes make groups.
            value: A number: int, float, bool, Decimal, or an array or tensor of one element.
            step: A whole number in 64 bits. Default: one more than the highest step that this
                process knows of this metric, from 0.

        Raises:
            BadValue: The key, value or step cannot be kept; nothing was logged.
            RunHasEnded: The run was ended through this handle.
        """
        # The hot path: no locks, no allocation but the record, one call that writes it. Whatever
        # is out of the ordinary raises before the write, and goes the slow way from its start.
        try:
            series = self._series[key]
            if step is None:
                step = series.top + 1
            elif step.__class__ is not int:
                step = as_step(key, step)
            if value.__class__ is not float:
                value = float(value) if value.__class__ is int else as_number(key, value)
            now = time_ns()
            head = series.head
            cell = point_cell(head, crc32(point_body(head, step, now, value), self._salt), step, now, value)
            if step > series.top:
                series.top = step
            self._journal.write(cell)
            return
        except (LookupError, TypeError, ValueError, ArithmeticError, OSError, struct.error):
            pass
        self._log_slowly({key: value}, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values of several metrics at one step, all or none; see `log_metric`.

        Without a step each metric goes on from its own highest one.
        """
        try:
            group = self._groups[tuple(metrics)]
            if step is None:
                step = group.top + 1
            elif step.__class__ is not int:
                step = as_step(group.keys[0], step)
            values = group.pack(*metrics.values())
            record = row_frame(group.number, step, time_ns(), values, self._salt)
            if step > group.top:
                group.top = step
            self._journal.write(record)
            return
        except (LookupError, TypeError, ValueError, ArithmeticError, OSError, struct.error):
            pass
        self._log_slowly(metrics, step)

    def _log_slowly(self, metrics: Mapping[str, Any], step: Any) -> None:
        """Check everything, declare what is new, then log."""
        values = {check_key("metric", key): as_number(key, value) for key, value in metrics.items()}
        with self._lock:
            if not self._listens():
                return
            self._announce()
            members = [self._declared(key) for key in values]
            if not members:
                return
            if step is None:
                steps = [as_step(key, series.top + 1) for key, series in zip(values, members, strict=True)]
            else:
                steps = [as_step(next(iter(values)), step)] * len(members)
            if len(members) == 1 or len(set(steps)) > 1 or any(s.number is None for s in members):
                for series, key, at_step in zip(members, values, steps, strict=True):
                    self._log_point(series, key, at_step, values[key])
            else:
                plain = all(isinstance(value, Real) for value in metrics.values())
                self._log_row(members, values, steps[0], plain=plain)

    def _log_point(self, series: _Series, key: str, step: int, value: float) -> None:
        now = time_ns()
        series.top = max(series.top, step)
        if series.number is None:
            self._tops[key] = series.top
            columns = (struct.pack("<q", step), struct.pack("<q", now // 1000), struct.pack("<d", value))
            self._journal.log(PointsLogged(self.id, key, *columns))
            return
        checksum = crc32(point_body(series.head, step, now, value), self._salt)
        self._journal.append(point_cell(series.head, checksum, step, now, value))

    def _log_row(self, members: list[_Series], values: dict[str, float], step: int, *, plain: bool) -> None:
        keys = tuple(values)
        number = self._group_numbers.get(keys)
        if number is None:
            numbers = [series.number for series in members if series.number is not None]
            number = self._group_numbers[keys] = self._journal.number_group(self.id, numbers)
        group = _Group(keys, number, step, plain=plain)
        packed = group.pack(*values.values())
        self._journal.append(row_frame(group.number, step, time_ns(), packed, self._salt))
        for series in members:
            series.top = max(series.top, step)
        if len({series.top for series in members}) == 1:
            self._bind(group, members)

    def _bind(self, group: _Group, members: list[_Series]) -> None:
        """Let the quick way of `log_metrics` serve the group: its members' tops move with its own."""
        group.top = members[0].top
        for key, series in zip(group.keys, members, strict=True):
            self._series.pop(key, None)
            self._members[key] = series
            self._grouped[key] = group
        self._groups[group.keys] = group

    def _declared(self, key: str) -> _Series:
        """Return the series of `key`, on its own feet."""
        if group := self._grouped.get(key):
            self._dissolve(group)
        series = self._series.get(key)
        if series is None:
            number = self._journal.number_series(self.id, key)
            series = _Series(number, self._tops.get(key, _UNSTARTED))
            if number is not None:
                self._series[key] = series
        return series

    def _dissolve(self, group: _Group) -> None:
        self._groups.pop(group.keys, None)
        for key in group.keys:
            series = self._members.pop(key)
            series.top = group.top
            self._grouped.pop(key)
            self._series[key] = series

    # params, tags, notes --------------------------------------------------------------------------

    def log_param(self, key: str, value: Any) -> None:
        """Log one param; see `log_params`."""
        self.log_params({key: value})

    def log_params(self, params: object) -> None:
        """Log params, all or none. They are written once: an equal value again is nothing.

        Args:
            params: A dict, dataclass or argparse namespace of plain values; nested ones become
                ``outer.inner``. Types are kept.

        Raises:
            BadValue: A key or value cannot be kept.
            ParamConflict: This process knows another value of one of them.
            RunHasEnded: The run was ended through this handle.
        """
        flat = flatten(params)
        with self._lock:
            if not self._listens():
                return
            for key, value in flat.items():
                if (kept := self._params.get(key)) is not None and not same_value(kept, value):
                    raise ParamConflict(
                        f"param {key!r} of run {self.name!r} is {kept} already and cannot become {value}",
                        "params are written once; log what changes as a metric or a tag",
                    )
            new = {key: value for key, value in flat.items() if key not in self._params}
            if new:
                self._announce()
                self._journal.log(ParamsLogged(self.id, _now(), new))
                self._params.update(new)

    def corrected(self, aspect: str, key: str, value: str | None) -> None:
        """Hear that a person corrected this run, so that what is logged from now on agrees."""
        with self._lock:
            if aspect == "name" and value is not None:
                self.name = value
            elif aspect == "param" and value is not None:
                self._params[key] = value
            elif aspect == "param":
                self._params.pop(key, None)

    def add_tag(self, key: str, value: object) -> None:
        """Set a tag to the text of `value`, replacing any earlier one."""
        tag = {check_key("tag", key): as_text(f"tag {key!r}", str(value))}
        with self._lock:
            if not self._listens():
                return
            self._announce()
            self._journal.log(TagsSet(self.id, _now(), tag))
            self.tags.update(tag)

    def remove_tag(self, key: str) -> None:
        """Remove a tag; one that is not there is fine."""
        with self._lock:
            if not self._listens():
                return
            self._announce()
            self._journal.log(TagsRemoved(self.id, _now(), (check_key("tag", key),)))
            self.tags.pop(key, None)

    def set_note(self, text: str) -> None:
        """Set the run's note, in Markdown; it is the tag ``note``."""
        self.add_tag("note", as_text("note", text))

    # what is captured -----------------------------------------------------------------------------

    def capture(self, facts: Mapping[str, Fact], *, like: str = "") -> None:
        """Keep facts of where and from what the run is made; those of the run `like` it too.

        Capturing comes late and in other threads: for a run that nobody listens to any more, it is nothing.
        """
        with self._lock:
            if self._owner and not self._journal.closed:
                self._journal.log(EnvironmentCaptured(self.id, _now(), dict(facts), like))

    def capture_packages(self, digest: str, packages: Mapping[str, str]) -> None:
        """Keep the versions of packages, which a fact names by their digest."""
        with self._lock:
            if not self._journal.closed:
                self._journal.log(PackagesSeen(_now(), digest, dict(packages)))

    def capture_printed(self, stream: Literal["out", "err"], line: int, text: str) -> None:
        """Keep lines that were printed, from number `line` on."""
        with self._lock:
            if not self._ended and not self._journal.closed:
                self._announce()
                self._journal.log(ConsoleWritten(self.id, _now(), stream, line, text))

    def log_change(self, change: StepLogged | AlertRaised) -> None:
        """Log something of this run that other parts of chachaml say of it."""
        with self._lock:
            if self._listens():
                self._announce()
                self._journal.log(change)

    def before_end(self, close: Callable[[], None]) -> None:
        """Have `close` called once, just before the run ends through this handle."""
        self._closing.append(close)

    # life -----------------------------------------------------------------------------------------

    def end(self, status: str = "completed", error: BaseException | RunError | str | None = None) -> None:
        """End the run, or, in a process that does not own it, this process's part in it.

        Args:
            status: "completed", "failed" or "interrupted".
            error: Why it failed: the exception, or a message.

        Raises:
            BadValue: Another status.
            StoreError: Only if ``CHACHAML_STRICT`` is set and something could not be stored.
        """
        if status not in ("completed", "failed", "interrupted"):
            raise BadValue(f"a run cannot end as {status!r}", "use 'completed', 'failed' or 'interrupted'")
        while self._closing:
            self._closing.pop()()
        if self._rank and error is not None and not self._ended and (reason := as_error(error)):
            self.add_tag(f"rank.{self._rank}.error", f"{reason.type}: {reason.message}".removeprefix(": "))
        with self._lock:
            if self._ended:
                return
            duration = int((time.monotonic() - self._began) * 1e6)
            if self._has_a_say():
                self._journal.log(RunEnded(self.id, _now(), status, as_error(error), duration))  # type: ignore[arg-type]
            self._ended = True
            self._journal.forget(self.id)
            self._forget_numbers()
        current.ended(self)
        self._connection.report_loss()
        if self._owner:
            hooks.tell(self._connection, self.id)

    def _has_a_say(self) -> bool:
        """Tell whether this handle's end means anything to this process's journal."""
        if self._announced != self._journal.id or self._journal.closed:
            return False  # nothing was logged here, or nobody listens any more
        if self._owner:
            return True
        # A handle that joined in the owner's own process: the same journal would end the run.
        return not any(run.id == self.id and getattr(run, "owner", False) for run in current.open_runs())

    @property
    def connection(self) -> Connection:
        """The store that the run is logged to."""
        return self._connection

    @property
    def journal_id(self) -> str:
        """The id of the journal that this process logs the run to."""
        return self._journal.id

    @property
    def ended(self) -> bool:
        """Whether the run was ended through this handle."""
        return self._ended

    @property
    def owner(self) -> bool:
        """Whether this process decides the run's end."""
        return self._owner

    def after_fork(self) -> None:
        """In a forked child: go on in a journal of one's own, without owning the run."""
        tops = {key: series.top for key, series in (*self._series.items(), *self._members.items())}
        self._tops |= tops | {key: group.top for key, group in self._grouped.items()}
        self._owner = False
        self._announced = ""
        self._closing.clear()
        self._forget_numbers()

    def _announce(self) -> None:
        """See to it that this process's journal says that it writes to the run."""
        journal = self._connection.journal()
        if self._announced != journal.id:
            self._journal, self._announced, self._salt = journal, journal.id, journal.salt
            journal.log(RunJoined(self.id, _now()))

    def _listens(self) -> bool:
        """Tell whether to log: not in a thread that goes on while the process and so the run end.

        Raises:
            RunHasEnded: The run was ended through this handle.
        """
        if self._ended and is_left_behind():
            return False
        if self._ended:
            raise RunHasEnded(
                f"run {self.name!r} ({short(self.id)}) has ended; nothing was logged",
                f"chachaml.start_run(resume={self.id!r}) goes on with it",
            )
        return True

    def __enter__(self) -> Self:
        current.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current.leave(self)
        try:
            self.end(status_of(error), error)
        except StoreError:
            if error is None:
                raise


def attach(path: Path, run: str, experiment: str, name: str, rank: int = 0) -> LiveRun:
    """Return this process's handle on a run that another process, or this one, has open.

    What is known of the run in the store, if it is there already, says where steps go on.
    """
    connection = at(path)
    for open_run in current.open_runs():
        if open_run.id == run and isinstance(open_run, LiveRun):
            return open_run
    try:
        row = connection.ready(at_once=True).get_run(run)
    except (NotFound, StoreError):
        return LiveRun(connection, run, experiment=experiment, name=name, owner=False, rank=rank)
    return from_row(connection, row, owner=False, rank=rank)


def from_row(connection: Connection, row: RunRow, *, owner: bool, rank: int = 0) -> LiveRun:
    """Return a handle that goes on with what the store holds of a run."""
    return LiveRun(
        connection,
        row.id,
        experiment=row.experiment,
        name=row.name,
        parent=row.parent,
        tags=row.tags,
        params={key: canonical(key, value) for key, value in row.params.items()},
        tops={key: summary.last_step for key, summary in row.metrics.items()},
        artifacts=(artifact.name for artifact in row.artifacts),
        owner=owner,
        rank=rank,
    )


def status_of(error: BaseException | None) -> str:
    """Return how a run ends whose code raised `error`."""
    if error is None:
        return "completed"
    if isinstance(error, SystemExit):
        return "completed" if error.code in (None, 0) else "failed"
    return "failed" if isinstance(error, Exception) else "interrupted"


def as_error(error: BaseException | RunError | str | None) -> RunError | None:
    """Return what a run keeps of the reason why it failed."""
    if error is None or isinstance(error, RunError):
        return error
    if isinstance(error, str):
        return RunError("", error)
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return None
    import traceback

    text = "".join(traceback.format_exception(error))
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return RunError(name, _cleaned(str(error)), _cleaned(text))


def _cleaned(text: str) -> str:
    """Return text that every store can keep; an odd message must not cost the run its end."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _now() -> int:
    return time_ns() // 1000
