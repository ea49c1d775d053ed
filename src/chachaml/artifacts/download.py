"""Copying artifacts out into a folder of the user's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from chachaml.artifacts.blobs import Blob, BlobStore, copy_to
from chachaml.artifacts.progress import bar
from chachaml.artifacts.view import escaped
from chachaml.core.errors import BadValue
from chachaml.core.model import ArtifactRow
from chachaml.core.names import check_artifact_name

__all__ = ["copy_out", "target_of"]


def target_of(folder: Path, name: str) -> Path:
    """Return where an artifact goes below `folder`; a name that came from elsewhere is checked again.

    Raises:
        BadValue: The name could lead elsewhere.
    """
    return folder.joinpath(*escaped(check_artifact_name(name)))


def copy_out(blobs: BlobStore, artifact: ArtifactRow, folder: Path, target: Path) -> None:
    """Write an artifact's bytes to `target`, whole or not at all.

    Raises:
        ArtifactDamaged: The bytes have changed since they were logged.
        BadValue: A link below `folder` leads out of it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise BadValue(f"{target} lies outside {folder}: a folder on the way is a link")
    fd, name = tempfile.mkstemp(prefix=f".{target.name[:40]}-", dir=target.parent)
    unfinished = Path(name)
    try:
        with open(fd, "wb") as file, bar(artifact.name, artifact.size) as progress:
            copy_to(blobs, Blob(artifact.digest, artifact.size), file, progress)
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
