"""Deleting bytes that no artifact has any more, and finding those that are missing or damaged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from chachaml.artifacts.blobs import CHUNK, LocalBlobs

__all__ = ["GRACE", "Collected", "collect", "faults", "release"]

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
    orphans = iter(()) if blobs.is_shared() else _orphans(blobs, in_use, time.time() - grace)
    for digest, size in orphans:
        if dry_run:
            count, freed = count + 1, freed + size
        elif not in_use([digest]) and (gone := blobs.delete(digest)):
            count, freed = count + 1, freed + gone
    return Collected(count, freed + (0 if dry_run else blobs.sweep(grace)))


def release(blobs: LocalBlobs, freed: Mapping[str, tuple[int, int]], in_use: InUse) -> Collected:
    """Delete the blobs of artifacts that were just deleted, as far as no other artifact has them.

    One that was put again since its artifact was logged stays for `collect`: the record that names
    it may be on its way.

    Args:
        blobs: Where they are.
        freed: By digest the size, and when it was logged last, in microseconds.
        in_use: See `collect`.
    """
    used, count, back = in_use(freed), 0, 0
    for digest, (_, logged) in freed.items():
        if digest not in used and blobs.put_at(digest) <= logged / 1e6 + 1 and (gone := blobs.delete(digest)):
            count, back = count + 1, back + gone
    return Collected(count, back)


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
            found.append(
                f"the bytes of artifact {digest} in {blobs.place} have changed since they were logged"
            )
    return found
