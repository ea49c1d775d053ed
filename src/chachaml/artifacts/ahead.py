"""Pieces that go to a bucket while the bytes are still being written into the folder in front of it.

Writing never waits for them: a piece for which there is no room on the way is left out, and sent later with
the others. So it pays where the network is quick and costs nothing where it is slow.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from secrets import token_hex

from chachaml.artifacts.bucket import Bucket
from chachaml.artifacts.kept import AHEAD, Kept
from chachaml.core.errors import StoreUnavailable

__all__ = ["AT_ONCE", "Ahead"]

AT_ONCE = 4
"""Objects that are on their way at the same time."""


class Ahead:
    """Sends pieces of bytes whose digest nobody knows yet.

    Args:
        bucket: Where to.
        piece: Bytes of a piece.
        room: How many pieces may be on their way, of all that is being written: where nobody answers, each
            holds its bytes for minutes.
    """

    def __init__(self, bucket: Bucket, piece: int, room: threading.Semaphore) -> None:
        self.name = f"{AHEAD}{token_hex(8)}"
        """The try that these pieces are of."""
        self.sent: list[str] = []
        """The keys of those that went, or are on their way."""
        self._bucket, self._kept, self._room = bucket, Kept.ahead(piece, self.name), room
        self._threads: list[threading.Thread] = []
        self._works = True

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield chunks, and send pieces of them: of more than one piece, and all but the last."""
        start, filled, piece = 0, 0, self._begin()
        try:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    if filled == self._kept.piece:  # and there is more
                        self._send(start, piece)
                        start, filled, piece = start + filled, 0, self._begin()
                    part = rest[: self._kept.piece - filled]
                    if piece is not None:
                        piece += part
                    filled, rest = filled + len(part), rest[len(part) :]
                yield chunk
        finally:
            if piece is not None:
                self._room.release()

    def _begin(self) -> bytearray | None:
        """Return what the next piece is gathered in, None if it cannot go now."""
        if self._works and self._room.acquire(blocking=False):
            return bytearray()
        return None

    def _send(self, start: int, piece: bytearray | None) -> None:
        if piece is None:
            return
        key = self._kept.key_of(start)
        thread = threading.Thread(target=self._put, args=(key, piece), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the process ends, and begins no more threads
            self._works = False
            self._room.release()
        else:
            self._threads.append(thread)
            self.sent.append(key)

    def _put(self, key: str, piece: bytearray) -> None:
        try:
            self._bucket.put(key, piece)
        except (StoreUnavailable, OSError):  # told when the rest is sent, and fails too
            self._works = False
        finally:
            self._room.release()

    def wait(self) -> None:
        """Return once none is on its way."""
        for thread in self._threads:
            thread.join()

    def discard(self) -> None:
        """Delete what went, for the bucket has the bytes from another try.

        Raises:
            StoreUnavailable: It cannot be asked just now; whoever sweeps deletes them.
        """
        self.wait()
        self._bucket.delete(self.sent)
