"""Chat over HTTP: an answer as it is written, or whole. Keys come with each request and are kept nowhere."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from chachaml.agents.catalogue import allowed
from chachaml.agents.tools import Result, Tool
from chachaml.chat import offline, providers
from chachaml.chat.answers import Answer, Asked, Done, Event, NeedsApproval, Text, Turn
from chachaml.chat.asking import LONGEST_QUESTION, checked, turns
from chachaml.chat.conversation import Conversation, Worker, begun
from chachaml.chat.mentioning import mentioned
from chachaml.chat.models import Language, Wanted
from chachaml.core import configuration
from chachaml.core.errors import AccessDenied, ChachamlError, Conflict
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.answers import Problem, answer, as_json, problem
from chachaml.surfaces.http.chats import Approval
from chachaml.surfaces.http.operating import needs
from chachaml.surfaces.http.requests import Request, unpacked
from chachaml.surfaces.http.routing import Route
from chachaml.surfaces.http.shapes import schema_of

__all__ = ["routes"]

_LIMIT = 2 << 20
_MOST_TURNS = 200
_ALIVE = 15.0
"""Seconds after which a line is sent that says nothing, so that who waits knows that the line holds."""

Name = Literal["", "anthropic", "openai", "compatible", "offline"]


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """A question, or a person's word on a write that an earlier one led to.

    ``history`` is what was said before, oldest first. ``stream`` asks for the answer as it is written, as
    server-sent events. ``writes`` offers tools that change something, each call of which needs an approval.
    """

    question: Annotated[str, Meta(max_length=LONGEST_QUESTION)] = ""
    provider: Name = ""
    model: Annotated[str, Meta(max_length=200)] | None = None
    api_key: Annotated[str, Meta(max_length=1000)] | None = None
    history: Annotated[list[Turn], Meta(max_length=_MOST_TURNS)] = []
    stream: bool = False
    writes: bool = False
    approval: Approval | None = None


class Waiting(NeedsApproval, frozen=True, tag="needs_approval"):
    """A write that needs a person's yes: what to give back with it."""

    conversation: str


# routes -------------------------------------------------------------------------------------------


def routes() -> list[Route]:
    """Return the routes of chat."""
    return [
        Route("POST", "/api/chat", "token", chat, _about_chat(), limit=None),
        Route("GET", "/api/chat/providers", "read", who_can_be_asked, _ABOUT_PROVIDERS),
    ]


async def chat(request: Request) -> Response:
    """Answer a question, or go on after a person's word."""
    given = await _given(request)
    events = await _events_of(request, given)
    if given.stream or "text/event-stream" in request.headers.get("accept", ""):
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_frames(events), 200, headers, "text/event-stream")
    return await _whole(request, events)


async def _given(request: Request) -> Question:
    """Return what the body says; it is read here, for the answer to it is not kept for another try."""
    request.expect("application/json")
    pieces = []
    async for piece in request.body.chunks():
        pieces.append(piece)
        if sum(map(len, pieces)) > _LIMIT:
            raise Problem(413, "too_large", f"the body is larger than {_LIMIT:,} bytes", "send less history")
    request.data = unpacked(b"".join(pieces), request.headers.get("content-encoding", ""), _LIMIT)
    return request.decode(Question)


async def _events_of(request: Request, given: Question) -> AsyncGenerator[Event, None]:
    """Return what is going to be told; what is wrong with the question is raised at once."""
    said = given.approval
    parked = request.service.chats.find(_who(request.actor), said) if said is not None else None
    before = parked.conversation if parked else None
    question, history = ("", []) if before else (checked(given.question), turns(given.history))
    provider, model = (before.provider, before.model) if before else (given.provider, given.model)
    own_keys = _may_use_own_keys(request)
    choice = await request.work(lambda: providers.choose(provider, model, given.api_key, own_keys=own_keys))
    if choice.provider == providers.OFFLINE:
        if parked is not None:
            raise Conflict("chat was switched off in the meantime")
        return _offline(request, question)
    request.service.questions.take(request.actor.token)
    if parked is not None:
        await request.work(lambda: request.service.chats.claim(parked))

    def begin(language: Language, model: str) -> Conversation:
        return before or begun(question, history, language, provider=choice.provider, model=model)

    return _answering(request, choice, begin, _worker(request, said, writes=given.writes))


def _who(actor: Actor) -> tuple[str, str]:
    return actor.name, actor.token


def _may_use_own_keys(request: Request) -> bool:
    """Tell whether somebody may spend what the keys at the server are good for."""
    return request.actor.may("manage") or configuration.flag("chat_share")


# what is told -------------------------------------------------------------------------------------


async def _offline(request: Request, question: str) -> AsyncGenerator[Event, None]:
    yield Asked(providers.OFFLINE, "")
    found = await request.work(lambda: offline.answer(question))
    yield Text(found.answer)
    yield Done(found)


async def _answering(
    request: Request,
    choice: providers.Choice,
    begin: Callable[[Language, str], Conversation],
    worker: Worker,
) -> AsyncGenerator[Event, None]:
    language = await request.work(lambda: providers.made(choice))  # an SDK takes a second to load
    request.service.chats.begin()
    try:
        conversation = begin(language, await language.name())
        async with aclosing(conversation.go_on(language, worker)) as events:
            async for event in events:
                yield _parked(request, conversation, event)
    finally:
        request.service.chats.end()
        await language.close()


