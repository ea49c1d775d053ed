"""One question on its way to an answer: the model's replies, the calls that it makes, and limits to both."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from chachaml.agents.catalogue import INSTRUCTIONS
from chachaml.agents.tools import Result, Tool, failure
from chachaml.chat.answers import (
    Answer,
    Asked,
    CallFinished,
    CallStarted,
    Done,
    Event,
    NeedsApproval,
    Stopped,
    Text,
    Tokens,
    ToolCall,
    Turn,
)
from chachaml.chat.models import Language, Message, Offered, Outcome, Reply, Wanted
from chachaml.chat.trouble import Broken
from chachaml.core import configuration
from chachaml.core.errors import BadValue, ChachamlError, OutOfTime

__all__ = ["Budget", "Conversation", "Worker", "begun", "budget"]

T = TypeVar("T")

SYSTEM = f"""\
You answer questions about machine-learning experiments that are kept in a chachaml store. You know of them
only what the tools tell: look things up rather than guess, and say so when something is not there. Prefer
one tool that answers to many that might. Name runs by their short ids (eight hexadecimal digits) so that
people can open them. Answer in short Markdown: the answer first, then the figures that show it.

{INSTRUCTIONS}"""

_TRIES = 3
_PAUSE = 0.5


class Budget(NamedTuple):
    """What one answer may take."""

    rounds: int
    tokens: int
    seconds: float


def budget() -> Budget:
    """Return what an answer may take, as it is set."""
    number = configuration.number
    return Budget(int(number("chat_rounds")), int(number("chat_tokens")), number("chat_seconds"))


class Worker(NamedTuple):
    """Who does what the model wants done.

    ``tools`` are those that it may call, by name. ``use`` runs one. ``decide`` says whether one that writes
    may be used: None as long as nobody has said. ``mentions`` finds the runs that a text speaks of.
    """

    tools: Mapping[str, Tool]
    use: Callable[[Tool, Wanted], Awaitable[Result]]
    decide: Callable[[Wanted, Tool], Awaitable[bool | None]]
    mentions: Callable[[str], Awaitable[tuple[str, ...]]]


@dataclass
class Conversation:
    """Where a question stands: plain data, so that it can be laid aside until a person has said a word.

    Attributes:
        question: What was asked.
        provider: Who is asked.
        model: Which model.
        budget: What the answer may take.
        messages: What was said so far, in the provider's own form.
        waiting: Calls of the last reply that are still to be made.
        outcomes: What came of its other calls.
    """

    question: str
    provider: str
    model: str
    budget: Budget
    messages: list[Message]
    waiting: list[Wanted] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rounds: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    used: float = 0.0
    """Seconds so far, without those in which a person thought."""

    async def go_on(self, language: Language, worker: Worker) -> AsyncGenerator[Event, None]:
        """Go on until there is an answer, or a write waits for a person.

        Raises:
            ProviderError: The provider fails, or it took too long.
        """
        yield Asked(self.provider, self.model)
        stopped: Stopped = ""
        while not stopped:
            while self.waiting and not stopped:
                async for event in self._make(self.waiting[0], worker):
                    stopped = "approval" if isinstance(event, NeedsApproval) else stopped
                    yield event
            if stopped:
                break
            self.messages += language.results(self.outcomes) if self.outcomes else []
            self.outcomes = []
            if self.rounds and self.tokens.total >= self.budget.tokens:
                stopped = "tokens"
                break
            last = self.rounds >= self.budget.rounds
            async for piece in self._reply(language, worker, may_call=not last):
                if isinstance(piece, Reply):
                    stopped = self._take(piece, last=last)
                else:
                    self.texts.append(piece)
                    yield Text(piece)
            if not self.waiting:
                break
            self.texts += ["\n\n"] if self.texts and self.texts[-1] != "\n\n" else []
        yield Done(await self._answer(worker, stopped))

    def _take(self, reply: Reply, *, last: bool) -> Stopped:
        """Take a whole reply; return why it is the last one, if it is that before its time."""
        self.tokens += reply.tokens
        self.messages += reply.messages
        if last:
            return "rounds" if self.rounds else reply.stopped
        if reply.stopped:
            return reply.stopped  # its calls may be cut off, and are not made
        self.waiting = list(reply.wanted)
        self.rounds += bool(reply.wanted)
        return ""

    async def _answer(self, worker: Worker, stopped: Stopped) -> Answer:
        text = "".join(self.texts).strip()
        return Answer(
            question=self.question,
            answer=text,
            calls=tuple(self.calls),
            iterations=self.rounds,
            tokens=self.tokens,
            provider=self.provider,
            model=self.model,
            stopped=stopped,
            runs=await worker.mentions(text),
        )

    # replies --------------------------------------------------------------------------------------

    async def _reply(
        self, language: Language, worker: Worker, *, may_call: bool
    ) -> AsyncIterator[str | Reply]:
        """Ask for the next reply; one that broke off before anything of it was shown is asked for again."""
        tools = worker.tools.values()
        offered = [Offered(tool.name, tool.description, tool.input_schema) for tool in tools]
        for left in reversed(range(_TRIES)):
            shown = False
            try:
                pieces = language.reply(SYSTEM, self.messages, offered, may_call=may_call)
                async for piece in self._timely(pieces):
                    shown = shown or isinstance(piece, str)
                    yield piece
                return
            except Broken:
                if shown or not left:
                    raise
            await self._within(asyncio.sleep(_PAUSE * 2 ** (_TRIES - 1 - left)))

    async def _timely(self, pieces: AsyncIterator[T]) -> AsyncIterator[T]:
        try:
            while True:
                try:
                    piece = await self._within(anext(pieces))
                except StopAsyncIteration:
                    return
                yield piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    async def _within(self, act: Awaitable[T]) -> T:
        """Return what comes of something, within the time that is left.

        Raises:
            OutOfTime: It is over.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, self.budget.seconds - self.used)):
                return await act
        except TimeoutError:
            raise OutOfTime(
                f"the answer took longer than {self.budget.seconds:g} seconds",
                "ask for less, or set CHACHAML_CHAT_SECONDS higher",
            ) from None
        finally:
            self.used += time.monotonic() - began

    # calls ----------------------------------------------------------------------------------------

    async def _make(self, wanted: Wanted, worker: Worker) -> AsyncIterator[Event]:
        """Make a call, if it may be made; what goes wrong is told to the model."""
        tool = worker.tools.get(wanted.name)
        allowed: bool | None = True
        if tool is not None and tool.access != "read" and wanted.arguments is not None:
            allowed = await worker.decide(wanted, tool)
            if allowed is None:
                about = tool.description.partition("\n")[0]
                yield NeedsApproval(wanted.id, wanted.name, wanted.arguments, about)
                return
        yield CallStarted(wanted.id, wanted.name, wanted.arguments or {})
        used = await self._used(tool, wanted, worker) if allowed else _failure(_REFUSED)
        self.waiting.remove(wanted)
        self.outcomes.append(Outcome(wanted, used.text, used.failed))
        error = used.data["error"]["message"] if used.failed else ""
        runs = () if used.failed else await worker.mentions(used.text)
        self.calls.append(ToolCall(wanted.id, wanted.name, wanted.arguments or {}, used.text, error, runs))
        yield CallFinished(wanted.id, wanted.name, used.text, error, runs)

    async def _used(self, tool: Tool | None, wanted: Wanted, worker: Worker) -> Result:
        if tool is None:
            known = ", ".join(worker.tools)
            return _failure(f"there is no tool {wanted.name[:60]!r}; there are: {known}")
        if wanted.arguments is None:
            return _failure("the arguments are no JSON object; write them anew")
        try:
            return await self._within(worker.use(tool, wanted))
        except OutOfTime:
            raise
        except ChachamlError as error:
            return failure(error)
        except Exception as error:  # a fault of ours: the answer can do without it
            traceback.print_exception(error, file=sys.stderr)
            return _failure(f"{tool.name} is at fault itself ({type(error).__name__}); try another way")


def _failure(why: str) -> Result:
    return failure(BadValue(why))


_REFUSED = (
    "the person who asks does not want this done; do not try it again, and say what you would have done"
)


def begun(
    question: str, history: Sequence[Turn], language: Language, *, provider: str, model: str
) -> Conversation:
    """Return a conversation that begins with a question.

    Args:
        question: What is asked.
        history: What was said before, oldest first.
        language: Who is asked.
        provider: Its name.
        model: Its model's name.
    """
    return Conversation(question, provider, model, budget(), language.begin(history, question))
