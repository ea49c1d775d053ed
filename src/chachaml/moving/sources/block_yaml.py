"""The part of YAML that tools dump plain data in: blocks of mappings and lists, with scalars in them."""

from __future__ import annotations

import json
from typing import Any

from chachaml.moving.sources.flat_yaml import scalar

__all__ = ["block_yaml"]

_MOST_DEEP = 100


def block_yaml(text: str) -> Any:
    """Return what a text holds: dicts, lists and scalars; what is none of them stays text.

    Raises:
        ValueError: It is nested too deeply, or its indents make no sense.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [(len(line) - len(line.lstrip(" ")), line.strip()) for line in lines if _counts(line)]
    value, end = _block(kept, 0, kept[0][0], 0) if kept else (None, 0)
    if end < len(kept):
        raise ValueError(f"line {kept[end][1][:60]!r} belongs to nothing")
    return value


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#") and line not in ("---", "...")


def _block(lines: list[tuple[int, str]], at: int, indent: int, deep: int) -> tuple[Any, int]:
    """Return the value that begins at a line, and the line behind it."""
    if deep > _MOST_DEEP:
        raise ValueError("it is nested too deeply")
    if _is_item(lines[at][1]):
        return _list(lines, at, indent, deep)
    return _mapping(lines, at, indent, deep)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _list(lines: list[tuple[int, str]], at: int, indent: int, deep: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while at < len(lines) and lines[at][0] == indent and _is_item(lines[at][1]):
        inner = lines[at][1][1:].lstrip()
        if _is_item(inner) or _key(inner) is not None:
            within = indent + len(lines[at][1]) - len(inner)
            lines[at] = (within, inner)
            value, at = _block(lines, at, within, deep + 1)
        else:
            value, at = _value(lines, at, inner, indent, deep)
        found.append(value)
    return found, at


def _mapping(lines: list[tuple[int, str]], at: int, indent: int, deep: int) -> tuple[Any, int]:
    found: dict[str, Any] = {}
    if _key(lines[at][1]) is None:
        return scalar(lines[at][1]), at + 1
    while at < len(lines) and lines[at][0] == indent and (cut := _key(lines[at][1])) is not None:
        key, rest = cut
        value, at = _value(lines, at, rest, indent - 1, deep)
        found[key] = value
    return found, at


def _value(lines: list[tuple[int, str]], at: int, rest: str, above: int, deep: int) -> tuple[Any, int]:
    """Return what stands behind a key or dash, or below it: deeper, but for a list below a key."""
    at += 1
    below = at < len(lines) and (
        lines[at][0] > above + 1 or (lines[at][0] > above and _is_item(lines[at][1]))
    )
    if not rest and below:
        return _block(lines, at, lines[at][0], deep + 1)
    parts = [rest]
    while at < len(lines) and lines[at][0] > above + 1:  # a long text goes on
        parts.append(lines[at][1])
        at += 1
    return _plain(" ".join(parts)), at


def _plain(text: str) -> Any:
    if text in ("[]", "{}") or text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return scalar(text)


def _key(text: str) -> tuple[str, str] | None:
    """Return a line's key and what is behind it; None if it has none."""
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        name, rest = str(scalar(text[: end + 1])), text[end + 1 :]
        return (name, rest[1:].strip()) if end > 0 and rest[:1] == ":" else None
    name, colon, rest = text.partition(":")
    if not colon or (rest and rest[0] != " "):
        name, colon, rest = text.partition(": ")
    return (name, rest.strip()) if colon else None
