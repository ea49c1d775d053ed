"""Aim's repositories, read by Aim itself where it is installed, and what it wrote of them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from chachaml.artifacts import plain
from chachaml.core.errors import BadValue, MissingExtra
from chachaml.core.model import RunRow, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, derived_id, flat
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import Listed
from chachaml.moving.sources.times import microseconds

__all__ = ["open_source"]

Line = dict[str, Any]

_EXPORT = Path(__file__).with_name("aim_export.py")


def open_source(where: str, tally: Tally, *, python: str = "", experiment: str = "") -> Listed[Path]:
    """Return the runs of an Aim repository, or of the file that ``aim_export.py`` wrote of one.

    Args:
        where: The folder with ``.aim`` in it, or the file.
        tally: Hears what cannot be read.
        python: The interpreter of an environment that has Aim. Default: this one.
        experiment: What to put the runs in. Default: as in Aim.
    """
    path = Path(where).expanduser().absolute()
    path = path.parent if path.name == ".aim" else path
    if not path.is_file() and not (path / ".aim").is_dir():
        raise BadValue(f"there is no Aim repository in {path}", "give the folder that has .aim in it")
    python = python or sys.executable
    if shutil.which(python) is None:
        raise BadValue(f"{python} cannot be started", "-o python=PATH names an interpreter")
    reader = _Reader(tally, python, experiment)
    return Listed(path, [path], reader.read, tally, each=False)


class _Reader:
    """Makes runs of lines, which come in the order of runs."""

    def __init__(self, tally: Tally, python: str, experiment: str) -> None:
        self._tally, self._python, self._experiment = tally, python, experiment

    def read(self, place: Path) -> Iterator[Imported]:
        """Yield the runs of a repository or file."""
        with place.open("rb") if place.is_file() else _exported(place, self._python) as file:
            run: _Run | None = None
            for number, text in enumerate(file, 1):
                try:
                    line = json.loads(text)
                    if "run" in line:
                        if run:
                            yield run.imported(self._experiment)
                        run = _Run(line, self._tally)
                    elif "left" in line:
                        self._tally.leave(str(line["left"]), str(line["name"]), str(line["why"]))
                    elif run:
                        run.take(line)
                except (
                    ValueError,
                    TypeError,
                    KeyError,
                    AttributeError,
                    OverflowError,
                    RecursionError,
                ) as error:
                    self._tally.leave("line", f"{number} of {place.name}", f"it is not whole: {error!r}")
            if run:
                yield run.imported(self._experiment)


@contextmanager
def _exported(place: Path, python: str) -> Iterator[IO[bytes]]:
    """Give the lines that Aim writes of a repository.

    Raises:
        MissingExtra: The interpreter has no Aim.
        BadValue: Aim cannot read the repository.
    """
    command = [python, "-c", _EXPORT.read_text(), str(place)]
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdout=file, stderr=said, check=False)  # noqa: S603 - ours
        if done.returncode:
            said.seek(0)
            raise _refused(place, python, said.read().decode(errors="replace"))
        file.seek(0)
        yield file


def _refused(place: Path, python: str, said: str) -> BadValue | MissingExtra:
    last = said.strip().rpartition("\n")[2]
    if "No module named 'aim" in last:
        return MissingExtra(
            f"{python} has no Aim, which alone reads its repositories",
            "-o python=PATH names the interpreter of an environment that has it",
        )
    return BadValue(f"Aim could not read {place}: {last[:300]}", "can `aim runs ls` read it?")


class _Run:
    """A run while its lines come."""

    def __init__(self, about: Line, tally: Tally) -> None:
        self._about, self._tally = about, tally
        self._series = Gathered()
        self._files: list[File] = []
        self._last = 0

    def take(self, line: Line) -> None:
        """Take points or a file."""
        context = ",".join(f"{key}={value}" for key, value in sorted(line.get("context", {}).items()))
        if "points" in line:
            key = f"{line['points']} {{{context}}}" if context else line["points"]
            for step, time, value in zip(line["steps"], line["times"], line["values"], strict=True):
                self._add(key, step, time, value)
            return
        name, when = line["file"], microseconds(line["time"], self._last)
        self._files.append(_file(line, f"{name} {context}".strip() if context else name, when))

    def _add(self, key: str, step: int, time: float, value: float) -> None:
        now = microseconds(time, self._last)
        self._last = max(self._last, now)
        self._series.add(key, step, now, float(value))

    def imported(self, experiment: str) -> Imported:
        """Return the run."""
        about = self._about
        started = microseconds(about.get("started"), 0)
        ended = microseconds(about.get("ended"), max(self._last, started))
        live = bool(about.get("active"))
        run = derived_id("aim", about["run"])
        tags = {str(tag): "" for tag in about.get("tags", ())}
        tags |= {"imported.from": "aim", "imported.id": str(about["run"])}
        if note := about.get("description"):
            tags["note"] = str(note)
        row = RunRow(
            id=run,
            experiment=experiment or str(about.get("experiment") or "default"),
            name=str(about.get("name") or about["run"]),
            status="running" if live else "completed",
            started=started,
            ended=None if live else ended,
            duration=None if live else max(ended - started, 0),
            archived=ended if about.get("archived") else None,
            tags=tags,
            params=flat(about.get("params") or {}),
        )
        return Imported(WholeRun(row), lambda: self._series.points(run), self._files)


def _file(line: Line, name: str, time: int) -> File:
    if "counts" in line:
        found = plain.dumps({"counts": line["counts"], "edges": line["edges"]})
        return File(f"histograms/{name}.json", found, time, format="histogram")
    if "text" in line:
        return File(
            f"text/{name}.md", str(line["text"]).encode(errors="replace"), time, "text/markdown", "md"
        )
    if "plotly" in line:
        return File(f"figures/{name}.json", str(line["plotly"]).encode(errors="replace"), time)
    ending = "".join(each for each in str(line["ending"]).lower() if each.isalnum()) or "bin"
    return File(f"{line['kind']}/{name}.{ending}", base64.b64decode(line["data"]), time)
