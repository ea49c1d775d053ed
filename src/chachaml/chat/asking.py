"""Asking from Python and from the terminal: in this thread, with whatever comes told as it comes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec

from chachaml.agents.catalogue import allowed
from chachaml.agents.tools import Result, Tool
from chachaml.chat import offline, providers
from chachaml.chat.answers import Answer, Asked, Done, Event, Text, Turn
from chachaml.chat.conversation import Worker, begun
from chachaml.chat.mentioning import mentioned
from chachaml.chat.models import Wanted
from chachaml.core.errors import BadValue

__all__ = ["LONGEST_QUESTION", "Approve", "ask", "checked", "turns"]

T = TypeVar("T")

Approve = Callable[[str, Mapping[str, Any]], bool]
"""Says whether a tool, given by name, may be used with arguments."""

LONGEST_QUESTION = 20_000


def ask(
    question: str,
    *,
    provider: str | None = None,
    model: str | None = None,
    api_key: str | None = None,
    history: Sequence[Turn | Mapping[str, str]] = (),
    approve: Approve | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Answer:
    """Ask about the experiments of the store in use.

    A language model looks things up in the store by tools, and answers. Without a key for one, common
    questions are understood all the same, as queries; the answer then says as which.

    Args:
        question: In plain words.
        provider: "anthropic", "openai", "compatible" for the server at the setting `chat_url`, or "offline"
            for no language model. Default: the setting `chat_provider`, else who is set up.
        model: Default: as it is set for the provider.
        api_key: Default: the environment's (``ANTHROPIC_API_KEY``, ``OPENAI_API_KEY``), else the keyring's,
            kept there for the service ``chachaml`` under the provider's name.
        history: What was said before, oldest first: `Turn`, or ``{"role": ..., "text": ...}``.
        approve: Called before a tool changes anything, with its name and arguments; without it the model is
            offered no such tools.
        on_event: Called with each `Event` as it comes, pieces of text among them.

    Returns:
        The answer, with the calls that were made, the rounds that they took, and the tokens.

    Raises:
        BadValue: No question, no such provider, or no key for the one that is named.
        ProviderError: The provider refuses or fails.
        MissingExtra: The provider's SDK is not installed.
    """
    question, said = checked(question), turns(history)
    choice = providers.choose(provider, model, api_key)
    tell = on_event or (lambda _: None)
    if choice.provider == providers.OFFLINE:
        return _offline(question, tell)
    return _run(_ask(question, said, choice, approve, tell))


def checked(question: str) -> str:
    """Return a question that can be asked.

    Raises:
        BadValue: It is none.
    """
    if not isinstance(question, str) or not question.strip():
        raise BadValue("there is no question", 'ask("Which run in iris has the best accuracy?")')
    if len(question) > LONGEST_QUESTION:
        raise BadValue(f"a question has at most {LONGEST_QUESTION:,} characters, not {len(question):,}")
    return question.strip()


def turns(history: Sequence[Turn | Mapping[str, str]]) -> list[Turn]:
    """Return what was said before.

    Raises:
        BadValue: It is no conversation.
    """
    found = []
    for one in history:
        try:
            turn = msgspec.convert(one, Turn)
        except msgspec.ValidationError as error:
            raise BadValue(f"history is turns with a role, user or assistant, and a text: {error}") from None
        if turn.text.strip():
            found.append(turn)
    return found


def _offline(question: str, tell: Callable[[Event], None]) -> Answer:
    tell(Asked(providers.OFFLINE, ""))
    answer = offline.answer(question)
    tell(Text(answer.answer))
    tell(Done(answer))
    return answer


async def _ask(
    question: str,
    history: Sequence[Turn],
    choice: providers.Choice,
    approve: Approve | None,
    tell: Callable[[Event], None],
) -> Answer:
    async def decide(wanted: Wanted, _: Tool) -> bool:
        return approve is not None and approve(wanted.name, wanted.arguments or {})

    async def use(tool: Tool, wanted: Wanted) -> Result:
        return tool.call(wanted.arguments or {})

    async def mentions(text: str) -> tuple[str, ...]:
        return mentioned(text)

    worker = Worker(allowed("read" if approve is None else "write"), use, decide, mentions)
    language = providers.made(choice)
    try:
        model = await language.name()
        conversation = begun(question, history, language, provider=choice.provider, model=model)
        async with aclosing(conversation.go_on(language, worker)) as events:
            async for event in events:
                tell(event)
                if isinstance(event, Done):
                    return event.answer
        raise AssertionError("a conversation ends with an answer")
    finally:
        await language.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Return what comes of work, also where an event loop runs already, as in notebooks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, "chachaml-chat") as pool:
        return pool.submit(context.run, asyncio.run, work).result()
