"""Versions of MLflow's models: a folder there becomes one file here, so that it can be a version."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chachaml.moving.imported import File

__all__ = ["Logged", "by_run", "logged_by_id", "model_name", "packed"]


@dataclass(frozen=True)
class Logged:
    """A logged model, as MLflow has them since version 3: apart from the artifacts of its run.

    ``folder`` is where its files are among the run's artifacts here: its name, or name and id if the run
    logged an older one by the same name. ``place`` is where they are there.
    """

    id: str
    run: str
    folder: str
    place: str


def logged_by_id(rows: Iterable[Sequence[Any]]) -> dict[str, Logged]:
    """Return logged models by id, from rows of creation time, id, run, name and place."""
    found: dict[str, Logged] = {}
    taken: set[tuple[str, str]] = set()
    for _, model, run, name, place in sorted(rows, key=lambda row: (str(row[0]).rjust(20), str(row[1]))):
        folder = f"{name}-{model}" if (run, name) in taken else name
        taken.add((run, name))
        found[model] = Logged(model, run, folder, place)
    return found


def by_run(logged: Mapping[str, Logged]) -> dict[str, list[Logged]]:
    """Return logged models by the run that they are of."""
    found: dict[str, list[Logged]] = {}
    for one in logged.values():
        found.setdefault(one.run, []).append(one)
    return found


def model_name(source: str, artifact_uri: str, logged: Mapping[str, Logged]) -> str:
    """Return the path of a version's files among the artifacts of its run; '' if it is not there."""
    if source.startswith("models:/"):
        model = logged.get(source.removeprefix("models:/").strip("/"))
        return model.folder if model else ""
    if source.startswith("runs:/"):
        return source.removeprefix("runs:/").partition("/")[2].strip("/")
    root = artifact_uri.rstrip("/") + "/"
    return source.removeprefix(root).strip("/") if artifact_uri and source.startswith(root) else ""


def packed(files: Sequence[File], names: Sequence[str]) -> Iterator[File]:
    """Yield, for each of some paths that is a folder among a run's files, that folder as one zip file."""
    for name in dict.fromkeys(names):
        inside = [file for file in files if file.name.startswith(f"{name}/")]
        if inside:
            newest = max(file.time for file in inside)
            yield File(f"{name}.zip", lambda some=inside, at=name: _zip(some, at), newest, "application/zip")  # type: ignore[misc]


def _zip(files: Sequence[File], folder: str) -> bytes:
    """Return files as a zip file that is the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            about = zipfile.ZipInfo(file.name.removeprefix(f"{folder}/"))
            data = file.data
            if isinstance(data, Path):
                archive.writestr(about, data.read_bytes())
            else:
                archive.writestr(about, data if isinstance(data, bytes) else data())
    return buffer.getvalue()
