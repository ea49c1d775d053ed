"""Versions of MLflow's models: a folder there becomes one file here, so that it can be a version."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from chachaml.moving.imported import File

__all__ = ["model_name", "packed"]


def model_name(source: str, artifact_uri: str) -> str:
    """Return the path of a version's files among the artifacts of its run; '' if it is not there."""
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
