"""W&B's files of records: those of LevelDB's logs, blocks of 32 KiB in which records are cut to pieces."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from chachaml.core.errors import BadValue

__all__ = ["Torn", "records"]

_MAGIC = b":W&B"
_HEADER, _BLOCK, _HEAD = 7, 32_768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class Torn(Exception):
    """Some of the file cannot be read; what came before was yielded."""


def records(path: Path) -> Iterator[bytes]:
    """Yield the records of a ``.wandb`` file.

    A piece whose checksum is wrong costs its record; reading goes on with the next one.

    Raises:
        BadValue: It is no such file.
        Torn: Once all that can be read was yielded: how much was damaged, or that the end is missing.
    """
    with path.open("rb") as file:
        data = file.read()
    if not data.startswith(_MAGIC):
        raise BadValue(f"{path} is no .wandb file")
    at, parts, damaged, open_end = _HEADER, list[bytes](), 0, False
    while at < len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD:
            at += left
            continue
        head = data[at : at + _HEAD]
        size, kind = int.from_bytes(head[4:6], "little"), head[6] if len(head) == _HEAD else 0
        if kind == 0 and not any(head):
            at += left  # nothing more in this block
            continue
        body = data[at + _HEAD : at + _HEAD + size]
        if len(body) < size or len(head) < _HEAD:
            open_end = True
            break
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or zlib.crc32(bytes([kind]) + body) != int.from_bytes(
            head[:4], "little"
        ):
            # Where the next piece begins is not known: the next block surely begins with one.
            damaged += left
            at += left
            parts.clear()
            continue
        at += _HEAD + size
        if kind in (_FULL, _FIRST):
            parts = [body]
        elif parts:
            parts.append(body)
        if kind in (_FULL, _LAST) and parts:
            yield b"".join(parts)
            parts = []
    if damaged:
        raise Torn(f"about {damaged:,} bytes of it are damaged; the rest was read")
    if open_end or parts:
        raise Torn("its last record is not whole")
