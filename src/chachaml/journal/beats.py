"""Liveness where there are no locks: a file that the writer renews, and the folder's own clock.

On a network file system locks may be missing, or hang, and the clocks of machines differ. What is
compared is when the file system says that two files were written, both by its own clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["BEAT", "DONE", "EVERY", "Beat", "is_over"]

BEAT, DONE = "beat", "done"
"""Names of the file that is renewed, and of the one that says that nothing will follow."""

EVERY = 5.0
"""Seconds between two beats."""

MISSED = 60.0
"""Seconds without a beat after which a writer is taken for dead."""


class Beat:
    """The beat of one journal's writer."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._last = folder, 0.0

    def renew(self) -> None:
        """Beat, if it is time.

        Raises:
            OSError: The folder cannot be written.
        """
        if time.monotonic() - self._last >= EVERY and self._folder.is_dir():
            (self._folder / BEAT).write_text(f"{time.time_ns()}\n")
            self._last = time.monotonic()

    def end(self) -> None:
        """Say that nothing will follow.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._folder.is_dir():
            (self._folder / DONE).write_text("")


def is_over(folder: Path) -> bool:
    """Tell whether a journal's writer is done, or has missed its beats.

    Raises:
        OSError: The folder cannot be read, or no file made there to ask its clock.
    """
    if (folder / DONE).exists():
        return True
    beat = folder / BEAT
    last = (beat if beat.exists() else folder).stat().st_mtime
    probe = folder.parent / f".clock-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        probe.write_text("")
        return probe.stat().st_mtime - last > MISSED
    finally:
        probe.unlink(missing_ok=True)
