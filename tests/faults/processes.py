"""Scripts as users run them, in processes of their own, and waiting for what they do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "ROOT",
    "Finished",
    "await_line",
    "eventually",
    "finish",
    "has_room_for_mounts",
    "run",
    "started",
]

ROOT = Path(__file__).parents[2]


class Finished(NamedTuple):
    """How a script ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """What chachaml told the user, a line each."""
        return [line for line in self.err.splitlines() if "chachaml: " in line]


@contextmanager
def started(
    script: str,
    *args: object,
    cwd: Path,
    env: dict[str, str] | None = None,
    through: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """Run `script`, Python source, in the folder `cwd`, until the block's end at most.

    Args:
        script: What to run.
        args: Its arguments.
        cwd: Its folder.
        env: Added to the environment.
        through: A command that runs commands, as ``nice`` does.
    """
    process = subprocess.Popen(
        [*through, sys.executable, "-u", "-c", script, *map(str, args)],
        cwd=cwd,
        env={**_unmeasured(), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill `process` and return what it said, if no child that outlives it holds its output open."""
    process.kill()
    try:
        return process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        return "", "a child of it still runs"


def finish(process: subprocess.Popen[str], within: float = 30) -> Finished:
    """Wait for `process`; a test in which it hangs fails."""
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        out, err = _end(process)
        raise AssertionError(f"it still ran after {within} seconds, and had said:\n{out}\n{err}") from None
    return Finished(process.returncode, out, err)


def run(
    script: str,
    *args: object,
    cwd: Path,
    env: dict[str, str] | None = None,
    through: Sequence[str] = (),
    within: float = 30,
) -> Finished:
    """Run `script` to its end."""
    with started(script, *args, cwd=cwd, env=env, through=through) as process:
        return finish(process, within)


def await_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that `process` prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, finish(process)
    return line.strip()


def eventually(truth: Callable[[], object], within: float = 10) -> None:
    """Wait until `truth` holds."""
    deadline = time.monotonic() + within
    while not truth():
        assert time.monotonic() < deadline, f"not so within {within} seconds"
        time.sleep(0.01)


def has_room_for_mounts() -> bool:
    """Tell whether a process here may mount file systems that it alone sees."""
    return (
        sys.platform == "linux"
        and not subprocess.run([*OWN_MOUNTS, "true"], check=False, capture_output=True).returncode
    )


OWN_MOUNTS = ("unshare", "--mount", *(() if getattr(os, "getuid", int)() == 0 else ("--map-root-user",)))
"""Runs a command that may mount file systems that it alone sees."""


def _unmeasured() -> dict[str, str]:
    # Where nothing can be written, coverage's own data cannot be either, and it would say so.
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
