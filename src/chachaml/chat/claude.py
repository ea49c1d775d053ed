"""Anthropic's models, by the Messages API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import anthropic
import httpx2

from chachaml.chat.answers import Tokens, Turn
from chachaml.chat.models import REPLY_TOKENS, Message, Offered, Outcome, Reply, Wanted, read_arguments
from chachaml.chat.trouble import Broken, as_problem

__all__ = ["Claude"]

_STOPPED: dict[str, Literal["length", "refused"]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}

_PARTS = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
"""Which field each kind of piece brings more of."""


class Claude:
    """A model of Anthropic's.

    Args:
        model: Its name.
        key: Who pays.
    """

    def __init__(self, model: str, key: str) -> None:
        self._model, self._key = model, key
        # What is redirected would take the key along.
        line = anthropic.DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=httpx2.Timeout(None, connect=10)
        )
        self._client = anthropic.AsyncAnthropic(api_key=key, http_client=line)

    async def name(self) -> str:
        """Return the model's name."""
        return self._model

    def begin(self, history: Sequence[Turn], question: str) -> list[Message]:
        """Return the messages of a conversation that begins."""
        return [*({"role": turn.role, "content": turn.text} for turn in history), _said("user", question)]

    async def reply(
        self, system: str, messages: Sequence[Message], tools: Sequence[Offered], *, may_call: bool
    ) -> AsyncIterator[str | Reply]:
        """Ask for the next reply."""
        offered = [
            {"name": one.name, "description": one.description, "input_schema": one.schema} for one in tools
        ]
        gathered = _Gathered()
        stream: Any = None
        try:
            stream = await self._client.messages.create(
                model=self._model,
                max_tokens=REPLY_TOKENS,
                system=system,
                messages=messages,
                tools=offered,
                tool_choice={"type": "auto" if may_call else "none"},
                cache_control={"type": "ephemeral"},
                stream=True,
            )
            async with stream:
                async for event in stream:
                    if piece := gathered.take(event):
                        yield piece
        except (anthropic.AnthropicError, httpx2.HTTPError) as error:
            raise as_problem(error, "Anthropic", self._key, begun=stream is not None) from None
        yield gathered.reply()

    def results(self, outcomes: Sequence[Outcome]) -> list[Message]:
        """Return the messages that tell what came of calls."""
        blocks = [
            {"type": "tool_result", "tool_use_id": one.call.id, "content": one.text, "is_error": one.failed}
            for one in outcomes
        ]
        return [{"role": "user", "content": blocks}]

    async def close(self) -> None:
        """Let go of the line."""
        await self._client.close()


def _said(role: str, text: str) -> Message:
    return {"role": role, "content": text}


class _Gathered:
    """A reply as it comes together. Its blocks go back as they came, those that nobody reads too."""

    def __init__(self) -> None:
        self._blocks: list[Message] = []
        self._input = self._output = 0
        self._why = ""
        self._ended = False

    def take(self, event: Any) -> str:
        """Take an event; return the text that it brings."""
        if event.type == "message_start":
            self._count(event.message.usage)
        elif event.type == "content_block_start":
            block = event.content_block.to_dict()
            self._blocks.append({**block, "partial_json": ""} if block["type"] == "tool_use" else block)
            return str(block.get("text", "")) if block["type"] == "text" else ""
        elif event.type == "content_block_delta":
            return self._add(self._blocks[event.index], event.delta)
        elif event.type == "message_delta":
            self._count(event.usage)
            self._why = event.delta.stop_reason or ""
        elif event.type == "message_stop":
            self._ended = True
        return ""

    def _add(self, block: Message, delta: Any) -> str:
        if (field := _PARTS.get(delta.type)) is None:
            return ""
        piece: str = getattr(delta, field)
        block[field] = block.get(field, "") + piece
        return piece if field == "text" else ""

    def _count(self, usage: Any) -> None:
        """Take the counts, which are of all so far."""
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        self._input = max(self._input, sum(getattr(usage, name, None) or 0 for name in names))
        self._output = max(self._output, usage.output_tokens)

    def reply(self) -> Reply:
        """Return the whole.

        Raises:
            Broken: It is not whole.
        """
        if not self._ended:
            raise Broken("Anthropic broke off in the midst of a reply", "try again in a while")
        wanted: list[Wanted] = []
        blocks: list[Message] = []
        for block in self._blocks:
            if block["type"] == "tool_use":
                arguments = read_arguments(block.pop("partial_json"))
                wanted.append(Wanted(block["id"], block["name"], arguments))
                block["input"] = arguments or {}
            if block["type"] != "text" or block["text"]:  # it is not taken back without any
                blocks.append(block)
        messages = [{"role": "assistant", "content": blocks}] if blocks else []
        return Reply(tuple(wanted), messages, Tokens(self._input, self._output), _STOPPED.get(self._why, ""))
