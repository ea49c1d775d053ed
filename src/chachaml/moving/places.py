"""Where things are moved from and to: stores by their paths and addresses, and bytes between them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from hashlib import sha256

from chachaml import connection as connections
from chachaml.artifacts import view
from chachaml.artifacts.blobs import CHUNK, BlobStore, LocalBlobs
from chachaml.connected import Connection
from chachaml.connection import Spool
from chachaml.core import settings
from chachaml.core.errors import BadValue, ChachamlError, StoreUnavailable
from chachaml.core.model import ArtifactRow, VersionRow
from chachaml.moving.account import Tally

__all__ = ["carry_bytes", "is_sound", "place", "show"]

Place = str | os.PathLike[str] | Connection


def place(where: Place | None, token: str | None = None, *, there: bool = False) -> Connection:
    """Return the connection to a store, without making it the one in use.

    Args:
        where: A path, or an address of a server; None for the store in use.
        token: What to show a server.
        there: Refuse a store that does not exist.

    Raises:
        BadValue: A spool, which is only written to.
        StoreUnavailable: There is no store, and there should be one.
    """
    if isinstance(where, Connection):
        return where
    found = connections.connection() if where is None else connections.at(settings.store_path(where))
    if isinstance(found, Spool):
        raise BadValue(f"{where} is a spool", f"chachaml sync {where} brings it into a store")
    if token is not None:
        found.use_token(token)
    if there and not settings.is_elsewhere(found.path) and not found.path.exists():
        raise StoreUnavailable(f"there is no store at {found.place}", "check the path")
    return found


def carry_bytes(
    there: BlobStore, here: BlobStore, rows: Iterable[ArtifactRow | VersionRow], tally: Tally
) -> set[str]:
    """Copy the bytes of artifacts that the target does not have yet; return the digests that it has after.

    What is missing or damaged at the source is left, and told.
    """
    kept: set[str] = set()
    for row in rows:
        if row.digest in kept:
            continue
        try:
            if not here.put_at(row.digest):
                with there.open(row.digest) as file:
                    blob = here.put(file)
                if blob.digest != row.digest:
                    here.delete(blob.digest)
                    raise BadValue("its bytes have changed since they were logged")
                here.deliver([row.digest])
                tally.bytes += blob.size
            kept.add(row.digest)
        except StoreUnavailable:
            raise
        except ChachamlError as error:
            name = f"{row.model} {row.version}" if isinstance(row, VersionRow) else row.name
            tally.leave("bytes", f"{name} ({row.digest[:12]})", error.message)
    return kept


def is_sound(blobs: BlobStore, digest: str) -> bool:
    """Read bytes; tell whether they are those that their digest says."""
    hasher = sha256()
    with blobs.open(digest) as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest() == digest


def show(blobs: BlobStore, run: str, rows: Iterable[ArtifactRow]) -> None:
    """Show artifacts under their names in the folder where their bytes are, if it is one of this machine."""
    if not isinstance(blobs, LocalBlobs) or not blobs.shows:
        return
    for row in rows:
        with contextlib.suppress(OSError):  # the view is made again when it is asked for
            view.place(blobs, run, row.name, row.digest)
