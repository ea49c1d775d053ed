"""From the journal to the store: read a stretch, decode it, apply it, go on from its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from chachaml.core.changes import Batch, JournalInfo, Receipt
from chachaml.journal.decoder import Decoded, Decoder
from chachaml.journal.reader import Source

__all__ = ["Drain", "DrainThread", "Target"]

STRETCH = 8 << 20
"""Bytes of journal per transaction: some 260,000 points."""

_PAUSE = 0.2
"""Seconds between two looks at the journal; others see a point after that much and its transaction."""
_LONGEST_PAUSE = 5.0
_SYNC_EVERY = 1.0


class Target(Protocol):
    """What draining needs of a store."""

    def apply(self, batch: Batch) -> Receipt:
        """See `chachaml.store.protocol.Store.apply`."""
        ...

    def applied_to(self, journal: str) -> int:
        """See `chachaml.store.protocol.Store.applied_to`."""
        ...


class Drain:
    """Brings one journal into one store, batch by batch.

    Others may drain the same journal at the same time: a batch that does not start where the store
    stands changes nothing, and this goes on from where the store says.

    Args:
        source: The journal.
        target: The store.
        verify: Check every point; see `chachaml.journal.decoder.Decoder`.
        stretch: Bytes read at once, and so the size of a transaction.

    Attributes:
        damaged: Bytes that were skipped because no checksum held.
    """

    def __init__(
        self, source: Source, target: Target, *, verify: bool = True, stretch: int = STRETCH
    ) -> None:
        self._source, self._target, self._verify, self._stretch = source, target, verify, stretch
        self._decoder: Decoder | None = None
        self._applied = self._position = 0
        self.damaged = 0

    @property
    def position(self) -> int:
        """The logical offset up to which everything is read and, but for empty cells, applied."""
        return self._position

    def step(self) -> bool:
        """Apply the next batch; return False when there was nothing to do.

        Raises:
            StoreError: The store did not take it; nothing is lost, call again later.
        """
        info = self._source.info
        if info is None:
            return False
        decoder = self._decoder or self._take_seat(info, self._target.applied_to(info.id))
        size = self._stretch
        while stretch := self._source.stretch(self._position, size):
            decoded = decoder.decode(stretch.data, stretch.at, remaining=stretch.remaining, live=stretch.live)
            if decoded.end > stretch.at:
                return self._apply(info, decoded)
            if stretch.live or len(stretch.data) >= stretch.remaining:
                return False
            size *= 4  # one record is longer than what was read
        return False

    def _apply(self, info: JournalInfo, decoded: Decoded) -> bool:
        if decoded.changes:
            # Not to the end: in a copy of a journal, the cells that are empty are not so in the original.
            batch = Batch(decoded.changes, journal=info, start=self._applied, end=decoded.whole)
            try:
                receipt = self._target.apply(batch)
            except BaseException:
                # Applied or not, the store knows; the decoder already forgot what it handed out.
                self._decoder = None
                raise
            if not receipt.applied:
                self._take_seat(info, receipt.applied_to)
                return True
            self._applied = decoded.whole
        self._position = decoded.end
        self.damaged += decoded.damaged
        return True

    def _take_seat(self, info: JournalInfo, position: int) -> Decoder:
        """Go on from `position`, knowing what its segment declared before."""
        self._decoder = decoder = Decoder(info.id, verify=self._verify)
        self._applied = self._position = position
        # Even when there is nothing to read yet: what comes may belong to a series declared before.
        decoder.decode(self._source.before(position), 0)
        return decoder

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Apply all there is, or go on until `until` says so.

        Raises:
            StoreError: As `step`.
        """
        while not until() and self.step():
            pass


class DrainThread:
    """Drains this process's journal in the background, and on demand in the caller's thread.

    Args:
        drain: What to do; called with the lock held. Raises StoreError when the store is in trouble.
        sync: Called about once a second while there was something to drain: makes the journal's
            files survive a power failure.
        on_trouble: Told when draining fails; returns nothing, raises nothing.
    """

    def __init__(
        self,
        drain: Callable[[], bool],
        sync: Callable[[], None],
        on_trouble: Callable[[Exception], None],
    ) -> None:
        self._drain, self._sync, self._on_trouble = drain, sync, on_trouble
        self._stop = threading.Event()
        self._last: Callable[[], None] = lambda: None
        self.lock = threading.RLock()
        self.rested = False
        """Whether it drained once: the first time imports modules, which may take long."""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if it does not run yet."""
        if self._thread is None:
            thread = threading.Thread(target=self._loop, name="chachaml-drainer", daemon=True)
            thread.start()
            self._thread = thread

    def stop(self, timeout: float, last: Callable[[], None]) -> bool:
        """Ask the thread to do `last` and end; return whether it did within `timeout` seconds.

        The caller waits no longer, whatever the store may wait for; the thread goes on as long as it can.
        """
        self._last = last
        self._stop.set()
        if self._thread is None:
            last()
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        pause, synced, dirty = _PAUSE, time.monotonic(), False
        while not self._stop.wait(pause):
            try:
                with self.lock:
                    dirty = self._drain() or dirty
                    if dirty and time.monotonic() - synced >= _SYNC_EVERY:
                        self._sync()
                        synced, dirty = time.monotonic(), False
                pause = _PAUSE
            except Exception as error:  # a thread that dies would say so with a traceback, and drain no more
                self._on_trouble(error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            self.rested = True
        self._last()
