"""Fresh processes in fresh folders: how everything measured is run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from benchmarks.environments import ROOT, InstallFailed

__all__ = ["Bench", "Result", "WorkFailed", "Worker", "allocated", "environment", "tree_cpu"]

Result = dict[str, Any]

_QUIET = {
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "SWANLAB_MODE": "offline",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "HF_HUB_OFFLINE": "1",
    "TQDM_DISABLE": "1",
}
"""Keeps every tool off the network, silent, and in the folder that it is given."""


class WorkFailed(Exception):
    """A measured process failed; the message is what it said last."""


class Worker:
    """A process that runs one function of a benchmark module and answers with one line of JSON."""

    def __init__(self, python: Path, folder: Path, function: str, arguments: Result) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.worker", function, json.dumps(arguments)],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def line(self) -> Result:
        """Return the next line that the process writes: "ready", or its result."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise WorkFailed(self._last_words())
        answer: Result = json.loads(line)
        return answer

    def go(self) -> None:
        """Let a process that is ready go on."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """End the process, if it still lives, and what it may have left behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._log.close()

    def wait(self) -> None:
        """Wait for the process to end."""
        self._process.wait(timeout=120)

    def kill(self) -> None:
        """SIGKILL the process; helpers that it started get a second to save what they have."""
        self._process.kill()
        self._process.wait()
        time.sleep(1)

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        lines = [line for line in self._log.read().splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|NotFound|Exited)\b", line)]
        return (errors or lines or [f"exit status {self._process.returncode}"])[-1].strip()


class Bench:
    """What the subjects share: the tools at hand, the sizes, and a way to run processes."""

    def __init__(self, pythons: dict[str, Path], *, quick: bool = False) -> None:
        self.pythons = pythons
        self.servers: dict[str, Path] = {}
        """Tools without a library of their own."""
        self.quick = quick
        self.failures: list[str] = []

    @property
    def peers(self) -> list[str]:
        """The tools at hand but chachaml."""
        return [tool for tool in self.pythons if tool != "chachaml"]

    def n(self, full: int, quick: int) -> int:
        """Return how many, by the form of this run."""
        return quick if self.quick else full

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a fresh folder, gone afterwards."""
        path = Path(tempfile.mkdtemp(prefix="bench-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def begin(self, folder: Path, function: str, tool: str = "chachaml", **arguments: Any) -> Worker:
        """Start a process in `folder` that runs ``module.function`` for a tool."""
        return Worker(self.pythons[tool], folder, function, {"tool": tool, **arguments})

    def work(self, folder: Path, function: str, tool: str = "chachaml", **arguments: Any) -> Result:
        """Run ``module.function`` for a tool and return its result.

        Raises:
            WorkFailed: The process failed.
        """
        with self.begin(folder, function, tool, **arguments) as worker:
            answer = worker.line()
            worker.wait()
        return answer

    @contextlib.contextmanager
    def reporting(self, tool: str, what: str) -> Iterator[None]:
        """Go on when a tool fails, and say so in the results."""
        try:
            yield
        except (WorkFailed, InstallFailed, subprocess.TimeoutExpired) as error:
            self.failures.append(f"{tool}, {what}: {str(error)[:200]}")


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a measured process: quiet, and at home in its folder."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **_QUIET, "HOME": str(folder), "PYTHONPATH": str(ROOT), "CHACHA_USER": "bench"}


def allocated(folder: Path) -> int:
    """Return the bytes that the files of a folder take on disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def tree_cpu() -> float:
    """Return the CPU seconds of this process, its threads, and all its living and ended children."""
    spent = sum(os.times()[:4])
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    cost: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            pid = int(stat.parent.name)
            parents[pid] = int(fields[1])
            cost[pid] = sum(map(int, fields[11:15])) / ticks
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below and pid not in below}:
        spent += sum(cost[pid] for pid in more)
        below |= more
    return spent
