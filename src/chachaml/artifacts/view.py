"""The named view of blobs, `<root>/<run id>/<name>`: what people and plain tools open.

A hard link of the blob where the file system has them, else a copy that shares its pages, else a
plain one. Blobs are the truth: a view that is missing or stale is made again when asked for.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chachaml.artifacts.blobs import LocalBlobs, make_private
from chachaml.core.errors import BadValue
from chachaml.core.ids import is_id
from chachaml.core.names import check_artifact_name

__all__ = ["escaped", "place", "remove", "view_path"]

_REFUSED = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\%]|[. ]$')
"""What some file system refuses in a name, and the escape itself."""

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")

_LONGEST = 255
"""The longest name of a file, in bytes, on most file systems."""

_BY_FOLDER = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


def view_path(blobs: LocalBlobs, run: str, name: str) -> Path:
    """Return where a run's artifact is shown, or would be.

    Raises:
        BadValue: Not a run's id, or not an artifact's name.
    """
    if not is_id(run):
        raise BadValue(f"{run[:80]!r} is not a run's id")
    return blobs.root.joinpath(run, *escaped(check_artifact_name(name)))


def escaped(name: str) -> list[str]:
    """Return the parts of a name as every file system takes them."""
    return [_escaped_part(part) for part in name.split("/")]


def _escaped_part(part: str) -> str:
    """Return a part as every file system takes it: odd characters become %41 and the like."""
    if _RESERVED.match(part):
        part = f"%{ord(part[0]):02x}{part[1:]}"
    part = _REFUSED.sub(lambda found: f"%{ord(found[0]):02x}", part)
    while len(part.encode()) > _LONGEST:  # a letter may be of four bytes
        part = part[: len(part) * 3 // 4]
    return part


def place(blobs: LocalBlobs, run: str, name: str, digest: str) -> Path:
    """Show a blob under the artifact's name; return where.

    Raises:
        OSError: The folder cannot be written.
    """
    path, blob = view_path(blobs, run, name), blobs.path(digest)
    with contextlib.suppress(OSError):
        if path.samefile(blob):
            return path
    with _folder(path.parent, blobs.root) as folder:
        _link(blob, path.name, folder)
    return path


@contextmanager
def _folder(folder: Path, root: Path) -> Iterator[int | Path]:
    """Give the folder, made if missing: as a descriptor that no link could have led astray, or its path."""
    if not _BY_FOLDER:
        make_private(folder, root)
        yield folder
        return
    make_private(root, root)
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folder.relative_to(root).parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=at)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def _link(blob: Path, name: str, folder: int | Path) -> None:
    """Link or copy `blob` into the folder in place of whatever has that name."""
    fresh = f".new-{os.getpid()}-{os.urandom(4).hex()}"
    if isinstance(folder, Path):
        shutil.copyfile(blob, folder / fresh)
        (folder / fresh).replace(folder / name)
        return
    try:
        os.link(blob, fresh, dst_dir_fd=folder, follow_symlinks=False)
    except OSError:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400, dir_fd=folder)
        with open(fd, "wb") as copy, blob.open("rb") as source:
            shutil.copyfileobj(source, copy, 4 << 20)
    try:
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        # Renaming one link of a file over another of it does nothing, and leaves both.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)


def remove(blobs: LocalBlobs, run: str) -> None:
    """Remove all that is shown of a run; the bytes stay."""
    if is_id(run):
        shutil.rmtree(blobs.root / run, ignore_errors=True)
