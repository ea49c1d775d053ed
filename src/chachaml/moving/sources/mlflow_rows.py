"""What MLflow's runs, statuses and places mean here, wherever they were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from chachaml.core.model import RunRow
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, derived_id, typed
from chachaml.moving.mlflow_words import SCHEDULED, STATUS, STATUSES, meant, run_id
from chachaml.moving.sources.listed import files_in

__all__ = ["files_below", "folder_of", "run_row", "version_id"]


def version_id(model: str, number: int, run: str, created: int) -> str:
    """Return the id that a version of a model has here."""
    return derived_id("mlflow version", model, number, run, created)


def run_row(
    run: str,
    *,
    experiment: str,
    name: str,
    user: str,
    status: str,
    started: int | None,
    ended: int | None,
    deleted: bool,
    params: Mapping[str, str],
    tags: Mapping[str, str],
) -> RunRow:
    """Return what MLflow knows of a run; its times are in milliseconds."""
    said, began = meant({**tags, STATUS: status} if status == SCHEDULED else tags), (started or 0) * 1000
    until = None if ended is None else max(ended * 1000, began)
    return RunRow(
        id=run_id(run),
        experiment=experiment,
        name=name or said.name,
        status=STATUSES.get(status, "interrupted"),
        started=began,
        created_by=said.user or user,
        ended=until,
        duration=None if until is None else until - began,
        parent=said.parent,
        archived=(until or began) if deleted else None,
        tags=said.tags,
        params={key: typed(value) for key, value in params.items()},
        environment=said.facts,
    )


def folder_of(uri: str, roots: Sequence[Path]) -> Path | None:
    """Return the folder that an artifact URI means on this machine; None if there is none.

    Args:
        uri: As MLflow has it.
        roots: Where to look for what a server or another machine wrote.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file", "mlflow-artifacts") or parts.path.strip("./") == "":
        return None
    path = Path(url2pathname(unquote(parts.path)) if parts.scheme else uri)
    if parts.scheme != "mlflow-artifacts" and path.is_dir():
        return path
    # Written on another machine, or by a server: the end of the path is the same.
    tails = [Path(*path.parts[-count:]) for count in (4, 3, 2) if len(path.parts) >= count]
    found = (root / tail for root in roots for tail in tails)
    return next((each for each in found if ".." not in each.parts and each.is_dir()), None)


def files_below(folder: Path, tally: Tally, prefix: str = "") -> Iterator[File]:
    """Yield the files in a folder and those below it; links are told, and left."""
    for name, path in files_in(folder, tally):
        yield File(prefix + name, path, path.stat().st_mtime_ns // 1000)
