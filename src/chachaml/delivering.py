"""Having the bytes of artifacts where they stay before any record names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chachaml.core.changes import ArtifactLogged, Batch, Receipt

if TYPE_CHECKING:
    from chachaml.artifacts.blobs import LocalBlobs
    from chachaml.store.protocol import Store

__all__ = ["Delivering", "deliver"]


def deliver(blobs: LocalBlobs, batch: Batch) -> None:
    """Return once all bytes that a batch names, and that wait on this machine, are where they stay.

    Raises:
        StoreUnavailable: They cannot be taken there just now.
    """
    blobs.deliver([change.digest for change in batch.changes if isinstance(change, ArtifactLogged)])


class Delivering:
    """A store that takes no record of an artifact before its bytes are where they stay.

    Args:
        store: The store.
        blobs: Where the bytes are.
    """

    def __init__(self, store: Store, blobs: LocalBlobs) -> None:
        self._store, self._blobs = store, blobs

    def apply(self, batch: Batch) -> Receipt:
        """Apply a batch, once the bytes that it names are where they stay."""
        deliver(self._blobs, batch)
        return self._store.apply(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
