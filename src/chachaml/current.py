"""Which run is the current one, in this thread, task and process.

A run in a ``with`` block is current in its own context (thread or asyncio task, and the tasks
started from it); a plainly started one in the whole process. A thread that inherited no context
still finds the run if the process has just one open.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Protocol

from chachaml.core.errors import NoActiveRun

__all__ = [
    "OpenRun",
    "ended",
    "enter",
    "forget_plain",
    "leave",
    "on_open",
    "open_runs",
    "opened",
    "plain",
    "plain_runs",
    "require",
    "run_in_context",
    "start_plain",
]


class OpenRun(Protocol):
    """What this module needs to know of a run."""

    id: str


_in_context: ContextVar[OpenRun | None] = ContextVar("chachaml_run", default=None)
run_in_context = _in_context.get
"""Return the run of the innermost ``with`` block around the caller, or None. The hot path asks here."""

plain: list[OpenRun] = []
"""Plainly started runs, the current one last. Changed in place only: the hot path holds on to it."""

on_open: list[Callable[[OpenRun], None]] = []
"""What is called with each run that this process opens; must not raise."""

_lock = threading.Lock()
_open: dict[int, OpenRun] = {}
_tokens: dict[int, Token[OpenRun | None]] = {}


def opened(run: OpenRun) -> None:
    """Remember a run that this process can write to, and tell those who want to know."""
    _open[id(run)] = run
    for hear in tuple(on_open):
        hear(run)


def ended(run: OpenRun) -> None:
    """Forget a run after its end."""
    _open.pop(id(run), None)
    forget_plain(run)
    if _in_context.get() is run:
        leave(run)


def start_plain(run: OpenRun) -> None:
    """Make `run` the process's current one."""
    with _lock:
        plain.append(run)


def forget_plain(run: OpenRun) -> None:
    """Let `run` no longer be the process's current one."""
    with _lock:
        plain[:] = [each for each in plain if each is not run]


def enter(run: OpenRun) -> None:
    """Make `run` the current one of this context alone."""
    forget_plain(run)
    _tokens[id(run)] = _in_context.set(run)


def leave(run: OpenRun) -> None:
    """Give this context the run back that it had before `enter`."""
    token = _tokens.pop(id(run), None)
    if token is None:
        return
    try:
        _in_context.reset(token)
    except ValueError:  # left in another context than entered, as some async generators do
        _in_context.set(None)


def open_runs() -> list[OpenRun]:
    """Return the runs that this process has open, oldest first."""
    return list(_open.values())


def plain_runs() -> list[OpenRun]:
    """Return the plainly started runs, oldest first."""
    with _lock:
        return list(plain)


def find() -> OpenRun | None:
    """Return the current run, or None."""
    if (run := _in_context.get()) is not None:
        return run
    if plain:
        return plain[-1]
    only = open_runs()
    return only[0] if len(only) == 1 else None


def require(what: str) -> OpenRun:
    """Return the current run.

    Raises:
        NoActiveRun: There is none; `what` names the call that wanted one.
    """
    run = find()
    if run is not None:
        return run
    if len(_open) > 1:
        raise NoActiveRun(
            f"{what}: this thread has no run of its own, and {len(_open)} are open in the process",
            "call it on the run itself: run.log_metric(...)",
        )
    raise NoActiveRun(
        f"{what}: no run is open", "with chachaml.start_run(): ... , or chachaml.start_run() before it"
    )


def after_fork() -> None:
    """In a forked child: plain runs are the parent's to end."""
    global _lock
    _lock = threading.Lock()


def environment_run() -> str | None:
    """Return the id that ``CHACHAML_RUN_ID`` names: the run that this process works for."""
    return os.environ.get("CHACHAML_RUN_ID") or None
