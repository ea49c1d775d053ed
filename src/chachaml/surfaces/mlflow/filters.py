"""MLflow's filters and orders: comparisons with AND between them, no OR, no parentheses but those of IN."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from chachaml.core.query.patterns import pattern_matches
from chachaml.surfaces.mlflow.errors import Refused, invalid

__all__ = ["Comparison", "Ordering", "comparisons", "orderings", "selected", "sorted_by"]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^'\\]|\\.|'')*')
    | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<op><=|>=|!=|<>|==|=|<|>)
    | (?P<mark>[(),])
    | (?P<word>(?:[^\W\d][\w\-/:@]*|`[^`]*`|"[^"]*")(?:\.(?:[\w\-/:@]+|`[^`]*`|"[^"]*"))*?(?=[\s<>=!(),]|$))
    )""",
    re.VERBOSE,
)
_ENTITIES = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_MOST = 10_000


class Comparison(NamedTuple):
    """One comparison. ``value`` is a text, a number, several texts (in, not in), or None (is null)."""

    entity: str
    key: str
    op: str
    value: Any


class Ordering(NamedTuple):
    """One part of an order."""

    entity: str
    key: str
    descending: bool


class _Token(NamedTuple):
    kind: str
    text: str


def comparisons(text: str) -> list[Comparison]:
    """Return what a filter asks for; all of it has to hold.

    Raises:
        Refused: It makes no sense.
    """
    if len(text) > _MOST:
        raise invalid("Invalid filter: it is too long")
    parser = _Parser(text, list(_tokens(text)))
    found: list[Comparison] = []
    while parser.more():
        if found:
            parser.expect("and")
        found.append(parser.comparison())
    return found


def orderings(parts: Sequence[str]) -> list[Ordering]:
    """Return what an order asks for: a list of keys, each with ASC or DESC, or without."""
    found = []
    for part in parts:
        match = re.fullmatch(r"\s*(?P<name>.+?)(?:\s+(?P<way>asc|desc))?\s*", part, re.IGNORECASE)
        if not match or len(part) > _MOST:
            raise invalid(f"Invalid order_by clause {part[:200]!r}")
        entity, key = _named(match["name"], part)
        found.append(Ordering(entity, key, (match["way"] or "").lower() == "desc"))
    return found


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise invalid(
                f"Invalid filter {text[:200]!r}: nothing is understood from {text[at : at + 40]!r} on"
            )
        yield _Token(match.lastgroup, match[match.lastgroup])
        at = match.end()


def _named(name: str, text: str) -> tuple[str, str]:
    """Return the entity and the key that a name means: without an entity, an attribute."""
    bare = _bare(name)
    if bare != name:
        return "attribute", bare
    first, dot, rest = name.partition(".")
    if not dot:
        return "attribute", name
    entity = _ENTITIES.get(first.lower())
    if entity is None:
        raise invalid(
            f"Invalid entity type {first[:80]!r} in {text[:200]!r}. "
            "Valid values are: metric, parameter, tag, attribute, dataset"
        )
    if not (key := _bare(rest)):
        raise invalid(f"Invalid identifier {name[:80]!r}: no key is named")
    return entity, key


def _bare(name: str) -> str:
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "`\"'"
    return name[1:-1] if quoted else name


class _Parser:
    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text, self._tokens, self._at = text, tokens, 0

    def more(self) -> bool:
        return self._at < len(self._tokens)

    def _next(self) -> _Token:
        if not self.more():
            raise self._wrong("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self) -> str:
        return self._tokens[self._at].text.lower() if self.more() else ""

    def expect(self, word: str) -> None:
        if self._word() != word:
            raise self._wrong(f"{word.upper()} expected before {self._word()!r}")
        self._at += 1

    def _wrong(self, why: str) -> Refused:
        return invalid(f"Invalid filter {self._text[:200]!r}: {why}")

    def comparison(self) -> Comparison:
        name = self._next()
        if name.kind != "word":
            raise self._wrong(f"{name.text!r} is no identifier")
        entity, key = _named(name.text, self._text)
        op = self._operator()
        if op in ("is null", "is not null"):
            return Comparison(entity, key, op, None)
        value = self._several() if op in ("in", "not in") else self._value()
        return Comparison(entity, key, op, value)

    def _operator(self) -> str:
        token = self._next()
        if token.kind == "op":
            return {"==": "=", "<>": "!="}.get(token.text, token.text)
        op = token.text.lower()
        if op == "is":
            op = "is not" if self._word() == "not" else "is"
            self._at += op == "is not"
            self.expect("null")
            return f"{op} null"
        if op == "not":
            self.expect("in")
            return "not in"
        if op not in ("like", "ilike", "in"):
            raise self._wrong(f"{token.text!r} is no comparator")
        return op

    def _value(self) -> Any:
        token = self._next()
        if token.kind == "number":
            return float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
        if token.kind == "string":
            return token.text[1:-1].replace("''", "'").replace("\\'", "'")
        if token.kind == "word" and token.text[0] == token.text[-1] == '"' and len(token.text) > 1:
            return token.text[1:-1]
        raise self._wrong(f"{token.text!r} is no value: a text is in quotes")

    def _several(self) -> list[Any]:
        self.expect("(")
        found = [self._value()]
        while self._word() == ",":
            self._at += 1
            if self._word() != ")":
                found.append(self._value())
        self.expect(")")
        return found


# rows that are all here ---------------------------------------------------------------------------

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
}

Look = Callable[[Any, str, str], Any]
"""Returns what a row has under an entity and a key, None if nothing; refuses an entity that it has not."""


def selected(rows: Sequence[Any], wanted: Sequence[Comparison], look: Look) -> list[Any]:
    """Return the rows that meet all comparisons."""
    return [row for row in rows if all(_holds(one, look(row, one.entity, one.key)) for one in wanted)]


def _holds(one: Comparison, value: Any) -> bool:
    if one.op in ("is null", "is not null"):
        return (value is None) is (one.op == "is null")
    for wanted in one.value if isinstance(one.value, list) else [one.value]:
        if value is not None and isinstance(wanted, str) is not isinstance(value, str):
            raise invalid(f"Invalid value {wanted!r} for {one.entity} {one.key!r}: it is of another type")
    if value is None:
        return False
    if one.op in ("like", "ilike"):
        return pattern_matches(one.op, str(value), str(one.value))
    return _OPERATORS[one.op](value, one.value)


def sorted_by(rows: Sequence[Any], order: Sequence[Ordering], look: Look) -> list[Any]:
    """Return rows in an order; what it leaves open stays as it was, and what lacks a key comes last."""
    found = list(rows)
    for one in reversed(order):
        there = [row for row in found if look(row, one.entity, one.key) is not None]
        lack = [row for row in found if look(row, one.entity, one.key) is None]
        there.sort(key=lambda row, one=one: look(row, one.entity, one.key), reverse=one.descending)  # type: ignore[misc]
        found = there + lack
    return found