def _parked(request: Request, conversation: Conversation, event: Event) -> Event:
    """Return an event; one that needs a person's word, with what the word is to be given to."""
    if not isinstance(event, NeedsApproval):
        return event
    name = request.service.chats.park(_who(request.actor), conversation)
    return Waiting(event.id, event.name, event.arguments, event.about, name)


def _tools(request: Request, *, writes: bool) -> dict[str, Tool]:
    """Return the tools that somebody may use at all."""
    offered = allowed("write" if writes else "read")
    return {name: tool for name, tool in offered.items() if request.actor.may(needs(tool.operation))}


def _worker(request: Request, said: Approval | None, *, writes: bool) -> Worker:
    words = [] if said is None else [said]
    tools = _tools(request, writes=writes or said is not None)

    async def decide(wanted: Wanted, _: Tool) -> bool | None:
        call = (wanted.id, wanted.name, dict(wanted.arguments or {}))
        if words and (words[0].id, words[0].name, words[0].arguments) == call:
            return words.pop().approved  # heard once: some servers give later calls the same id
        return None

    async def use(tool: Tool, wanted: Wanted) -> Result:
        if not request.service.actor(request.headers).may(needs(tool.operation)):
            raise AccessDenied("you may no longer do this", "ask an admin")
        return await request.work(lambda: tool.call(wanted.arguments or {}))

    async def mentions(text: str) -> tuple[str, ...]:
        return await request.work(lambda: mentioned(text))

    return Worker(tools, use, decide, mentions)


# as it is written, or whole -----------------------------------------------------------------------


async def _frames(events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    """Yield events as server-sent ones. Whoever leaves ends the work: nothing is asked for any more."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(100)
    telling = asyncio.create_task(_tell(events, queue))
    try:
        yield b": here\n\n"
        while True:
            try:
                frame = await asyncio.wait_for(queue.get(), _ALIVE)
            except TimeoutError:
                frame = b": still here\n\n"
            if not frame:
                return
            yield frame
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell(events: AsyncGenerator[Event, None], queue: asyncio.Queue[bytes]) -> None:
    """Put events into a queue, and at the end nothing."""
    try:
        async with aclosing(events):
            async for event in events:
                await queue.put(_frame(_tag(type(event)), as_json(event)))
    except ChachamlError as error:
        await queue.put(_frame("error", bytes(problem(error).body)))
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
        broken = Problem(500, "internal", "the server is at fault", "its log says more")
        await queue.put(_frame("error", bytes(problem(broken).body)))
    await queue.put(b"")


def _frame(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


async def _whole(request: Request, events: AsyncGenerator[Event, None]) -> Response:
    """Return the whole answer. Whoever leaves before it is there ends the work."""
    work = asyncio.create_task(_last(events))
    gone = asyncio.create_task(request.body.gone())
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Problem(400, "broken_off", "the request was broken off")
        found, waiting = work.result()
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
    return answer(msgspec.to_builtins(found) | {"needs_approval": waiting})


async def _last(events: AsyncGenerator[Event, None]) -> tuple[Answer, Waiting | None]:
    waiting = None
    async with aclosing(events):
        async for event in events:
            waiting = event if isinstance(event, Waiting) else waiting
            if isinstance(event, Done):
                return event.answer, waiting
    raise AssertionError("a conversation ends with an answer")


# who can be asked ---------------------------------------------------------------------------------


class Known(msgspec.Struct, frozen=True):
    """A provider: its default model, '' for the server's first one, and whether it can be asked as it is.

    ``set_up`` says that there is a key at the server, or that none is needed; ``yours`` that you may use it.
    """

    name: providers.ProviderName
    title: str
    model: str
    set_up: bool
    yours: bool


async def who_can_be_asked(request: Request) -> Response:
    """Say which providers there are, and what is set up for each."""
    return answer(await request.work(lambda: _known(own_keys=_may_use_own_keys(request))))


def _known(*, own_keys: bool) -> Mapping[str, Any]:
    on = configuration.flag("chat")
    found = [
        Known(
            name,
            about.title,
            configuration.text(about.model_setting),
            on and providers.set_up(name),
            on and providers.set_up(name, own_keys=own_keys),
        )
        for name, about in providers.PROVIDERS.items()
    ]
    set_by = configuration.text("chat_provider")
    first = next((one for one in providers.ORDER if any(own.yours and own.name == one for own in found)), "")
    default = (set_by or first or providers.OFFLINE) if on else providers.OFFLINE
    return {"on": on, "default": default, "providers": found, "examples": offline.examples()}


# description --------------------------------------------------------------------------------------

_KINDS: tuple[type[msgspec.Struct], ...] = tuple(
    kind for kind in get_args(Event) if kind is not NeedsApproval
)


def _about_chat() -> dict[str, Any]:
    kinds = ", ".join(map(_tag, _KINDS))
    return {
        "operationId": "chat",
        "summary": "Ask about the runs in plain words; a language model looks things up and answers.",
        "description": "Without a key, at the server or in the request, common questions are understood as "
        f"queries. As server-sent events an answer comes in pieces: {kinds}, and error. A write stops with "
        "needs_approval, and goes on by a request with an approval of that very call. Leaving ends the work.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(Question)}}},
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {"application/json": {"schema": {}}, "text/event-stream": {}},
            },
            "5XX": {"$ref": "#/components/responses/Problem"},
        },
    }


_ABOUT_PROVIDERS = {
    "operationId": "list_chat_providers",
    "summary": "List who can be asked, and what is set up for each; never a key.",
    "parameters": [],
    "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": {}}}}},
}
