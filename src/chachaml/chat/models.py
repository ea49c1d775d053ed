"""What the chat asks of a language model, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from chachaml.chat.answers import Tokens, Turn

__all__ = ["REPLY_TOKENS", "Language", "Message", "Offered", "Outcome", "Reply", "Wanted", "read_arguments"]

REPLY_TOKENS = 8_192
"""Tokens that a model may write at one go."""

Message = dict[str, Any]
"""A message in the provider's own form, plain data."""


class Offered(NamedTuple):
    """A tool as a model sees it."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Wanted(NamedTuple):
    """A call that a model wants made. ``arguments`` is None if what it wrote is no JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None


class Outcome(NamedTuple):
    """What came of a call, to be told to the model."""

    call: Wanted
    text: str
    failed: bool


class Reply(NamedTuple):
    """A whole reply: what it said is told before, piece by piece.

    ``messages`` is what belongs into the conversation from now on.
    """

    wanted: tuple[Wanted, ...]
    messages: list[Message]
    tokens: Tokens
    stopped: Literal["", "length", "refused"] = ""


class Language(Protocol):
    """A language model, reached by its provider's SDK.

    Its replies come as an iterator: pieces of text, and at the end the `Reply`. A `ProviderError` says what
    is wrong; a `Broken` reply was cut off on the way and may be asked for again.
    """

    async def name(self) -> str:
        """Return the model's name."""
        ...

    def begin(self, history: Sequence[Turn], question: str) -> list[Message]:
        """Return the messages of a conversation that begins."""
        ...

    def reply(
        self, system: str, messages: Sequence[Message], tools: Sequence[Offered], *, may_call: bool
    ) -> AsyncIterator[str | Reply]:
        """Ask for the next reply.

        Args:
            system: What the model is to do, and how.
            messages: The conversation so far.
            tools: What it may call.
            may_call: Whether it may call any of them now.
        """
        ...

    def results(self, outcomes: Sequence[Outcome]) -> list[Message]:
        """Return the messages that tell what came of calls."""
        ...

    async def close(self) -> None:
        """Let go of the line."""
        ...


def read_arguments(text: str) -> Mapping[str, Any] | None:
    """Return the arguments that a model wrote, None if that is no JSON; no text at all means none of them."""
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (
        msgspec.MsgspecError,
        UnicodeError,
        RecursionError,
    ):
        return None
