"""Files that come in parts, in any order and from several senders at once, and are put together at the end.

    <root>/blobs/.part-<upload>                     what the upload is for, as whoever began it said
    <root>/blobs/.part-<upload>-<number>-<sha256>   a part

The files are all there is of an upload: any process that has the folder goes on with it.
"""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from chachaml.artifacts.blobs import CHUNK, RESUMABLE, Blob, LocalBlobs
from chachaml.core.checks import check_digest
from chachaml.core.errors import BadValue, Conflict, NotFound

__all__ = ["MOST_OPEN", "Parts"]

MOST_OPEN = 100
"""Uploads that may be open at once."""

_ID = re.compile(r"parts\.[0-9a-f]{32}")


class Parts:
    """The uploads in parts of a folder of blobs.

    Args:
        blobs: Where they are gathered, and kept once they are whole.
    """

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs

    def begin(self, about: bytes) -> str:
        """Begin an upload; return its id, which nobody can guess. Abandoned ones are forgotten.

        Args:
            about: What it is for; `about` returns it.

        Raises:
            Conflict: There are too many.
        """
        opened = [path for path in self._files("parts.") if path.name.count("-") == 1]
        for path in opened:
            with suppress(FileNotFoundError):  # it was finished just now
                if time.time() - path.stat().st_mtime > RESUMABLE:
                    self.forget(path.name.partition("-")[2])
        if sum(path.exists() for path in opened) >= MOST_OPEN:
            raise Conflict(
                f"{MOST_OPEN} uploads in parts are open", "finish or abort some, or send files in one piece"
            )
        upload = f"parts.{secrets.token_hex(16)}"
        path = self._blobs.part(upload)
        path.touch(0o600)
        path.write_bytes(about)
        return upload

    def about(self, upload: str) -> bytes:
        """Return what an upload is for.

        Raises:
            NotFound: There is none of this id, or it was forgotten.
        """
        path = self._blobs.part(_checked(upload))
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise _none(upload) from None

    def keep(self, upload: str, number: int, source: BinaryIO) -> str:
        """Keep a part, in place of one of its number; return the SHA-256 of its bytes.

        Raises:
            NotFound: There is no such upload.
            OSError: There is no room; nothing is kept.
        """
        self.about(upload)
        hasher, folder = sha256(), self._blobs.part(upload).parent
        with tempfile.NamedTemporaryFile(prefix=".new-", dir=folder, delete=False) as file:
            unfinished = Path(file.name)
            try:
                while chunk := source.read(CHUNK):
                    hasher.update(chunk)
                    file.write(chunk)
                file.close()
                unfinished.replace(self._part(upload, number, hasher.hexdigest()))
            finally:
                unfinished.unlink(missing_ok=True)
        return hasher.hexdigest()

    def join(self, upload: str, parts: Sequence[tuple[int, str]]) -> Blob:
        """Keep all parts, one after the other, as one blob; the upload stays until it is forgotten.

        Args:
            upload: Which one.
            parts: Numbers and SHA-256 of the parts, in their order.

        Raises:
            NotFound: There is no such upload.
            BadValue: One of the parts is not here, or is another.
        """
        self.about(upload)
        paths = [self._part(upload, number, digest) for number, digest in parts]
        for (number, _), path in zip(parts, paths, strict=True):
            if not path.is_file():
                raise BadValue(f"part {number} is not here as it is named", "send it again, then finish")
        return self._blobs.put(cast(BinaryIO, _Joined(paths)))

    def size(self, upload: str) -> int:
        """Return how many bytes have come of an upload."""
        return sum(path.stat().st_size for path in self._files(f"{_checked(upload)}-"))

    def forget(self, upload: str) -> None:
        """Delete what came of an upload; of one that is not there, nothing."""
        for path in self._files(_checked(upload)):
            path.unlink(missing_ok=True)

    def _files(self, start: str) -> list[Path]:
        found = self._blobs.part(start)
        return [*found.parent.glob(f"{found.name}*")]

    def _part(self, upload: str, number: int, digest: str) -> Path:
        return self._blobs.part(f"{upload}-{number}-{check_digest(digest)}")


class _Joined:
    """Some files as one, to be read once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._chunks = self._read(paths)

    @staticmethod
    def _read(paths: Sequence[Path]) -> Iterator[bytes]:
        for path in paths:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - a chunk is as large as it comes
        return next(self._chunks, b"")


def _checked(upload: str) -> str:
    if not _ID.fullmatch(upload):
        raise _none(upload)
    return upload


def _none(upload: str) -> NotFound:
    return NotFound(
        f"there is no upload in parts {upload[:80]!r}", "it was finished, aborted, or is over a day old"
    )
