"""Starting and ending runs, and logging to the current one."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, cast

from chachaml import connection as connections
from chachaml import current, jobs
from chachaml.connection import Connection, connection
from chachaml.core import configuration, settings
from chachaml.core.changes import RunJoined, RunResumed, RunStarted
from chachaml.core.errors import BadValue, RunIsLive
from chachaml.core.ids import new_id, readable_name, short
from chachaml.core.model import RunRow
from chachaml.core.values import as_text, check_key
from chachaml.current import plain, run_in_context
from chachaml.live import LiveRun, attach, from_row, status_of
from chachaml.lookup import resolve

__all__ = [
    "batched_metrics",
    "current_run",
    "end_run",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "require",
    "start_apart",
    "start_run",
]

DEFAULT_EXPERIMENT = "default"

_NAMELESS = (
    "this is rank {0.number} of {0.size}, but nothing names the job, so its run is its own. Export "
    "CHACHAML_JOB, the same for all ranks and another for each job; or "
    "CHACHAML_RANKS=apart, if it is meant so"
)

_SAMPLE_EVERY = 15.0
"""Seconds between two measurements of the machine when nobody says."""

_sites: dict[int, tuple[object, ...]] = {}
"""Where each plain run was started, by id of its handle."""


def start_run(
    experiment: str | None = None,
    name: str | None = None,
    *,
    tags: Mapping[str, object] | None = None,
    parent: str | LiveRun | None = None,
    created_by: str | None = None,
    resume: str | None = None,
    join: bool | None = None,
    capture: bool | None = None,
    capture_diff: bool | None = None,
    system_metrics: bool | float | None = None,
    console: bool | None = None,
) -> LiveRun:
    """Start a run, or go on with one, and make it the current run.

    Use it in a ``with`` statement, or call `end_run` later. An exception that leaves the block ends
    the run as failed, with its type, message and traceback, and is raised on; Ctrl-C ends it as
    interrupted. A run started plainly while another is open is its child, except that the same
    line or notebook cell starting anew ends its earlier run as interrupted.

    Args:
        experiment: What the run belongs to. Default: the parent's experiment, else "default".
        name: Default: a readable generated one.
        tags: Texts by key.
        parent: Id or handle of the run that this is a part of. Default: the current run.
        created_by: Who. Default: ``CHACHA_USER``, else the user of the operating system.
        resume: Id, prefix or short form of an ended run to go on with.
        join: With `resume`: write to the run beside the process that owns it. Without: False for a run of
            one's own where ranks of a distributed job share one. Default: as the launcher's variables say.
        capture: Keep code version, machine and packages, in the background. Default: as set, which is on.
        capture_diff: Keep what is not committed as an artifact. Default: as set, which is off.
        system_metrics: Log how busy the machine is, every so many seconds (True: 15). Default: as set.
        console: Keep what this process prints until the run ends. Default: as set, which is off.

    Returns:
        The live run.

    Raises:
        BadValue: A name, tag or combination that cannot be.
        NotFound: No run to resume.
        RunIsLive: The run to resume still has a living owner, and `join` was not said.
        MissingExtra: System metrics were asked for, and psutil is not installed.
        ForeignFile, SchemaTooNew: The store's file is not one for this chachaml.
    """
    wanted = _Capture.wanted(capture, capture_diff, system_metrics, console)
    rank = _rank() if join is None else None
    if resume is not None:
        if experiment or name or tags or parent or created_by:
            raise BadValue("a resumed run keeps its experiment, name, tags, parent and creator")
        run = _resume(connection(), resume, join=bool(join), rank=rank)
    elif join:
        raise BadValue("join=True needs the run to join", "start_run(resume=<id>, join=True)")
    else:
        site = _call_site()
        _end_earlier(site)
        run = _start(connection(), experiment, name, tags or {}, _above(parent), created_by, rank)
        _sites[id(run)] = site
    current.start_plain(run)
    if run.connection.keeps and (run.owner or rank):
        wanted.begin(run, rank)
    return run


class _Capture(NamedTuple):
    """What is to be captured of a run: arguments come before settings."""

    environment: bool
    diff: bool
    system_every: float
    console: int
    """Characters to keep; 0 for none."""

    @classmethod
    def wanted(
        cls,
        environment: bool | None,
        diff: bool | None,
        system_metrics: bool | float | None,
        console: bool | None,
    ) -> _Capture:
        """Return it; asked for before the run starts, since a setting may make no sense.

        Raises:
            BadValue: A setting makes no sense.
            MissingExtra: System metrics are wanted, and psutil is not installed.
        """
        every = configuration.number("system_metrics") if system_metrics is None else system_metrics
        if not every >= 0:
            raise BadValue(f"system_metrics is a number of seconds, not {every!r}")
        if every:
            from chachaml.capture.system import require_psutil

            require_psutil()
        keeps = configuration.flag("console") if console is None else console
        return cls(
            environment=configuration.flag("capture") if environment is None else environment,
            diff=configuration.flag("capture_diff") if diff is None else diff,
            system_every=_SAMPLE_EVERY if every is True else float(every),
            console=int(configuration.number("console_limit")) if keeps else 0,
        )

    def begin(self, run: LiveRun, rank: jobs.Rank | None) -> None:
        """Capture from now on: of all ranks what they print and how busy they are, of one the environment."""
        if not (self.environment or self.system_every or self.console):
            return
        from chachaml import capturing

        if self.environment and run.owner:
            capturing.begin(run, diff=self.diff)
            if rank:
                run.capture({"ranks": rank.size, "launcher": rank.launcher})
        number = rank.number if rank else 0
        if self.system_every:
            capturing.sample_system(run, self.system_every, number)
        if self.console:
            capturing.save_console(run, self.console, number)


def start_apart(experiment: str, name: str | None, tags: Mapping[str, object] | None = None) -> LiveRun:
    """Start a run for another library's call that means one: it becomes the current one, and nobody's child.

    Unlike with `start_run`, the same line may start several. It ends with the process if not before.
    """
    wanted, rank = _Capture.wanted(None, None, None, None), _rank()
    run = _start(connection(), experiment, name, tags or {}, None, None, rank)
    current.start_plain(run)
    if run.connection.keeps and (run.owner or rank):
        wanted.begin(run, rank)
    return run


def _rank() -> jobs.Rank | None:
    """Return which rank of a job this process is, if it is one that finds the run of all."""
    rank = jobs.rank()
    if rank and not rank.job:
        connection().tell("job", _NAMELESS.format(rank))
        return None
    return rank


def _above(parent: str | LiveRun | None) -> LiveRun | RunRow | None:
    """Return the run that a new one is a part of: the current one, if nobody says another."""
    if isinstance(parent, str):
        return resolve(connection().ready(), parent)
    return current_run() if parent is None else parent


def _start(
    where: Connection,
    experiment: str | None,
    name: str | None,
    tags: Mapping[str, object],
    above: LiveRun | RunRow | None,
    created_by: str | None,
    rank: jobs.Rank | None,
) -> LiveRun:
    ident = jobs.shared_id(rank.job, above.id if above else "") if rank else new_id()
    started = RunStarted(
        ident,
        time.time_ns() // 1000,
        check_key("experiment", experiment or (above.experiment if above else "") or DEFAULT_EXPERIMENT),
        as_text("run name", name) if name else readable_name(),
        as_text("created_by", created_by) if created_by else settings.current_user(),
        above.id if above else None,
        {check_key("tag", key): as_text(f"tag {key!r}", str(value)) for key, value in tags.items()},
    )
    if rank and rank.number:
        return attach(where.path, ident, started.experiment, started.name, rank.number)
    where.journal().log(started)
    return LiveRun(
        where,
        started.run,
        experiment=started.experiment,
        name=started.name,
        parent=started.parent,
        tags=started.tags,
        owner=True,
    )


def _resume(where: Connection, text: str, *, join: bool, rank: jobs.Rank | None) -> LiveRun:
    row = resolve(where.ready(at_once=True), text)
    if rank and rank.number:
        return from_row(where, row, owner=False, rank=rank.number)
    here = [run for run in current.open_runs() if run.id == row.id]
    if row.status == "running" or here:
        if not (join or rank):
            where_else = "this" if here else "another"
            raise RunIsLive(
                f"run {row.name!r} ({short(row.id)}) is still running, in {where_else} process",
                f"start_run(resume={short(row.id)!r}, join=True) writes to it beside its owner",
            )
        where.journal().log(RunJoined(row.id, time.time_ns() // 1000))
        return from_row(where, row, owner=False)
    where.journal().log(RunResumed(row.id, time.time_ns() // 1000))
    return from_row(where, row, owner=True)


def end_run(status: str = "completed", error: BaseException | str | None = None) -> None:
    """End the current run.

    Args:
        status: "completed", "failed" or "interrupted".
        error: Why it failed: the exception, or a message.

    Raises:
        NoActiveRun: No run is open.
        BadValue: Another status.
    """
    require("end_run").end(status, error)


def current_run() -> LiveRun | None:
    """Return the current run, or None.

    In a process started for a run, the environment's ``CHACHAML_RUN_ID`` names it.
    """
    run = current.find()
    if run is None and (given := current.environment_run()):
        run = attach(connection().path, given, DEFAULT_EXPERIMENT, given[-8:])
    return cast("LiveRun | None", run)


def require(what: str) -> LiveRun:
    """Return the current run.

    Raises:
        NoActiveRun: No run is open; `what` names the call that wanted one.
    """
    return current_run() or cast(LiveRun, current.require(what))


def log_metric(key: str, value: Any, step: int | None = None) -> None:
    """Log one value of a metric to the current run; see `LiveRun.log_metric`.

    Raises:
        NoActiveRun: No run is open.
    """
    run: Any = run_in_context() or (plain[-1] if plain else require("log_metric"))
    run.log_metric(key, value, step)


def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Log values of several metrics at one step to the current run; see `LiveRun.log_metrics`.

    Raises:
        NoActiveRun: No run is open.
    """
    run: Any = run_in_context() or (plain[-1] if plain else require("log_metrics"))
    run.log_metrics(metrics, step)


