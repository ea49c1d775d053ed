"""The conversations of a server: how many go on, and which wait for a person's word."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from chachaml.chat.conversation import Conversation
from chachaml.core.errors import Conflict, NotFound
from chachaml.surfaces.http.answers import Problem

__all__ = ["Approval", "Chats", "Parked"]

_AT_ONCE = 32
_PARKED = 100
_PATIENCE = 600.0
"""Seconds in which a person may say yes to a write."""

Short = Annotated[str, Meta(max_length=200)]


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says to a write: to which, exactly as it was shown, and whether it may be done."""

    conversation: Short
    id: Short
    name: Short
    arguments: dict[str, Any]
    approved: bool


class Parked(NamedTuple):
    """A conversation that waits for a person's word, and whose."""

    who: tuple[str, str]
    conversation: Conversation
    until: float


class Chats:
    """The conversations of a server that go on just now, or wait for a person."""

    def __init__(self) -> None:
        self._parked: dict[str, Parked] = {}
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
        """Keep a conversation until a person has said a word; return by which name it is found."""
        now = time.monotonic()
        self._parked = {name: one for name, one in self._parked.items() if one.until > now}
        while len(self._parked) >= _PARKED:
            self._parked.pop(next(iter(self._parked)))
        name = secrets.token_urlsafe(24)
        self._parked[name] = Parked(who, conversation, now + _PATIENCE)
        return name

    def find(self, who: tuple[str, str], said: Approval) -> Conversation:
        """Return the conversation that waits for this word.

        Raises:
            NotFound: None does, or it waits for somebody else's.
            Conflict: It waits for a word on something else.
        """
        parked = self._parked.get(said.conversation)
        if parked is None or parked.who != who or parked.until < time.monotonic():
            raise NotFound("nothing waits for this approval: it was given, or is too old", "ask again")
        wanted = parked.conversation.waiting[0]
        if (said.id, said.name, said.arguments) != (wanted.id, wanted.name, dict(wanted.arguments or {})):
            raise Conflict("this approves another call than the one that waits", "approve it as it was shown")
        return parked.conversation

    def claim(self, said: Approval) -> None:
        """Take a conversation that goes on, so that no word is heard twice.

        Raises:
            Conflict: It goes on already.
        """
        if self._parked.pop(said.conversation, None) is None:
            raise Conflict("this approval was given a moment ago", "wait for what comes of it")
