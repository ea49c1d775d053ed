"""Artifacts as module-level calls: `log_*` for the current run, and reading them back."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from chachaml.connection import connection
from chachaml.core.errors import BadValue, NotFound, Untrusted
from chachaml.core.ids import short
from chachaml.core.model import ArtifactRow, RunRow
from chachaml.lifecycle import require
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, resolve
from chachaml.results import Artifact, Lines

__all__ = [
    "artifact_path",
    "download_artifact",
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


def load_artifact(run: AnyRun, name: str, *, trust: bool | str | None = None) -> Any:
    """Return the value of an artifact, after checking that its bytes are those that were logged.

    What `chachaml.log_artifact` was given comes back equal; a file comes back as its bytes.

    Args:
        run: The run's id, the beginning of one, or the run itself.
        name: The artifact's name.
        trust: Pickles run code when loaded, so only those that you logged yourself, or somebody with
            the project's signing key, are. True loads any; a SHA-256 loads exactly that one.

    Raises:
        NotFound: No such run or artifact.
        ArtifactDamaged: The bytes have changed since.
        Untrusted: It would run code that nobody here vouches for; nothing was run.
        MissingExtra: It needs a library that is not installed.
    """
    from chachaml.artifacts import formats, signing
    from chachaml.artifacts.blobs import Blob, read_all

    row = _row_of(run)
    found = _artifact(row, name)
    ours = signing.is_ours(found.signature, found.digest, row.id, name)
    data = read_all(connection().blobs(), Blob(found.digest, found.size))
    try:
        return formats.decode(data, found.format, trusted=ours or trust is True or trust == found.digest)
    except Untrusted as why:
        raise _untrusted(row, found, why.message) from None


def artifact_path(run: AnyRun, name: str) -> Path:
    """Return a path where plain tools can read an artifact; do not write there.

    Raises:
        NotFound: No such run or artifact, or its bytes are gone.
    """
    from chachaml.artifacts import view

    row, blobs = _row_of(run), connection().blobs()
    found = _artifact(row, name)
    blobs.open(found.digest).close()
    try:
        return view.place(blobs, row.id, name, found.digest)
    except OSError:  # read-only, or another artifact's name is this one's folder
        return blobs.path(found.digest)


def download_artifact(
    run: AnyRun, name: str, to: str | os.PathLike[str] = ".", *, overwrite: bool = False
) -> Path:
    """Copy an artifact, or all whose names start with ``name/``, into a folder.

    Args:
        run: The run's id, the beginning of one, or the run itself.
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

    row, folder = _row_of(run), Path(to).expanduser().absolute()
    below = [each for each in row.artifacts if each.name.startswith(name.rstrip("/") + "/")]
    wanted = below or [_artifact(row, name)]
    targets = [target_of(folder, each.name) for each in wanted]
    for target in targets:
        if not overwrite and os.path.lexists(target):
            raise BadValue(f"{target} is there already", "name another folder, or overwrite=True")
    for each, target in zip(wanted, targets, strict=True):
        copy_out(connection().blobs(), each, folder, target)
    return target_of(folder, name.rstrip("/")) if below else targets[0]


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


def _untrusted(row: RunRow, found: ArtifactRow, why: str) -> Untrusted:
    signed = "signed by somebody else" if found.signature else "not signed"
    what = f"artifact {found.name!r} of run {short(row.id)}, logged by {row.created_by or 'somebody'}"
    return Untrusted(
        f"{what}, is {signed} and loading it may run code: {why}",
        f"if you trust whoever made it: load_artifact(..., trust={found.digest!r})",
    )