def log_param(key: str, value: Any) -> None:
    """Log one param to the current run; see `LiveRun.log_params`."""
    require("log_param").log_param(key, value)


def log_params(params: object) -> None:
    """Log params to the current run; see `LiveRun.log_params`."""
    require("log_params").log_params(params)


@contextmanager
def batched_metrics() -> Iterator[None]:
    """Do nothing: logging metrics needs no batches here. Kept for code that is used to it."""
    yield


def _call_site() -> tuple[object, ...]:
    """Return what tells one place in a script, or one notebook cell, from another, in this thread."""
    frame = sys._getframe(2)
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and frame.f_globals is shell.user_ns:
        message = getattr(shell, "parent_header", None) or {}
        cell = (message.get("metadata") or {}).get("cellId")
        if cell:
            return ("cell", cell)
    return (frame.f_code.co_filename, frame.f_lineno, threading.get_ident())


def _end_earlier(site: tuple[object, ...]) -> None:
    """End the plain run that the same place started before: it was started anew."""
    for run in reversed(current.plain_runs()):
        if _sites.get(id(run)) == site and isinstance(run, LiveRun) and run.owner:
            run.end("interrupted")


def _at_exit() -> None:
    """End what was plainly started, as the process ends, and let the drainers finish."""
    error = _reason_to_exit()
    if capturing := sys.modules.get("chachaml.capturing"):
        capturing.finish()
    connections.exiting.set()
    try:
        for run in reversed(current.plain_runs()):
            if isinstance(run, LiveRun):
                run.end(status_of(error), error)
        connections.close_all()
    except KeyboardInterrupt as impatience:
        error = impatience  # what is not drained stays in the journal, for the next to look
    if isinstance(error, KeyboardInterrupt):
        _exit_by_interrupt()


def _reason_to_exit() -> BaseException | None:
    """Return the exception that ends this process; at a prompt, the last one ended nothing."""
    if hasattr(sys, "ps1"):
        return None
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


def _exit_by_interrupt() -> None:
    """Let the process end by SIGINT, as one does that Ctrl-C ended.

    Python notes that an interrupt went through code made from text, as a script is, and forgets it
    when other such code runs. Importing a named tuple runs some, so draining may have made it forget.
    """
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102


def _before_fork() -> None:
    if capturing := sys.modules.get("chachaml.capturing"):
        capturing.before_fork()
    connections.before_fork()


def _after_fork_in_parent() -> None:
    connections.after_fork_in_parent()
    if capturing := sys.modules.get("chachaml.capturing"):
        capturing.after_fork_in_parent()


def _after_fork() -> None:
    current.after_fork()
    connections.after_fork()
    if capturing := sys.modules.get("chachaml.capturing"):
        capturing.after_fork()
    for run in current.open_runs():
        if isinstance(run, LiveRun):
            run.after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork
    )
