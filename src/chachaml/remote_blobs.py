"""Bytes of artifacts that a server keeps: gathered here until they are sent, fetched when they are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from chachaml.artifacts.blobs import LocalBlobs
from chachaml.core.errors import Conflict, NotFound
from chachaml.store.direct import Direct
from chachaml.store.line import Line

__all__ = ["RemoteBlobs"]

_AT_ONCE = 1 << 20
"""Bytes up to which a blob is sent without asking first what is there."""

_PIECE = 8 << 20
"""Bytes of one request: what a broken line costs at most."""


class RemoteBlobs(LocalBlobs):
    """Blobs of a server, with a folder of this machine in front of it.

    Args:
        root: The folder.
        line: Gives the line to the server.
    """

    def __init__(self, root: Path, line: Line) -> None:
        super().__init__(root)
        self._line, self._direct = line, Direct(line)

    def open(self, digest: str) -> BinaryIO:
        """Return the bytes to read, after fetching them if need be.

        Raises:
            NotFound: The server has none of them.
            StoreUnavailable: The server cannot be reached.
        """
        self.fetch(digest)
        return super().open(digest)

    def fetch(self, digest: str) -> None:
        """Have the bytes in the folder. See `open`."""
        if not self.path(digest).exists():
            self.take(digest, self._direct.pieces(f"/api/blobs/{digest}"))

    def close(self) -> None:
        """Let go of the line."""
        self._direct.close()
        self._line.close()

    def put_at(self, digest: str) -> float:
        """Return when a blob was last put with the server, in seconds since 1970; 0 if it is not there."""
        told = self._line.look(f"/api/blobs/{digest}")
        return float(told.get("x-put-at", "0")) if told else 0.0

    def delete(self, digest: str) -> int:
        """Have the server delete a blob that nothing needs; return how many bytes came back."""
        super().delete(digest)
        return self._line.delete_blob(digest)

    def digests(self) -> Iterator[tuple[str, int, float]]:
        """Yield nothing: whoever looks after the server looks after its blobs."""
        return iter(())

    def deliver(self, digests: Iterable[str]) -> None:
        """Send bytes that the server does not have yet, if they are on this machine; see `send`."""
        for digest in digests:
            if self.path(digest).exists():
                with contextlib.suppress(NotFound):  # tidied away: the server says whether it has them
                    self.send(digest)

    def send(self, digest: str) -> None:
        """Send bytes that the server does not have yet; what an earlier try sent is not sent again.

        Raises:
            StoreUnavailable: The server cannot be reached.
        """
        address, size = f"/api/blobs/{digest}", self.path(digest).stat().st_size
        with super().open(digest) as file:
            if size <= _AT_ONCE:
                self._line.send("PUT", address, file.read(), {})
                return
            at = self._sent(address)
            while at is not None:
                file.seek(at)
                at = self._send_piece(address, at, file.read(_PIECE), size)

    def _send_piece(self, address: str, at: int, piece: bytes, size: int) -> int | None:
        """Send a piece; return where the next one begins, None behind the last."""
        if piece and self._direct.put(address, at, piece):
            return at + len(piece)  # the last one is empty: with it the server joins all of them
        about = {"Upload-Offset": str(at), "Upload-Length": str(size)}
        try:
            now = int(self._line.send("PATCH", address, piece, about)["upload-offset"])
        except Conflict:  # another process sends it too, or an answer was lost
            return self._sent(address)
        return None if now >= size else now

    def _sent(self, address: str) -> int | None:
        """Return how many bytes of a blob the server has, None if it has them all."""
        told = self._line.look(address)
        if told is not None and "etag" in told:
            return None
        return int(told.get("upload-offset", "0")) if told else 0
