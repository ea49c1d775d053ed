"""Protocol buffers as they lie in files: fields by their numbers, without any schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["Message", "fields", "packed_doubles", "signed"]

Value = int | bytes


class Malformed(ValueError):
    """Bytes that are no message."""


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the number and value of each field: whole numbers, or bytes of 4, 8 or any number.

    Raises:
        Malformed: These are no fields.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Malformed(f"field of kind {kind}")
        if at + size > end:
            raise Malformed("a field goes beyond the end")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("a number goes beyond the end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def signed(value: int) -> int:
    """Return a number of 64 bits as the signed one that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def packed_doubles(data: bytes) -> list[float]:
    """Return doubles that lie one behind the other."""
    count = len(data) // 8
    return list(struct.unpack(f"<{count}d", data[: 8 * count]))


class Message:
    """A message's fields by number; of one that may come once, the last counts.

    Args:
        data: The message.

    Raises:
        Malformed: It is none.
    """

    def __init__(self, data: bytes) -> None:
        self._fields: dict[int, list[Value]] = {}
        for number, value in fields(data):
            self._fields.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def _last(self, number: int) -> Value | None:
        found = self._fields.get(number)
        return found[-1] if found else None

    def number(self, number: int) -> int:
        """Return a whole number, 0 if it is missing."""
        value = self._last(number)
        return signed(value) if isinstance(value, int) else 0

    def data(self, number: int) -> bytes:
        """Return bytes, none if they are missing."""
        value = self._last(number)
        return value if isinstance(value, bytes) else b""

    def text(self, number: int) -> str:
        """Return text, '' if it is missing."""
        return self.data(number).decode(errors="replace")

    def double(self, number: int) -> float:
        """Return a double, 0 if it is missing."""
        data = self.data(number)
        return float(struct.unpack("<d", data)[0]) if len(data) == 8 else 0.0

    def single(self, number: int) -> float:
        """Return a float of 32 bits, 0 if it is missing."""
        data = self.data(number)
        return float(struct.unpack("<f", data)[0]) if len(data) == 4 else 0.0

    def all(self, number: int) -> list[bytes]:
        """Return all bytes of a field that may come several times."""
        return [value for value in self._fields.get(number, ()) if isinstance(value, bytes)]

    def numbers(self, number: int) -> list[int]:
        """Return whole numbers of a field that may come several times, packed or not."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            if isinstance(value, int):
                found.append(signed(value))
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                found.append(signed(one))
        return found

    def messages(self, number: int) -> list[Message]:
        """Return the messages of a field."""
        return [Message(data) for data in self.all(number)]

    def message(self, number: int) -> Message:
        """Return a message, an empty one if it is missing."""
        return Message(self.data(number))
