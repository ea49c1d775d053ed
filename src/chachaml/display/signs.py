"""Signs of charts and tables in ASCII, for streams that cannot carry them, such as pipes on Windows."""

from __future__ import annotations

import codecs
import sys

__all__ = ["SIGNS", "carried"]

SIGNS = "chachaml"
"""The name of the error handler: ``stream.reconfigure(errors=SIGNS)``."""

_INSTEAD = dict(zip("▁▂▃▄▅▆▇█─━│┤┬└…·", "_.:-=+*#-=|+++~.", strict=True))
_UPPER, _LOWER = 0x1B, 0xE4
"""Which bits of a braille cell are dots of its upper half, and which of its lower one."""


def carried(text: str) -> str:
    """Return `text` as standard output can carry it: signs in ASCII, anything else as Python's escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors=SIGNS).decode(encoding)


def _instead(char: str) -> str:
    if char in _INSTEAD:
        return _INSTEAD[char]
    if "\u2800" <= char <= "\u28ff":
        dots = ord(char) & 0xFF
        return " .':"[bool(dots & _LOWER) + 2 * bool(dots & _UPPER)]
    return char.encode("ascii", errors="backslashreplace").decode()


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_instead, error.object[error.start : error.end])), error.end


codecs.register_error(SIGNS, _stand_in)
