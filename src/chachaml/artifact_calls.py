"""Artifacts as module-level calls: `log_*` for the current run, and reading them back."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from chachaml import loading
from chachaml.connection import connection
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import short
from chachaml.core.model import ArtifactRow, RunRow
from chachaml.lifecycle import require
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, resolve
from chachaml.model_lookup import version
from chachaml.results import Artifact, Lines

__all__ = [
    "FoundArtifact",
    "artifact_path",
    "download_artifact",
    "find_artifact",
    "list_artifacts",
    "load_artifact",
    "log_artifact",
    "log_audio",
    "log_dataset",
    "log_dir",
    "log_figure",
    "log_file",
    "log_histogram",
    "log_html",
    "log_image",
    "log_table",
    "log_text",
]

P = ParamSpec("P")
T = TypeVar("T")


def _of_current(method: Callable[Concatenate[LiveRun, P], T]) -> Callable[P, T]:
    """Return a method of a live run as a function that takes the current run."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(require(method.__name__), *args, **kwargs)

    whole = inspect.signature(method)
    call.__signature__ = whole.replace(parameters=list(whole.parameters.values())[1:])  # type: ignore[attr-defined]
    return call


log_artifact = _of_current(LiveRun.log_artifact)
log_audio = _of_current(LiveRun.log_audio)
log_dataset = _of_current(LiveRun.log_dataset)
log_dir = _of_current(LiveRun.log_dir)
log_figure = _of_current(LiveRun.log_figure)
log_file = _of_current(LiveRun.log_file)
log_histogram = _of_current(LiveRun.log_histogram)
log_html = _of_current(LiveRun.log_html)
log_image = _of_current(LiveRun.log_image)
log_table = _of_current(LiveRun.log_table)
log_text = _of_current(LiveRun.log_text)


def list_artifacts(run: AnyRun, prefix: str = "") -> Lines[Artifact]:
    """Return what a run keeps, by name.

    Args:
        run: Its id, the beginning of one, or the run itself.
        prefix: Only names that start with it, such as "plots/".

    Raises:
        NotFound: No such run.
    """
    row = _row_of(run)
    return Lines(Artifact.from_row(row.id, each) for each in row.artifacts if each.name.startswith(prefix))


def load_artifact(run: AnyRun, name: str | None = None, *, trust: bool | str | None = None) -> Any:
    """Return the value of an artifact, after checking that its bytes are those that were logged.

    What `chachaml.log_artifact` was given comes back equal; a file comes back as its bytes.

    Args:
        run: The run's id, the beginning of one, or the run itself; or, without a name, a version of a
            model as ``"model://name/production"``.
        name: The artifact's name.
        trust: Pickles run code when loaded, so only those that you logged yourself, or somebody with
            the project's signing key, are. True loads any; a SHA-256 loads exactly that one.

    Raises:
        NotFound: No such run or artifact.
        ArtifactDamaged: The bytes have changed since.
        Untrusted: It would run code that nobody here vouches for; nothing was run.
        MissingExtra: It needs a library that is not installed.
    """
    meant = find_artifact(run, name)
    return loading.load(connection(), meant.kept, meant.run, meant.kept.name, by=meant.by, trust=trust)


def artifact_path(run: AnyRun, name: str | None = None) -> Path:
    """Return a path where plain tools can read an artifact; do not write there.

    Args:
        run: As in `load_artifact`.
        name: The artifact's name.

    Raises:
        NotFound: No such run or artifact, or its bytes are gone.
    """
    from chachaml.artifacts import view

    meant, blobs = find_artifact(run, name), connection().blobs()
    blobs.fetch(meant.kept.digest)
    try:
        return view.place(blobs, meant.run, meant.kept.name, meant.kept.digest)
    except OSError:  # read-only, or another artifact's name is this one's folder
        return blobs.path(meant.kept.digest)


def download_artifact(
    run: AnyRun, name: str | None = None, to: str | os.PathLike[str] = ".", *, overwrite: bool = False
) -> Path:
    """Copy an artifact, or all whose names start with ``name/``, into a folder.

    Args:
        run: As in `load_artifact`.
        name: The artifact's name, or that of a folder of them.
        to: The folder; made if missing. The artifact keeps its whole name below it.
        overwrite: Replace files that are there.

    Returns:
        The file or folder that was made.

    Raises:
        NotFound: No such run or artifact.
        BadValue: A file is there already.
        ArtifactDamaged: The bytes have changed since.
    """
    from chachaml.artifacts.download import copy_out, target_of

    folder = Path(to).expanduser().absolute()
    rows = () if name is None else _row_of(run).artifacts
    below = [each for each in rows if each.name.startswith(f"{name}".rstrip("/") + "/")]
    wanted = below or [find_artifact(run, name).kept]
    targets = [target_of(folder, each.name) for each in wanted]
    for target in targets:
        if not overwrite and os.path.lexists(target):
            raise BadValue(f"{target} is there already", "name another folder, or overwrite=True")
    for each, target in zip(wanted, targets, strict=True):
        copy_out(connection().blobs(), each, folder, target)
    return target_of(folder, name.rstrip("/")) if below and name else targets[0]


class FoundArtifact(NamedTuple):
    """An artifact, the whole id of its run, and who made it."""

    kept: ArtifactRow
    run: str
    by: str


def find_artifact(run: AnyRun, name: str | None) -> FoundArtifact:
    """Return the artifact that is meant: of a run, or of a version of a model.

    Raises:
        NotFound: No such run or artifact.
        BadValue: A run without a name.
    """
    if isinstance(run, str) and run.startswith("model://"):
        one = version(run)
        about = (one.digest, one.size, one.content_type, one.format, one.signature, 0)
        return FoundArtifact(ArtifactRow(one.artifact, *about), one.run, one.created_by)
    if name is None:
        raise BadValue(
            "which artifact of the run?", "load_artifact(run, 'model'); list_artifacts(run) names them"
        )
    row = _row_of(run)
    return FoundArtifact(_artifact(row, name), row.id, row.created_by)


def _row_of(run: AnyRun) -> RunRow:
    return resolve(connection().ready(), run if isinstance(run, str) else run.id)


def _artifact(row: RunRow, name: str) -> ArtifactRow:
    for each in row.artifacts:
        if each.name == name:
            return each
    import difflib

    names = [each.name for each in row.artifacts]
    near = difflib.get_close_matches(name, names, 3) or names[:5]
    known = "it has " + ", ".join(map(repr, near)) if near else "it has none"
    raise NotFound(f"run {short(row.id)} has no artifact {name!r}", known)
