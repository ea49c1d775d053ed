"""Deleting bytes that no artifact has any more, and finding those that are missing or damaged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from chachaml.artifacts.blobs import CHUNK, LocalBlobs

__all__ = ["GRACE", "Collected", "collect", "faults"]

GRACE = 3600.0
"""Seconds that bytes stay after they were last put: the record that names them may still be on its way."""

_AT_ONCE = 1000

InUse = Callable[[Iterable[str]], set[str]]
"""Which of some digests artifacts have; `chachaml.store.protocol.Store.digests_in_use`."""


class Collected(NamedTuple):
    """How many blobs went, and the bytes that came back."""

    blobs: int = 0
    bytes: int = 0


def collect(blobs: LocalBlobs, in_use: InUse, *, grace: float = GRACE, dry_run: bool = False) -> Collected:
    """Delete the blobs that no artifact has.

    Putting bytes that are there already makes them new, so those that somebody is about to use stay.

    Args:
        blobs: Where they are.
        in_use: Asked again for each blob just before it goes.
        grace: Younger ones stay.
        dry_run: Say what would go, and delete nothing.
    """
    count = freed = 0
    for digest, size in _orphans(blobs, in_use, time.time() - grace):
        if dry_run:
            count, freed = count + 1, freed + size
        elif not in_use([digest]) and (gone := blobs.delete(digest)):
            count, freed = count + 1, freed + gone
    return Collected(count, freed + (0 if dry_run else blobs.sweep(grace)))


def _orphans(blobs: LocalBlobs, in_use: InUse, before: float) -> Iterator[tuple[str, int]]:
    for some in _in_lots(blobs):
        used = in_use([digest for digest, _, _ in some])
        yield from ((digest, size) for digest, size, put in some if digest not in used and put < before)


def _in_lots(blobs: LocalBlobs) -> Iterator[list[tuple[str, int, float]]]:
    lot: list[tuple[str, int, float]] = []
    for each in blobs.digests():
        lot.append(each)
        if len(lot) == _AT_ONCE:
            yield lot
            lot = []
    yield lot


def faults(blobs: LocalBlobs) -> list[str]:
    """Return in words which blobs are not what their names say; reads all of them."""
    found = []
    for digest, _, _ in blobs.digests():
        hasher = sha256()
        with blobs.open(digest) as file:
            while chunk := file.read(CHUNK):
                hasher.update(chunk)
        if hasher.hexdigest() != digest:
            found.append(f"the bytes of artifact {blobs.path(digest)} have changed since they were logged")
    return found
