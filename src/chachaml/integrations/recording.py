"""The run that a training is logged to, and how what libraries say of themselves is logged to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chachaml.core.errors import BadValue, ParamConflict
from chachaml.core.values import as_number, canonical
from chachaml.integrations.guarding import guard
from chachaml.lifecycle import current_run, start_run
from chachaml.live import LiveRun, status_of

__all__ = ["Recording", "log_importances", "log_params", "numbers", "plain"]

_LONGEST_REPR = 500

_own: dict[str, tuple[str, int]] = {}
"""By id of each open run that a library's training started: the library, and the thread."""


class Recording:
    """The run of one training: the given one, else the current one, else its own, which ends with it.

    Args:
        library: What trains.
        run: The run to log to.
        experiment: Of a run of its own. Default: "default".
        name: Of a run of its own. Default: a generated one.
        goes_on: What comes after the end of a run of its own resumes it, rather than starts another.
    """

    def __init__(
        self,
        library: str,
        run: LiveRun | None = None,
        *,
        experiment: str | None = None,
        name: str | None = None,
        goes_on: bool = False,
    ) -> None:
        self._library, self._experiment, self._name = library, experiment, name
        self._given = run
        self._goes_on, self._last = goes_on, ""
        self._run: LiveRun | None = None
        self._is_own = False

    @property
    def run(self) -> LiveRun:
        """The run; found or started when it is first asked for."""
        if self._run is None:
            self._run = self._given or self._found() or self._start()
        return self._run

    @property
    def open(self) -> bool:
        """Whether the run was asked for, and can still be written to."""
        return self._run is not None and not self._run.ended

    def _found(self) -> LiveRun | None:
        """Return the current run, unless it is that of another training with the same library."""
        run = current_run()
        library, thread = _own.get(run.id, ("", 0)) if run is not None else ("", 0)
        if run is None or library != self._library:
            return run
        if thread != threading.get_ident():
            return None
        run.end("interrupted", "its training was given up for another one")
        return self._found()

    def _start(self) -> LiveRun:
        resumed = self._last if self._goes_on else ""
        run = start_run(resume=resumed) if resumed else start_run(self._experiment, self._name)
        _own[run.id] = (self._library, threading.get_ident())
        self._is_own = True
        run.before_end(lambda: _forget(run))
        return run

    def end(self, status: str = "completed", error: BaseException | str | None = None) -> None:
        """End a run of one's own; another one is left to whom it belongs. The next one is found anew."""
        run, own = self._run, self._is_own
        self._run, self._is_own = None, False
        if run is not None and own and not run.ended:
            self._last = run.id
            run.end(status, error)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Within it the training goes on; a run of one's own ends after it, as it went."""
        try:
            yield
        except BaseException as error:
            with guard(self._library):
                self.end(status_of(error), error)
            raise
        with guard(self._library):
            self.end()

    def forget(self) -> None:
        """Start another run of one's own the next time, rather than resume the last."""
        self._last = ""


def _forget(run: LiveRun) -> None:
    _own.pop(run.id, None)


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return those of the values that are single numbers, as such."""
    found = {}
    for key, value in values.items():
        try:
            found[str(key)] = as_number(str(key), value)
        except BadValue:
            continue
    return found


def plain(key: str, value: Any) -> Any:
    """Return a param's value if it can be kept as it is, else its text."""
    if isinstance(value, Mapping):
        return {str(inner): plain(str(inner), each) for inner, each in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    try:
        canonical(key, value)
    except BadValue:
        return repr(value)[:_LONGEST_REPR].replace("\0", "\\0")
    return value


def log_params(run: LiveRun, owner: str, params: Mapping[str, Any]) -> None:
    """Log params of any kind; what the run has with another value goes under its owner's name.

    Args:
        run: The run.
        owner: Whose params they are, such as a model's class.
        params: Plain values as they are, others as their text.
    """
    kept = {str(key): plain(str(key), value) for key, value in params.items()}
    try:
        run.log_params(kept)
    except ParamConflict:
        for key, value in kept.items():
            _log_param(run, owner, key, value)


def _log_param(run: LiveRun, owner: str, key: str, value: Any) -> None:
    """Log a param, under another name if the run has this one with another value."""
    names = [key, f"{owner}.{key}", *(f"{owner}{number}.{key}" for number in range(2, 1000))]
    for name in names:
        try:
            run.log_param(name, value)
        except ParamConflict:
            continue
        return


def log_importances(run: LiveRun, importances: Mapping[str, float]) -> None:
    """Keep how much each feature mattered as the table ``feature_importances``, the largest first."""
    rows = sorted(
        ((str(name), float(value)) for name, value in importances.items()), key=lambda row: -abs(row[1])
    )
    if rows:
        run.log_table("feature_importances", rows, headers=("feature", "importance"), overwrite=True)
