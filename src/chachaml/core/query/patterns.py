"""``like``, ``ilike`` and ``~``: one meaning for all stores, and no pattern that takes for ever."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from chachaml.core.errors import BadValue

__all__ = ["check_pattern", "pattern_matches"]

LONGEST_PATTERN, LONGEST_TEXT = 200, 2000
"""Characters of a pattern, and of a text that ``~`` looks at."""

_MOST_REPEATS = 3
"""Of unbounded repeats beside each other, each multiplies the time by the length of the text."""

_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}


def pattern_matches(op: str, text: str, pattern: str) -> bool:
    """Tell whether `text` meets a checked `pattern`.

    Args:
        op: "like" or "ilike", where ``%`` is any text and ``_`` any character, or "~", where the
            pattern is a regular expression of Python's that matches anywhere.
        text: Of any length; "~" looks at the first 2,000 characters.
        pattern: What it must meet.
    """
    found = _compiled(op, pattern)
    return bool(found.search(text[:LONGEST_TEXT]) if op == "~" else found.fullmatch(text))


def check_pattern(pattern: str) -> None:
    """Refuse a regular expression that is wrong or could take for ever.

    Raises:
        BadValue: It says why.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise BadValue(f"the pattern is longer than {LONGEST_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise BadValue(f"not a regular expression: {error}") from None
    if _repeats(tree) > _MOST_REPEATS:
        raise BadValue(
            "the pattern repeats what repeats, or more than "
            f"{_MOST_REPEATS} times without a bound: that could take for ever"
        )


def _repeats(tree: Any) -> int:
    """Count unbounded repeats; one that holds a choice or another repeat counts as too many."""
    count = 0
    for op, argument in tree:
        if op in _REPEATS or op is _constants.POSSESSIVE_REPEAT:
            _, most, inner = argument
            inside = _repeats(inner)
            if most is _constants.MAXREPEAT or most > 100:
                count += 1 if not inside and not _chooses(inner) else _MOST_REPEATS + 1
            else:
                count += inside * max(1, most)
        elif op in (_constants.GROUPREF, _constants.GROUPREF_EXISTS):
            count += _MOST_REPEATS + 1
        else:
            count += sum(map(_repeats, _trees_in(argument)))
    return count


def _chooses(tree: Any) -> bool:
    return any(op is _constants.BRANCH or any(map(_chooses, _trees_in(argument))) for op, argument in tree)


def _trees_in(argument: Any) -> list[Any]:
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [tree for each in argument for tree in _trees_in(each)]
    return []


@lru_cache(maxsize=256)
def _compiled(op: str, pattern: str) -> re.Pattern[str]:
    if op == "~":
        return re.compile(pattern)
    flags = re.DOTALL | (re.IGNORECASE if op == "ilike" else 0)
    return re.compile(_like(pattern), flags)


def _like(pattern: str) -> str:
    """Return a LIKE pattern as a regular expression that needs no second try at what it passed over."""
    head, *rest = re.split("%+", pattern)
    whole = _literal(head)
    for number, piece in enumerate(rest, 1):
        if number == len(rest):
            whole += f".*{_literal(piece)}" if piece else ".*"
        else:
            whole += f"(?>.*?{_literal(piece)})"
    return whole


def _literal(piece: str) -> str:
    return "".join("." if character == "_" else re.escape(character) for character in piece)
