"""Which runs are taken out of a store, and where to: what all exports into folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from chachaml import searching
from chachaml.artifacts.blobs import Blob, copy_to
from chachaml.connected import Connection
from chachaml.core.errors import BadValue, ChachamlError
from chachaml.core.model import ArtifactRow, WholeRun
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.moving.account import Tally
from chachaml.moving.mirror import pages_of
from chachaml.store.protocol import Store

__all__ = ["chosen", "copy_file", "empty_folder"]


def chosen(
    store: Store,
    runs: Sequence[AnyRun] | None,
    filter: str | None,
    experiment: str | None,
    archived: bool | None,
    limit: int | None = None,
) -> Iterator[list[WholeRun]]:
    """Yield runs, some at a time: those named, or those that meet the conditions, newest first.

    Raises:
        NotFound: No such run.
        BadValue: Both runs and conditions.
    """
    if runs is not None:
        if filter or experiment:
            raise BadValue("name runs, or say which by filter and experiment")
        yield store.whole_runs([resolve(store, id_of(run)).id for run in runs])
        return
    query = searching.query(store, filter, None, experiment=experiment, archived=archived)
    left = limit
    for ids in pages_of(store, replace(query, cursor="")):
        some = ids if left is None else ids[:left]
        if some:
            yield store.whole_runs(some)
        left = None if left is None else left - len(some)
        if left == 0:
            return


def empty_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder that is made if need be.

    Raises:
        BadValue: There is something in it.
    """
    folder = Path(path).expanduser()
    if (folder.is_dir() and any(folder.iterdir())) or folder.is_file():
        raise BadValue(f"{folder} is not an empty folder", "name one that is new")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def copy_file(where: Connection, path: Path, artifact: ArtifactRow, tally: Tally) -> bool:
    """Copy an artifact to a file; tell whether that could be done, and the tally why not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            copy_to(where.blobs(), Blob(artifact.digest, artifact.size), file)
    except ChachamlError as error:
        path.unlink(missing_ok=True)
        tally.leave("artifact", f"{artifact.name} ({artifact.digest[:12]})", error.message)
        return False
    tally.bytes += artifact.size
    return True
