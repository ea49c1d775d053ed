"""Spools: folders that many jobs write journals to, and that are brought into a store later.

<spool>/spool.json        which store it is brought into, once one has begun
<spool>/journals/<id>/    one writer's journal, with its beat
<spool>/artifacts/        bytes of artifacts, until they are in the store's own folder
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from chachaml.connection import Connection
from chachaml.core.changes import ArtifactLogged, Batch, JournalInfo, Receipt
from chachaml.core.errors import BadValue, NotFound
from chachaml.delivering import deliver
from chachaml.journal.beats import is_over
from chachaml.journal.recovery import Recovered, recover

if TYPE_CHECKING:
    from chachaml.artifacts.blobs import LocalBlobs
    from chachaml.store.protocol import Store

__all__ = ["bring_in"]

_KEPT = 3600.0
"""Seconds that bytes stay in a spool after they were copied out of it."""


class _Adoption(msgspec.Struct, frozen=True):
    """What ``spool.json`` says."""

    store: str


def bring_in(folder: Path, where: Connection) -> Recovered:
    """Bring all that a spool holds into a store; those that are still being written as far as they are.

    Several may do so at once, and it may be broken off and done again.

    Raises:
        NotFound: No such folder, or it is not a spool.
        BadValue: It is being brought into another store.
        StoreError: The store does not take it; nothing is lost.
    """
    if not folder.is_dir() or not any((folder / name).exists() for name in ("journals", "spool.json")):
        raise NotFound(f"{folder} is not a spool", "jobs make one: chachaml.connect('spool:///shared/dir')")
    report = where.flush()
    store = where.store(create=True)
    _adopt(folder, store.id)
    target = cast("Store", _WithBytes(store, folder / "artifacts", where.blobs()))
    recover(folder / "journals", target, store.id, report, at_once=True, is_dead=_is_dead)
    store.sync()
    _tidy(folder / "artifacts", where.blobs())
    return report


def _is_dead(folder: Path, info: JournalInfo) -> bool:  # noqa: ARG001 - as `recover` asks
    return is_over(folder)


def _adopt(folder: Path, store: str) -> None:
    """Have the spool belong to this store from now on."""
    path = folder / "spool.json"
    fresh = folder / f".spool-{os.getpid()}-{os.urandom(4).hex()}"
    fresh.write_bytes(msgspec.json.encode(_Adoption(store)))
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    except OSError:  # no links here: the last of several first ones would win
        if not path.exists():
            fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    adopted = msgspec.json.decode(path.read_bytes(), type=_Adoption).store
    if adopted != store:
        raise BadValue(
            f"the spool {folder} is being brought into another store ({adopted[:8]})",
            f"sync it with that one: chachaml sync {folder} --store PATH",
        )


class _WithBytes:
    """A store that takes no record of an artifact before it has the artifact's bytes."""

    def __init__(self, store: Store, spooled: Path, blobs: LocalBlobs) -> None:
        from chachaml.artifacts.blobs import LocalBlobs

        self._store, self._blobs = store, blobs
        self._spooled = LocalBlobs(spooled)

    def apply(self, batch: Batch) -> Receipt:
        for change in batch.changes:
            if isinstance(change, ArtifactLogged) and not self._blobs.put_at(change.digest):
                with suppress(NotFound), self._spooled.open(change.digest) as file:
                    self._blobs.put(file)
        self._blobs.sync()
        deliver(self._blobs, batch)
        return self._store.apply(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _tidy(spooled: Path, blobs: LocalBlobs) -> None:
    """Delete the bytes that the store has, but for those that somebody may just be naming."""
    from chachaml.artifacts.blobs import LocalBlobs

    if not spooled.is_dir():
        return
    source = LocalBlobs(spooled)
    for digest, _, put in source.digests():
        if time.time() - put > _KEPT and blobs.put_at(digest):
            source.delete(digest)
