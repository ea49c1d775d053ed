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
    parts, damaged, open_end = list[bytes](), 0, False
    with path.open("rb") as file:
        block, at = file.read(_BLOCK), _HEADER
        if not block.startswith(_MAGIC):
            raise BadValue(f"{path} is no .wandb file")
        while block:
            while len(block) - at >= (_HEAD if len(block) == _BLOCK else 1):
                head = block[at : at + _HEAD]
                size, kind = int.from_bytes(head[4:6], "little"), head[6] if len(head) == _HEAD else 0
                if kind == 0 and not any(head):
                    break  # nothing more in this block
                body = block[at + _HEAD : at + _HEAD + size]
                if (len(block) < _BLOCK and len(body) < size) or len(head) < _HEAD:
                    open_end = True
                    break
                if not _is_piece(head, kind, body):
                    # Where the next piece begins is not known: the next block surely begins with one.
                    damaged += len(block) - at
                    parts.clear()
                    break
                at += _HEAD + size
                if kind in (_FULL, _FIRST):
                    parts = [body]
                elif parts:
                    parts.append(body)
                if kind in (_FULL, _LAST) and parts:
                    yield b"".join(parts)
                    parts = []
            block, at = file.read(_BLOCK), 0
    if damaged:
        raise Torn(f"about {damaged:,} bytes of it are damaged; the rest was read")
    if open_end or parts:
        raise Torn("its last record is not whole")


def _is_piece(head: bytes, kind: int, body: bytes) -> bool:
    """Tell whether a piece is what its checksum says."""
    known = kind in (_FULL, _FIRST, _MIDDLE, _LAST)
    return known and zlib.crc32(body, zlib.crc32(bytes([kind]))) == int.from_bytes(head[:4], "little")
