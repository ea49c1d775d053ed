"""Which runs a text speaks of: what looks like an id in it, and is one in the store."""

from __future__ import annotations

import re

from chachaml.connection import connection
from chachaml.core.errors import ChachamlError
from chachaml.lookup import resolve

__all__ = ["mentioned"]

_ID = re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-f]{32}|[0-9a-f]{8})(?![0-9a-zA-Z])")

_MOST = 40
"""Texts that are looked up; what else looks like an id is left."""


def mentioned(text: str) -> tuple[str, ...]:
    """Return the whole ids of the runs that a text speaks of, in its order, up to a limit."""
    found: dict[str, None] = {}
    for looks in list(dict.fromkeys(_ID.findall(text)))[:_MOST]:
        try:
            found[resolve(connection().ready(), looks).id] = None
        except ChachamlError:
            continue  # digits of something else, or a run that is not there for whoever asks
    return tuple(found)
