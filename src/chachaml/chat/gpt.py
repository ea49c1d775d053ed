"""OpenAI's models, by the Responses API: its present models take no tools by the older one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import httpx2
import openai

from chachaml.chat.answers import Tokens, Turn
from chachaml.chat.models import REPLY_TOKENS, Message, Offered, Outcome, Reply, Wanted, read_arguments
from chachaml.chat.trouble import Broken, as_problem
from chachaml.core.errors import ProviderError

__all__ = ["Gpt"]


class Gpt:
    """A model of OpenAI's.

    Args:
        model: Its name.
        key: Who pays.
    """

    def __init__(self, model: str, key: str) -> None:
        self._model, self._key = model, key
        # What is redirected would take the conversation along.
        line = openai.DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=httpx2.Timeout(None, connect=10)
        )
        self._client = openai.AsyncOpenAI(api_key=key, http_client=line)

    async def name(self) -> str:
        """Return the model's name."""
        return self._model

    def begin(self, history: Sequence[Turn], question: str) -> list[Message]:
        """Return the messages of a conversation that begins."""
        said = [{"role": turn.role, "content": turn.text} for turn in history]
        return [*said, {"role": "user", "content": question}]

    async def reply(
        self, system: str, messages: Sequence[Message], tools: Sequence[Offered], *, may_call: bool
    ) -> AsyncIterator[str | Reply]:
        """Ask for the next reply."""
        gathered = _Gathered()
        stream: Any = None
        try:
            stream = await self._client.responses.create(
                model=self._model,
                max_output_tokens=REPLY_TOKENS,
                instructions=system,
                input=messages,
                tools=[_offered(one) for one in tools],
                tool_choice="auto" if may_call else "none",
                include=["reasoning.encrypted_content"],
                store=False,
                stream=True,
            )
            async with stream:
                async for event in stream:
                    if piece := gathered.take(event):
                        yield piece
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise as_problem(error, "OpenAI", self._key, begun=stream is not None) from None
        yield gathered.reply()

    def results(self, outcomes: Sequence[Outcome]) -> list[Message]:
        """Return the messages that tell what came of calls."""
        return [
            {"type": "function_call_output", "call_id": one.call.id, "output": one.text} for one in outcomes
        ]

    async def close(self) -> None:
        """Let go of the line."""
        await self._client.close()


def _offered(tool: Offered) -> Message:
    about = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "strict": False, **about}


class _Gathered:
    """A reply as it comes together. Its items go back as they came, those that nobody reads too."""

    def __init__(self) -> None:
        self._items: list[Message] = []
        self._wanted: list[Wanted] = []
        self._tokens: Tokens | None = None
        self._stopped: Literal["", "length", "refused"] = ""

    def take(self, event: Any) -> str:
        """Take an event; return the text that it brings.

        Raises:
            ProviderError: The reply failed.
        """
        if event.type in ("response.output_text.delta", "response.refusal.delta"):
            self._stopped = "refused" if event.type == "response.refusal.delta" else self._stopped
            return str(event.delta)
        if event.type == "response.output_item.done":
            self._items.append(event.item.to_dict(exclude_none=True))
            if event.item.type == "function_call":
                arguments = read_arguments(event.item.arguments)
                self._wanted.append(Wanted(event.item.call_id, event.item.name, arguments))
        elif event.type in ("response.completed", "response.incomplete"):
            self._end(event.response)
        elif event.type == "response.failed":
            raise _failed(event.response.error)
        elif event.type == "error":
            raise _failed(event)
        return ""

    def _end(self, response: Any) -> None:
        usage = response.usage
        self._tokens = Tokens(usage.input_tokens, usage.output_tokens) if usage else Tokens()
        if response.incomplete_details is not None:
            self._stopped = "refused" if response.incomplete_details.reason == "content_filter" else "length"

    def reply(self) -> Reply:
        """Return the whole.

        Raises:
            Broken: It is not whole.
        """
        if self._tokens is None:
            raise Broken("OpenAI broke off in the midst of a reply", "try again in a while")
        return Reply(tuple(self._wanted), self._items, self._tokens, self._stopped)


def _failed(error: Any) -> ProviderError:
    """Return what a reply that failed says of it."""
    code, message = getattr(error, "code", "") or "", getattr(error, "message", "") or "the reply failed"
    kind = Broken if code in ("server_error", "rate_limit_exceeded") else ProviderError
    return kind(f"OpenAI: {message[:300]}", "try again in a while")
