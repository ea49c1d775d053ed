"""Where a page of runs ends, as the opaque text that asks for the next one."""

from __future__ import annotations

import base64

import msgspec

from chachaml.core.errors import BadValue
from chachaml.core.query import Ranks

__all__ = ["Position", "page_end", "parse_page_end"]

Position = tuple[Ranks, int, str]
"""Where a run stands: its ranks in the orders asked for, its start and its id."""


def page_end(position: Position) -> str:
    """Return a position as a cursor."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).decode()


def parse_page_end(cursor: str, orders: int) -> Position:
    """Return the position that a cursor stands for.

    Raises:
        BadValue: Not a cursor, or that of another number of orders.
    """
    try:
        position: Position = msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor.encode()), type=Position)
    except ValueError:  # of the base64, of an odd character, or msgspec's own
        position = ((), 0, "")
    if len(position[0]) != orders or not position[2]:
        raise BadValue(f"{cursor[:40]!r} is not a page's cursor", "take it from the page before")
    return position
