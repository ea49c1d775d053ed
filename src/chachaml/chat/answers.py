"""What a conversation is made of, and what it tells while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = [
    "Answer",
    "Asked",
    "CallFinished",
    "CallStarted",
    "Done",
    "Event",
    "NeedsApproval",
    "Text",
    "Tokens",
    "ToolCall",
    "Turn",
]

Stopped = Literal["", "rounds", "tokens", "length", "refused", "approval"]
"""Why an answer is not whole. rounds, tokens: it would have taken more of them than it may. length: the model
broke off. refused: the model would not answer. approval: a write waits for a person's yes."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that was said before."""

    role: Literal["user", "assistant"]
    text: str


class Tokens(msgspec.Struct, frozen=True):
    """How many tokens went in and came out, as the provider counts them."""

    input: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.input + self.output

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the model made of a tool, and what came of it."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    result: str
    error: str = ""
    """What went wrong; '' if nothing did."""
    runs: tuple[str, ...] = ()
    """Ids of runs that the result speaks of."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a question.

    ``answer`` is Markdown. ``iterations`` counts the rounds of tool calls. ``understood`` says, for an answer
    without a language model, as which query the question was understood. ``stopped`` says why an answer is
    not whole, '' if it is.
    """

    question: str
    answer: str
    calls: tuple[ToolCall, ...] = ()
    iterations: int = 0
    tokens: Tokens = Tokens()
    provider: str
    model: str = ""
    understood: str = ""
    stopped: Stopped = ""
    runs: tuple[str, ...] = ()
    """Ids of runs that the answer speaks of."""

    def __str__(self) -> str:
        return self.answer


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """Whom the question goes to."""

    provider: str
    model: str


class Text(msgspec.Struct, frozen=True, tag="text"):
    """The next piece of the answer."""

    text: str


class CallStarted(msgspec.Struct, frozen=True, tag="call_started"):
    """The model calls a tool."""

    id: str
    name: str
    arguments: Mapping[str, Any]


class CallFinished(msgspec.Struct, frozen=True, tag="call_finished"):
    """A tool has done, or failed, or was not allowed."""

    id: str
    name: str
    result: str
    error: str = ""
    runs: tuple[str, ...] = ()


class NeedsApproval(msgspec.Struct, frozen=True, tag="needs_approval"):
    """A tool would change something: nothing happens before a person says yes."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    about: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The whole answer; nothing follows."""

    answer: Answer


Event = Asked | Text | CallStarted | CallFinished | NeedsApproval | Done
