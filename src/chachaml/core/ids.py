"""Ids that sort by time, and names that people can say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from itertools import count

__all__ = [
    "command_id",
    "derived_id",
    "is_id",
    "is_remote",
    "is_shared",
    "new_id",
    "new_remote_id",
    "new_shared_id",
    "readable_name",
    "repeatable",
    "short",
]

_ADJECTIVES = (
    "amber ancient autumn bold brave bright brisk calm clever cosmic crimson crisp curious dapper daring "
    "eager early electric fancy fearless gentle gilded glad golden happy hidden humble ivory jade jolly "
    "keen kind lively lucky lunar mellow merry mighty misty noble patient placid polar proud quick quiet "
    "rapid rosy royal rustic serene sharp silent silver smooth snowy solar steady sunny swift tidal vivid"
).split()
_NOUNS = (
    "acorn badger beacon birch bison brook canyon cedar comet condor coral crane dahlia delta dolphin dune "
    "eagle ember falcon fern finch fjord forest fox gecko glacier grove harbor hawk heron island jaguar "
    "kestrel lagoon lark lemur lichen lotus lynx maple marten meadow nebula oasis ocelot orchid osprey otter "
    "panda pebble pine plover prairie puffin quartz raven reef river robin sparrow summit tiger willow"
).split()


def new_id() -> str:
    """Return a fresh UUIDv7 (RFC 9562) as 32 lowercase hex digits; later ids sort later."""
    stamp = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    noise = _noise()
    low = (noise & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
    return f"{stamp << 80 | 0x7 << 76 | (noise >> 68) << 64 | low:032x}"


def new_shared_id() -> str:
    """Return the id of a journal in a spool: a UUIDv8, which is otherwise like `new_id`'s."""
    fresh = new_id()
    return f"{fresh[:12]}8{fresh[13:]}"


def new_remote_id() -> str:
    """Return the id of a journal that is shipped to a server; it is otherwise like `new_id`'s."""
    fresh = new_id()
    return f"{fresh[:12]}f{fresh[13:]}"


def is_remote(journal: str) -> bool:
    """Tell whether an id is that of a journal that is shipped to a server."""
    return journal[12:13] == "f"


def is_shared(journal: str) -> bool:
    """Tell whether an id is that of a journal whose owner is on another machine, perhaps."""
    return journal[12:13] in ("8", "f")


_commands: ContextVar[Iterator[str] | None] = ContextVar("chachaml_commands", default=None)


def command_id() -> str:
    """Return a fresh id for a command, or within `repeatable` the next of those that belong to its key."""
    given = _commands.get()
    return new_id() if given is None else next(given)


@contextmanager
def repeatable(key: str) -> Iterator[None]:
    """Within it, the same commands have the same ids each time, so that doing them again changes nothing.

    Args:
        key: What tells this piece of work from any other.
    """
    ids = (sha256(f"{key}\0{number}".encode()).hexdigest()[:32] for number in count())
    token = _commands.set(ids)
    try:
        yield
    finally:
        _commands.reset(token)


def derived_id(*parts: object) -> str:
    """Return an id of 32 hex digits that is always the same for the same parts."""
    digest = sha256("\0".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()
    return f"{digest[:12]}8{digest[13:16]}a{digest[17:32]}"


def is_id(text: str) -> bool:
    """Tell whether `text` is a whole id: 32 lowercase hex digits."""
    return len(text) == 32 and all(c in "0123456789abcdef" for c in text)


def short(run_id: str) -> str:
    """Return the part of an id that people read: the last 8 digits, which are random."""
    return run_id[-8:]


def readable_name() -> str:
    """Return a name such as ``brave-otter-417``."""
    # Not the random module: a user's random.seed(0) must neither repeat names nor be disturbed by them.
    pick = _noise()
    pick, adjective = divmod(pick, len(_ADJECTIVES))
    pick, noun = divmod(pick, len(_NOUNS))
    return f"{_ADJECTIVES[adjective]}-{_NOUNS[noun]}-{100 + pick % 900}"


_drawn: Iterator[int] = iter(())


def _noise() -> int:
    """Return 80 random bits of the operating system's."""
    global _drawn
    # Drawn 64 at a time: a system call gives up the interpreter's lock, and beside busy threads
    # getting it back takes milliseconds.
    if (bits := next(_drawn, None)) is None:
        data = os.urandom(640)
        _drawn = iter([int.from_bytes(data[at : at + 10], "big") for at in range(0, 640, 10)])
        bits = next(_drawn)
    return bits


def _draw_anew() -> None:
    global _drawn
    _drawn = iter(())


if hasattr(os, "register_at_fork"):
    # A forked child must not draw what its parent draws.
    os.register_at_fork(after_in_child=_draw_anew)
