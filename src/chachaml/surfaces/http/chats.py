"""The conversations of a server: how many go on, and how one waits for a person's word.

One that waits is kept by whoever asked, sealed: any server of the store can go on with it, and none has to
remember it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import zlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chachaml.chat.conversation import Conversation
from chachaml.core.changes import Batch, LeaseTaken
from chachaml.core.errors import Conflict, NotFound
from chachaml.core.ids import new_id
from chachaml.store.protocol import Store
from chachaml.surfaces.http.answers import Problem

__all__ = ["Approval", "Chats", "Parked"]

_AT_ONCE = 32
_PATIENCE = 600_000_000
"""Microseconds in which a person may say yes to a write."""

Short = Annotated[str, Meta(max_length=200)]


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says to a write: to which, exactly as it was shown, and whether it may be done."""

    conversation: str
    id: Short
    name: Short
    arguments: dict[str, Any]
    approved: bool


class Parked(msgspec.Struct, array_like=True):
    """A conversation that waits for a person's word: whose, until when, and by which name it is claimed."""

    who: tuple[str, str]
    until: int
    name: str
    conversation: Conversation


class Chats:
    """The conversations of a server that go on just now, or wait for a person.

    Args:
        store: Knows which words were heard.
        secret: What the servers of this store, and nobody else, sign with.
    """

    def __init__(self, store: Store, secret: str) -> None:
        self._store = store
        self._key = hmac.digest(secret.encode(), b"chachaml chat", "sha256")
        self._going_on = 0

    def begin(self) -> None:
        """Count one more.

        Raises:
            Problem: There are too many already.
        """
        if self._going_on >= _AT_ONCE:
            told = {"Retry-After": "5"}
            raise Problem(429, "too_many", "too many questions are being answered", "again in a while", told)
        self._going_on += 1

    def end(self) -> None:
        """Count one less."""
        self._going_on -= 1

    def park(self, who: tuple[str, str], conversation: Conversation) -> str:
        """Return a conversation sealed, for whoever asked to give back with their word."""
        parked = Parked(who, _now() + _PATIENCE, new_id(), conversation)
        packed = zlib.compress(msgspec.json.encode(parked))
        return base64.urlsafe_b64encode(self._seal(packed) + packed).decode()

    def find(self, who: tuple[str, str], said: Approval) -> Parked:
        """Return the conversation that waits for this word.

        Raises:
            NotFound: None does, or it waits for somebody else's, or no longer.
            Conflict: It waits for a word on something else.
        """
        parked = self._opened(said.conversation)
        if parked is None or parked.who != who or parked.until < _now():
            raise NotFound("nothing waits for this approval, or no longer", "ask again")
        wanted = parked.conversation.waiting[0]
        if (said.id, said.name, said.arguments) != (wanted.id, wanted.name, dict(wanted.arguments or {})):
            raise Conflict("this approves another call than the one that waits", "approve it as it was shown")
        return parked

    def claim(self, parked: Parked) -> None:
        """Go on with a conversation, which no server of the store does twice.

        Raises:
            Conflict: One does, or did.
        """
        heard = LeaseTaken(_now(), new_id(), f"chat {parked.name}", parked.until + _PATIENCE)
        if self._store.apply(Batch((heard,), command=new_id())).conflicts:
            raise Conflict("this approval was given already", "wait for what comes of it, or ask again")

    def _seal(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, "sha256")

    def _opened(self, sealed: str) -> Parked | None:
        """Return what was sealed by a server of the store, None for anything else."""
        try:
            whole = base64.urlsafe_b64decode(sealed)
        except ValueError:
            return None
        seal, packed = whole[: hashlib.sha256().digest_size], whole[hashlib.sha256().digest_size :]
        if not hmac.compare_digest(seal, self._seal(packed)):
            return None
        try:
            return msgspec.json.decode(zlib.decompress(packed), type=Parked)
        except msgspec.MsgspecError:
            return None  # another version's


def _now() -> int:
    return time.time_ns() // 1000
