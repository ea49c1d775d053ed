"""From kept bytes to a value: checked, and trusted or not."""

from __future__ import annotations

from typing import Any, Protocol

from chachaml.connection import Connection
from chachaml.core.errors import Untrusted
from chachaml.core.ids import short

__all__ = ["Kept", "load"]


class Kept(Protocol):
    """What is known of kept bytes: an artifact, or a version of a model."""

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        ...

    @property
    def size(self) -> int:
        """How many bytes."""
        ...

    @property
    def format(self) -> str:
        """How they become a value (see `chachaml.artifacts.formats`)."""
        ...

    @property
    def signature(self) -> str:
        """Who vouches for a format that runs code when loaded."""
        ...


def load(where: Connection, kept: Kept, run: str, name: str, *, by: str, trust: bool | str | None) -> Any:
    """Return the value of an artifact, after checking that its bytes are those that were logged.

    Args:
        where: The store's connection.
        kept: The artifact, or what was made of it.
        run: Whole id of the run that logged it.
        name: Under this name.
        by: Who did.
        trust: As in `chachaml.load_artifact`.

    Raises:
        NotFound: The bytes are gone.
        ArtifactDamaged: The bytes have changed since.
        Untrusted: It would run code that nobody here vouches for; nothing was run.
        MissingExtra: It needs a library that is not installed.
    """
    from chachaml.artifacts import formats, signing
    from chachaml.artifacts.blobs import Blob, read_all

    ours = signing.is_ours(kept.signature, kept.digest, run, name)
    data = read_all(where.blobs(), Blob(kept.digest, kept.size))
    try:
        return formats.decode(data, kept.format, trusted=ours or trust is True or trust == kept.digest)
    except Untrusted as why:
        signed = "signed by somebody else" if kept.signature else "not signed"
        what = f"artifact {name!r} of run {short(run)}, logged by {by or 'somebody'}"
        raise Untrusted(
            f"{what}, is {signed} and loading it may run code: {why.message}",
            f"if you trust whoever made it: load with trust={kept.digest!r}",
        ) from None
