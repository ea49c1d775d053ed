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
    problems += _missing_bytes(where) if where.has_bytes else []
    orphans = _collect(where, dry_run=not repair) if where.has_bytes else 0
    counts = (0, orphans) if repair else (orphans, 0)
    return Report(opened.info(), journals, tuple(problems), *counts)


def _collect(where: Connection, *, dry_run: bool) -> int:
    """Delete the bytes that no run has, or only look for them; return how many."""
    if not where.artifacts.is_dir():
        return 0
    from chachaml.artifacts.collect import collect

    return collect(where.blobs(), where.store().digests_in_use, dry_run=dry_run).bytes


def _missing_bytes(where: Connection) -> list[str]:
    """Return in words which artifacts have lost their bytes, or hold others than were logged."""
    if not where.artifacts.is_dir():
        return []
    from chachaml.artifacts.collect import faults

    blobs, store = where.blobs(), where.store()
    kept = {digest for digest, _, _ in blobs.digests()}
    gone = [digest for digest in store.digests() if digest not in kept]
    lost = [f"the bytes of artifact {digest} are not in {where.artifacts}" for digest in gone]
    return lost + faults(blobs)
