"""A bar on the terminal while much is copied."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar"]

LARGE = 64 << 20
"""From this many bytes on there is a bar."""

_WIDTH = 30


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], object] | None]:
    """Give a function to call with the size of each chunk; None where nobody would see a bar.

    Args:
        what: What is copied, shown before the bar.
        total: How many bytes there will be.
    """
    if total < LARGE or not sys.stderr.isatty():
        yield None
        return
    done, shown = 0, 0.0

    def advance(chunk: int) -> None:
        nonlocal done, shown
        done += chunk
        if (now := time.monotonic()) - shown > 0.1 or done >= total:
            shown = now
            full = _WIDTH * min(done, total) // total
            amount = f"{done >> 20:,} of {total >> 20:,} MiB"
            print(f"\r{what[:40]} [{'█' * full}{'·' * (_WIDTH - full)}] {amount}", end="", file=sys.stderr)

    try:
        yield advance
    finally:
        print(file=sys.stderr)
