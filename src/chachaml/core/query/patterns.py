"""``like``, ``ilike`` and ``~``: one meaning for all stores, and no pattern that takes for ever."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from math import factorial
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from chachaml.core.errors import BadValue

__all__ = ["check_pattern", "pattern_matches"]

LONGEST_PATTERN = 200
"""Characters of a pattern."""

WINDOWS = (2000, 400, 100)
"""Characters that ``~`` looks at: the first of these in which a pattern finds its end in time."""

_MOST_STEPS = 20_000_000
"""Ways to try a pattern on one text: fractions of a second."""

_BOUNDED = 100
"""A repeat with a higher bound is as good as one without any."""

_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}


class _Effort(NamedTuple):
    """How often a pattern may have to be tried on one text."""

    repeats: int = 0
    """Unbounded repeats, each of which may end anywhere."""
    ways: int = 1
    """Ways to choose and to repeat up to a bound."""

    def within(self, length: int) -> int:
        """Return the tries on a text, from each place where it may begin."""
        places = self.repeats + 1
        return self.ways * int(length**places) // factorial(places)


_FOR_EVER = _Effort(ways=_MOST_STEPS + 1)


def pattern_matches(op: str, text: str, pattern: str) -> bool:
    """Tell whether `text` meets a checked `pattern`.

    Args:
        op: "like" or "ilike", where ``%`` is any text and ``_`` any character, or "~", where the
            pattern is a regular expression of Python's that matches anywhere.
        text: Of any length; "~" looks at the first 2,000 characters, or at the first 400 or 100 if the
            pattern can be tried in very many ways.
        pattern: What it must meet.
    """
    found = _compiled(op, pattern)
    return bool(found.search(text[: _window(pattern)]) if op == "~" else found.fullmatch(text))


def check_pattern(pattern: str) -> None:
    """Refuse a regular expression that is wrong or could take for ever.

    Raises:
        BadValue: It says why.
    """
    _window(pattern)


@lru_cache(maxsize=256)
def _window(pattern: str) -> int:
    """Return how many characters of a text the pattern is tried on."""
    if len(pattern) > LONGEST_PATTERN:
        raise BadValue(f"the pattern is longer than {LONGEST_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            effort = _effort(_parser.parse(pattern))
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise BadValue(f"not a regular expression: {error}") from None
    for window in WINDOWS:
        if effort.within(window) <= _MOST_STEPS:
            return window
    raise BadValue(
        "the pattern chooses and repeats too often, or repeats what repeats: it could take for ever"
    )


def _effort(tree: Any) -> _Effort:
    """Return how often a pattern may have to be tried: what follows each other multiplies."""
    repeats, ways = 0, 1
    for op, argument in tree:
        if op in _REPEATS:
            found = _effort_of_repeat(*argument)
        elif op is _constants.BRANCH:
            each = [_effort(one) for one in argument[1]]
            found = _Effort(max(one.repeats for one in each), sum(one.ways for one in each))
        elif op in (_constants.GROUPREF, _constants.GROUPREF_EXISTS):
            return _FOR_EVER
        else:
            found = _effort(item for inner in _trees_in(argument) for item in inner)
        repeats, ways = repeats + found.repeats, ways * found.ways
    return _Effort(repeats, ways)


def _effort_of_repeat(least: int, most: int, inner: Any) -> _Effort:
    each, bounded = _effort(inner), most <= _BOUNDED
    if each == _Effort():
        return _Effort(0, most - least + 1) if bounded else _Effort(1)
    if not bounded or each.ways > _MOST_STEPS or each.repeats * most > LONGEST_PATTERN:
        return _FOR_EVER
    return _Effort(each.repeats * most, each.ways**most * (most - least + 1))


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
