"""What `doctor` looks at: the store's file, the journals and the artifacts beside it."""

from __future__ import annotations

import os

import msgspec

from chachaml.connection import Connection, at, connection
from chachaml.core import settings
from chachaml.core.errors import StoreDamaged, StoreUnavailable
from chachaml.core.model import StoreInfo
from chachaml.journal.recovery import Recovered

__all__ = ["Report", "doctor"]


class Report(msgspec.Struct, frozen=True):
    """A store's state of health; ``problems`` is empty when all is well."""

    store: StoreInfo
    journals: Recovered
    problems: tuple[str, ...]
    orphans: int = 0
    """Bytes of artifacts, older than an hour, that no run has; 0 after a repair."""
    freed: int = 0
    """Bytes that the repair gave back."""

    @property
    def well(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def doctor(store: str | os.PathLike[str] | None = None, *, repair: bool = False) -> Report:
    """Drain what is waiting, check the store's file and all artifacts, and say what is wrong.

    Args:
        store: Path of the store. Default: the one in use.
        repair: Delete bytes of artifacts that no run has, but for those of the last hour.

    Raises:
        StoreError: The store cannot be opened at all.
    """
    from chachaml.artifacts.collect import collect

    where = connection() if store is None else at(settings.store_path(store))
    problems: list[str] = []
    journals = Recovered()
    try:
        journals = where.flush()
    except (StoreDamaged, StoreUnavailable) as error:
        problems.append(error.message)
    opened = where.store()
    problems += opened.check()
    if journals.damaged:
        problems.append(f"{journals.damaged:,} bytes of journals were damaged and skipped")
    problems += [
        f"journal {folder} belongs to another store and was set aside" for folder in journals.set_aside
    ]
    problems += [f"journal {where_and_why} cannot be brought in" for where_and_why in journals.out_of_reach]
    orphans = 0
    if where.has_bytes and where.blobs().exists():
        try:
            problems += _faults_of_bytes(where)
            orphans = collect(where.blobs(), opened.digests_in_use, dry_run=not repair).bytes
        except StoreUnavailable as error:  # a bucket that cannot be reached
            problems.append(error.message)
    counts = (0, orphans) if repair else (orphans, 0)
    return Report(opened.info(), journals, tuple(problems), *counts)


def _faults_of_bytes(where: Connection) -> list[str]:
    """Return in words which artifacts have lost their bytes, or hold others than were logged."""
    from chachaml.artifacts.collect import faults

    blobs = where.blobs()
    kept = {digest for digest, _, _ in blobs.digests()}
    gone = [digest for digest in where.store().digests() if digest not in kept]
    found = [f"the bytes of artifact {digest} are not in {blobs.place}" for digest in gone] + faults(blobs)
    if blobs.is_shared():
        found.append(f"other stores keep artifacts in {blobs.place}, too: nobody's bytes stay there")
    return found
