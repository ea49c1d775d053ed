"""Files of records as TensorFlow writes them: a length, its checksum, the bytes, their checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Record", "Torn", "crc32c", "records"]

_HEAD = struct.Struct("<QI")
_MOST_CHECKED = 1 << 16
"""Bytes up to which a record's own checksum is computed: of a picture it would take long."""

_MOST = 1 << 31


class Record(NamedTuple):
    """A record: its bytes, and where in the file it begins and ends."""

    data: bytes
    start: int
    end: int


class Torn(Exception):
    """From here on the file cannot be read: ``whole`` if it is only not written to the end yet."""

    def __init__(self, at: int, *, whole: bool) -> None:
        super().__init__(f"from byte {at:,} on")
        self.at, self.whole = at, whole


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes."""
    value, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """Return the checksum as it stands in files."""
    value = crc32c(data)
    return (value >> 15 | value << 17) + 0xA282EAD8 & 0xFFFFFFFF


def records(path: Path, start: int = 0) -> Iterator[Record]:
    """Yield the records of a file, from a place where one begins.

    Raises:
        Torn: Once those that can be read were yielded.
    """
    with path.open("rb") as file:
        file.seek(start)
        at = start
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise Torn(at, whole=True)
            size, check = _HEAD.unpack(head)
            if masked(head[:8]) != check or size > _MOST:
                raise Torn(at, whole=False)
            body = file.read(size + 4)
            if len(body) < size + 4:
                raise Torn(at, whole=True)
            data = body[:size]
            if size <= _MOST_CHECKED and masked(data) != int.from_bytes(body[size:], "little"):
                raise Torn(at, whole=False)
            end = at + _HEAD.size + size + 4
            yield Record(data, at, end)
            at = end
