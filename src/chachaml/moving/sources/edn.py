"""EDN, the notation of Clojure's data, as far as plain data goes; keywords become texts."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["NotEdn", "read_edn"]


class NotEdn(ValueError):
    """Text that is no EDN."""


_TOKEN = re.compile(
    r"""[\s,]+|;[^\n]*|(?P<open>\#?[{(\[])|(?P<close>[})\]])|(?P<text>"(?:\\.|[^"\\])*")"""
    r"""|(?P<discard>\#_)|(?P<char>\\(?:newline|space|tab|return|u[0-9a-fA-F]{4}|.))"""
    r"""|(?P<tag>\#(?!\#)[^\s,(){}\[\]"]+)|(?P<word>[^\s,(){}\[\]"\\]+)""",
    re.DOTALL,
)
_CLOSES = {"(": ")", "[": "]", "{": "}", "#{": "}", "#(": ")", "#[": "]"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_NAMED = {"newline": "\n", "space": " ", "tab": "\t", "return": "\r"}
_MOST_DEEP = 200


def read_edn(text: str) -> Any:
    """Return the one value that `text` holds: maps as dicts, vectors, lists and sets as lists.

    Raises:
        NotEdn: It holds none, more than one, or something unbalanced.
    """
    values = _values(list(_tokens(text)), 0, "", 0)
    if len(values[0]) != 1:
        raise NotEdn(f"{text[:60]!r} is not one value")
    return values[0][0]


def _tokens(text: str) -> Any:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotEdn(f"{text[at : at + 40]!r} cannot be read")
        at = found.end()
        if found.lastgroup:
            yield found.lastgroup, found[0]


def _values(tokens: list[tuple[str, str]], at: int, until: str, deep: int) -> tuple[list[Any], int]:
    """Return the values up to a closing bracket, and where to go on."""
    if deep > _MOST_DEEP:
        raise NotEdn("it is nested too deeply")
    values: list[Any] = []
    discard: list[int] = []
    while at < len(tokens):
        kind, word = tokens[at]
        at += 1
        if kind == "close":
            if word != until:
                raise NotEdn(f"{word!r} closes nothing")
            return values, at
        if kind == "discard":
            discard.append(len(values))
            continue
        if kind == "tag":
            continue  # the value behind it is taken as it is
        if kind == "open":
            inside, at = _values(tokens, at, _CLOSES[word], deep + 1)
            values.append(_collection(word, inside))
        else:
            values.append(_scalar(kind, word))
        if discard and discard[-1] == len(values) - 1:
            values.pop(discard.pop())
    if until:
        raise NotEdn(f"{until!r} is missing")
    return values, at


def _collection(word: str, inside: list[Any]) -> Any:
    if word != "{":
        return inside
    if len(inside) % 2:
        raise NotEdn("a map has a key without a value")
    return {_key(key): value for key, value in zip(inside[::2], inside[1::2], strict=True)}


def _key(key: Any) -> str:
    return key if isinstance(key, str) else repr(key)


def _scalar(kind: str, word: str) -> Any:
    if kind == "text":
        return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescaped, word[1:-1], flags=re.DOTALL)
    if kind == "char":
        name = word[1:]
        return _NAMED.get(name) or (chr(int(name[1:], 16)) if len(name) == 5 else name)
    if word.startswith(":"):
        return word.lstrip(":")
    if word in ("nil", "true", "false"):
        return {"nil": None, "true": True, "false": False}[word]
    return _number(word)


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    return chr(int(word[1:], 16)) if len(word) == 5 else _ESCAPES.get(word, word)


def _number(word: str) -> Any:
    for kind, text in ((int, word.rstrip("N")), (float, word.rstrip("M"))):
        try:
            return kind(text)
        except ValueError:
            continue
    top, slash, bottom = word.partition("/")
    if slash and top.lstrip("+-").isdigit() and bottom.isdigit() and int(bottom):
        return int(top) / int(bottom)
    odd = {"##NaN": "nan", "##Inf": "inf", "##-Inf": "-inf"}
    return float(odd[word]) if word in odd else word
