"""What a bucket has of a blob, under which keys, and how it is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple, Self, cast

from chachaml.artifacts.bucket import About, Bucket
from chachaml.core.errors import NotFound, StoreUnavailable

__all__ = ["AHEAD", "Kept", "Reader", "incoming"]

AHEAD = "ahead-"
"""What the names of tries begin with that began before the digest was known."""

_TRIES = 3


class Kept(NamedTuple):
    """A blob that the bucket has."""

    digest: str
    size: int
    piece: int
    tried: str = ""
    """Which try its pieces are of; '' for bytes that are one object."""

    @classmethod
    def ahead(cls, piece: int, tried: str) -> Self:
        """Return what is begun of bytes whose digest is not known yet."""
        return cls("", 0, piece, tried)

    @classmethod
    def small(cls, digest: str, size: int) -> Self:
        """Return what one object holds."""
        return cls(digest, size, max(1, size))

    @classmethod
    def large(cls, about: About) -> Self:
        """Return what the object tells that is put once all pieces are there."""
        size, piece, tried = about.name.split(".")
        return cls(about.key.rsplit("/", 2)[1], int(size), int(piece), tried)

    @property
    def key(self) -> str:
        """What is there once all of it is."""
        if not self.tried:
            return f"blobs/{self.digest}"
        return f"large/{self.digest}/{self.size}.{self.piece}.{self.tried}"

    @property
    def folder(self) -> str:
        """What the keys of its pieces begin with."""
        above = self.tried if self.tried.startswith(AHEAD) else f"{self.digest}/{self.tried}"
        return f"pieces/{above}/"

    def key_of(self, start: int) -> str:
        """Return the key of the piece that begins at `start`."""
        return f"{self.folder}{start:020}"

    def keys(self) -> Iterator[tuple[str, int]]:
        """Yield the keys and sizes of its pieces."""
        for start in range(0, self.size, self.piece):
            yield self.key_of(start), min(self.piece, self.size - start)

    def piece_at(self, at: int) -> tuple[str, int, int]:
        """Return the object that holds a byte, and from where to where it does."""
        if not self.tried:
            return self.key, 0, self.size
        start = at // self.piece * self.piece
        return self.key_of(start), start, min(self.size, start + self.piece)


class Reader(io.RawIOBase):
    """Reads a blob from start to end, or from where it is told to; goes on where a line broke.

    Args:
        bucket: Where it is.
        kept: What it is there.
        stream: Its bytes, if they are on their way already.
    """

    def __init__(self, bucket: Bucket, kept: Kept, stream: Iterator[bytes] | None = None) -> None:
        self._bucket, self._kept, self._stream = bucket, kept, stream
        self._at, self._left = 0, kept.size if stream else 0
        """Where the next byte is from, and how many bytes the stream still has."""
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that reading may go on elsewhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on elsewhere; nothing is asked before something is read."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._kept.size}[whence]
        if at != self._at:
            self._at, self._left, self._rest = at, 0, memoryview(b"")
        return at

    def tell(self) -> int:
        """Return where the next byte is from."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what comes next, at most as much as there is room for; return how much, 0 at the end.

        Raises:
            StoreUnavailable: The line broke again and again.
            NotFound: A piece is gone.
        """
        if self._at >= self._kept.size:
            return 0
        if not self._rest:
            self._rest = memoryview(self._next())
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        self._at += taken
        return taken

    def _next(self) -> bytes:
        """Return what comes next, after a few tries if the line breaks."""
        tried = 0
        while True:
            try:
                if not self._left:
                    self._left = self._begin()
                if piece := next(cast("Iterator[bytes]", self._stream), b"")[: self._left]:
                    self._left -= len(piece)
                    return piece
                raise StoreUnavailable(f"{self._bucket.url} ended an answer too early", "try again")
            except StoreUnavailable:
                self._left, tried = 0, tried + 1
                if tried == _TRIES:
                    raise

    def _begin(self) -> int:
        """Ask for the piece that is next; return how many bytes of it are to come."""
        key, start, end = self._kept.piece_at(self._at)
        self._stream, size = self._bucket.stream(key, self._at - start)
        if size is None:
            raise NotFound(
                f"{key} is not in {self._bucket.url} any more", "chachaml doctor says what is missing"
            )
        return end - self._at


def incoming(name: str, at: int) -> str:
    """Return the key of a piece that is sent to a server, until it is checked."""
    return f"incoming/{name}/{at:020}"
