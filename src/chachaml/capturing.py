"""Capturing in the background: a start never waits for it, and a run that ends at once still gets it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chachaml.capture import machine
from chachaml.core.changes import Fact
from chachaml.live import LiveRun

if TYPE_CHECKING:
    from chachaml.capture.console import Stream

__all__ = [
    "after_fork",
    "after_fork_in_parent",
    "before_fork",
    "begin",
    "finish",
    "sample_system",
    "save_console",
]

_FRESH = 5.0
"""Seconds for which what was captured of the code is taken to be still so."""

_LAST_WAIT = 0.15
"""Seconds that a process waits at its end for what is still being captured."""


class _Known(NamedTuple):
    run: LiveRun
    folder: Path
    when: float
    journal: str


class _Worker:
    """Captures for the runs that are waiting, those of one moment together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.importing = threading.Lock()
        self.rests = False
        self._waiting: list[tuple[LiveRun, Path, bool]] = []
        self._thread: threading.Thread | None = None
        self._known: _Known | None = None
        self._started_as: dict[str, Fact] = {}
        self._machine: dict[str, Fact] = {}
        self._told: set[str] = set()

    def begin(self, run: LiveRun, *, diff: bool) -> None:
        """Capture for a run that has just started; returns at once."""
        try:
            folder = Path.cwd()
        except OSError:  # it was deleted
            folder = Path("/")
        self._started_as = self._started_as or machine.started_as()
        with self._lock:
            known = self._known
            if known and not diff and self._thread is None and self._is_fresh(known, run, folder):
                run.capture({}, like=known.run.id)
                return
            self._waiting.append((run, folder, diff))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="chachaml-capture", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no more threads, or the process ends
                    self._thread = None

    def _is_fresh(self, known: _Known, run: LiveRun, folder: Path) -> bool:
        same = known.folder == folder and known.journal == run.journal_id
        return same and time.monotonic() - known.when < _FRESH

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                run, folder, diff = self._waiting[0]
            try:
                self._capture(run, folder, diff=diff)
            except Exception as error:  # a run must not fail, nor a thread die loudly, for this
                run.connection.tell("capture", f"the environment could not be captured: {error!r}")
            with self._lock:
                if self._waiting and self._waiting[0][0] is run:
                    self._waiting.pop(0)
                self._share()

    def _capture(self, run: LiveRun, folder: Path, *, diff: bool) -> None:
        with self.importing:  # here rather than above: it takes some milliseconds, which no start waits for
            from chachaml.capture import git, packages
        self._machine = self._machine or machine.facts()
        repository = git.find(folder)
        facts = self._started_as | self._machine | (git.facts(repository) if repository else {})
        found = packages.installed()
        facts["packages"] = digest = packages.digest_of(found)
        self._keep_packages(run, digest, found)
        run.capture(facts)  # what follows takes a process, and may take long
        if repository:
            dirty = git.is_dirty(repository)
            if dirty is not None:
                run.capture({"git.dirty": dirty})
            if diff and dirty and (text := git.diff(repository)) and not run.ended:
                run.log_text("code/uncommitted.diff", text)
        self._known = _Known(run, folder, time.monotonic(), run.journal_id)

    def _keep_packages(self, run: LiveRun, digest: str, found: dict[str, str]) -> None:
        key = f"{run.journal_id}:{digest}"
        if key not in self._told:
            self._told.add(key)
            run.capture_packages(digest, found)

    def _share(self) -> None:
        """Give what is known to those who wait for the same."""
        known = self._known
        if known is None:
            return
        alike = [one for one in self._waiting if not one[2] and self._is_fresh(known, one[0], one[1])]
        for waiting in alike:
            waiting[0].capture({}, like=known.run.id)
            self._waiting.remove(waiting)

    def finish(self) -> None:
        """Wait a little for what is being captured; the process ends."""
        thread = self._thread
        if thread is not None:
            thread.join(_LAST_WAIT)


_worker = _Worker()


def begin(run: LiveRun, *, diff: bool = False) -> None:
    """Capture the environment of a run that has just started, in the background.

    Args:
        run: The run.
        diff: Keep what is not committed as the artifact ``code/uncommitted.diff``.
    """
    _worker.begin(run, diff=diff)


def finish() -> None:
    """Wait a little for what is being captured; the process ends."""
    _worker.finish()


def before_fork() -> None:
    """Let no import be under way: a child could never import what its parent was importing."""
    _worker.rests = _worker.importing.acquire(timeout=1.0)


def after_fork_in_parent() -> None:
    """Let imports go on."""
    if _worker.rests:  # else it took too long, and the lock is the worker's own
        _worker.importing.release()


def after_fork() -> None:
    """In a forked child: nobody is capturing, and nothing is known."""
    global _worker
    _worker = _Worker()


_LINES = 10**9
"""Lines that each rank may print: those of the next one have the numbers after."""


def sample_system(run: LiveRun, every: float, rank: int = 0) -> None:
    """Log how busy the machine is, every so many seconds until the run ends.

    Of ranks but the first the keys are ``system/rank1/...``.

    Raises:
        MissingExtra: psutil is not installed.
    """
    from chachaml.capture.system import Sampler

    prefix = f"system/rank{rank}/" if rank else "system/"

    def log(values: dict[str, float], number: int) -> None:
        run.log_metrics(
            {prefix + key.removeprefix("system/"): value for key, value in values.items()}, number
        )

    sampler = Sampler(log, every)
    sampler.start()
    run.before_end(sampler.stop)


def save_console(run: LiveRun, most: int, rank: int = 0) -> None:
    """Keep what this process prints until the run ends, `most` characters at most.

    Lines of ranks but the first begin with ``[rank 1]``, and stand behind those of the ranks before.
    """
    from chachaml.capture.console import Console

    def write(stream: Stream, line: int, text: str) -> None:
        told = [f"[rank {rank}] {each}" for each in text.split("\n")] if rank else [text]
        run.capture_printed(stream, line + rank * _LINES, "\n".join(told))

    console = Console(write, most)
    console.start()
    run.before_end(console.stop)
