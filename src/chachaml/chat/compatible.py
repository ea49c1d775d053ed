"""Models behind an address that speaks as OpenAI's Chat Completions: Ollama, vLLM, LM Studio, llama.cpp."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

import httpx2
import openai

from chachaml.chat.answers import Tokens, Turn
from chachaml.chat.models import REPLY_TOKENS, Message, Offered, Outcome, Reply, Wanted, read_arguments
from chachaml.chat.trouble import Broken, as_problem
from chachaml.core.errors import ProviderError

__all__ = ["Compatible"]

_STOPPED: dict[str, Literal["length", "refused"]] = {"length": "length", "content_filter": "refused"}

_WHERE = "the OpenAI-compatible server"
"""What it is called in errors: its address is nothing for whoever asks it through a server of a team."""


class Compatible:
    """A model behind an address that the settings name.

    Args:
        model: Its name; '' for the first that the server has.
        key: What the server wants to be shown; '' for nothing.
        url: The server's address, with the ``/v1`` that most have.
    """

    def __init__(self, model: str, key: str, url: str) -> None:
        self._model, self._key = model, key
        line = openai.DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=httpx2.Timeout(None, connect=10)
        )
        self._client = openai.AsyncOpenAI(api_key=key or "none", base_url=url, http_client=line)

    async def name(self) -> str:
        """Return the model's name: as it is set, else the first that the server has."""
        if not self._model:
            try:
                found = [one.id async for one in self._client.models.list()]
            except (openai.OpenAIError, httpx2.HTTPError) as error:
                raise as_problem(error, _WHERE, self._key, begun=False) from None
            if not found:
                raise ProviderError(f"{_WHERE} has no model", "load one there, or set CHACHAML_CHAT_MODEL")
            self._model = found[0]
        return self._model

    def begin(self, history: Sequence[Turn], question: str) -> list[Message]:
        """Return the messages of a conversation that begins."""
        said = [{"role": turn.role, "content": turn.text} for turn in history]
        return [*said, {"role": "user", "content": question}]

    async def reply(
        self, system: str, messages: Sequence[Message], tools: Sequence[Offered], *, may_call: bool
    ) -> AsyncIterator[str | Reply]:
        """Ask for the next reply."""
        offered: Mapping[str, Any] = {"tools": [_offered(one) for one in tools]} if tools else {}
        choice: Mapping[str, Any] = {} if may_call or not tools else {"tool_choice": "none"}
        gathered = _Gathered()
        stream: Any = None
        try:
            stream = await self._client.chat.completions.create(
                model=await self.name(),
                max_tokens=REPLY_TOKENS,
                messages=[{"role": "system", "content": system}, *messages],
                stream=True,
                stream_options={"include_usage": True},
                **offered,
                **choice,
            )
            async with stream:
                async for chunk in stream:
                    if piece := gathered.take(chunk):
                        yield piece
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise as_problem(error, _WHERE, self._key, begun=stream is not None) from None
        yield gathered.reply()

    def results(self, outcomes: Sequence[Outcome]) -> list[Message]:
        """Return the messages that tell what came of calls."""
        return [{"role": "tool", "tool_call_id": one.call.id, "content": one.text} for one in outcomes]

    async def close(self) -> None:
        """Let go of the line."""
        await self._client.close()


def _offered(tool: Offered) -> Message:
    about = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": about}


class _Call:
    """A call as it comes together; some servers send it at once, and without an id."""

    def __init__(self, no: int) -> None:
        self.id, self.name, self.arguments = f"call_{no}", "", ""

    def take(self, piece: Any) -> None:
        """Take the next piece."""
        self.id = piece.id or self.id
        if piece.function is not None:
            self.name += piece.function.name or ""
            self.arguments += piece.function.arguments or ""


class _Gathered:
    """A reply as it comes together."""

    def __init__(self) -> None:
        self._text = ""
        self._calls: dict[int, _Call] = {}
        self._tokens = Tokens()
        self._why: str | None = None

    def take(self, chunk: Any) -> str:
        """Take a chunk; return the text that it brings."""
        if chunk.usage is not None:
            self._tokens = Tokens(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._why = choice.finish_reason or self._why
        for piece in choice.delta.tool_calls or ():
            at = len(self._calls) if piece.index is None else piece.index
            self._calls.setdefault(at, _Call(at)).take(piece)
        text: str = choice.delta.content or choice.delta.refusal or ""
        self._text += text
        return text

    def reply(self) -> Reply:
        """Return the whole.

        Raises:
            Broken: It is not whole.
        """
        if self._why is None:
            raise Broken(f"{_WHERE} broke off in the midst of a reply", "try again in a while")
        calls = list(self._calls.values())
        wanted = tuple(Wanted(one.id, one.name, read_arguments(one.arguments)) for one in calls)
        message: Message = {"role": "assistant", "content": self._text or None}
        if wanted:
            message["tool_calls"] = [_as_sent(one) for one in wanted]
        return Reply(wanted, [message], self._tokens, _STOPPED.get(self._why, ""))


def _as_sent(call: Wanted) -> Message:
    """Return a call as it goes back; arguments that were no JSON would be refused."""
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": json.dumps(call.arguments or {})},
    }
