"""Text -> expression. Errors show the place of the mistake and the nearest thing that would do."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, NoReturn, cast

from chachaml.core.errors import BadQuery, BadValue
from chachaml.core.model import STATUSES
from chachaml.core.query.expressions import (
    ATTRIBUTES,
    DATASET,
    PARTS,
    And,
    Compare,
    Expression,
    Field,
    In,
    IsNan,
    IsNull,
    Kind,
    Not,
    Operator,
    Or,
    Order,
    Value,
)
from chachaml.core.query.patterns import check_pattern

__all__ = ["parse", "parse_order"]

_ENTITIES: dict[str, Kind] = {
    "metric": "metric",
    "metrics": "metric",
    "param": "param",
    "params": "param",
    "parameter": "param",
    "parameters": "param",
    "tag": "tag",
    "tags": "tag",
    "attribute": "attribute",
    "attributes": "attribute",
    "attr": "attribute",
    "run": "attribute",
    "dataset": "dataset",
    "datasets": "dataset",
}

_ALIASES = {
    "run_id": "id",
    "run_name": "name",
    "user": "created_by",
    "user_id": "created_by",
    "start_time": "started",
    "created": "started",
    "end_time": "ended",
    "experiment_name": "experiment",
    "parent_id": "parent",
}
"""Other names of attributes: MLflow's, and what people type."""

_STATUSES = (*STATUSES, "archived")
_WORDS = {"and", "or", "not", "in", "is", "null", "nan", "like", "ilike", "between", "asc", "desc"}
_MOST_TEXT, _DEEPEST = 50_000, 100

_TOKEN = re.compile(
    r"""\s+
    | (?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?P<unit>ms|s|m|h|d|w)?(?![\w.]))
    | (?P<infinite>[-+]?inf(?:inity)?(?![\w.]))
    | (?P<string>'(?:[^']|'')*' | "(?:[^"]|"")*")
    | (?P<path>(?:[^\W\d][\w/:@$+-]*|`(?:[^`]|``)*`)
        (?:\.(?:[\w/:@$+-]+|`(?:[^`]|``)*`|"(?:[^"]|"")*"))*)
    | (?P<op><=|>=|!=|<>|==|=|<|>|~)
    | (?P<mark>[(),])""",
    re.VERBOSE | re.IGNORECASE,
)
_SEGMENT = re.compile(r'`((?:[^`]|``)*)`|"((?:[^"]|"")*)"|([^.`"]+)')

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class _Token(NamedTuple):
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """The keyword that it may be; '' if it cannot be one."""
        return self.text.lower() if self.kind == "path" else ""


def parse(text: str, *, now: int | None = None) -> Expression:
    """Return the expression that `text` is.

    Args:
        text: For example ``metrics.accuracy > 0.9 and tags.team = 'vision'``.
        now: What "-7d" and "now" start from, microseconds since 1970. Default: the clock.

    Raises:
        BadQuery: It shows where it stops making sense, and what was expected.
    """
    parser = _Parser(text, time.time_ns() // 1000 if now is None else now)
    expression = parser.either(0)
    parser.end("and, or, or the end")
    return expression


def parse_order(text: str) -> tuple[Order, ...]:
    """Return the orders that `text` lists, such as ``metrics.loss asc, started desc``; ascending by default.

    Raises:
        BadQuery: It shows where it stops making sense, and what was expected.
    """
    parser = _Parser(text, 0)
    orders = [parser.order()]
    while parser.take("mark", ","):
        orders.append(parser.order())
    parser.end("asc, desc, a comma or the end")
    return tuple(orders)


class _Parser:
    def __init__(self, text: str, now: int) -> None:
        if not isinstance(text, str):
            raise BadQuery(f"a filter is text, not {type(text).__name__}", "", 0)
        self._text, self._now, self._at = text, now, 0
        if len(text) > _MOST_TEXT:
            self._fail(f"the filter is longer than {_MOST_TEXT:,} characters", 0)
        self._tokens = self._split(text)

    # reading ----------------------------------------------------------------------------------------

    def _split(self, text: str) -> list[_Token]:
        tokens, at = [], 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                quote = text[at] in "'\"`"
                self._fail("this quote is never closed" if quote else f"what is {text[at]!r}?", at)
            if found.lastgroup:
                kind = "number" if found.lastgroup in ("unit", "infinite") else found.lastgroup
                tokens.append(_Token(kind, found[0], at))
            at = found.end()
        return [*tokens, _Token("end", "", len(text))]

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def take(self, kind: str, *texts: str) -> _Token | None:
        """Return the next token and go on, if it is of that kind and one of these, or any."""
        token = self._next
        if token.kind != kind or (texts and token.text.lower() not in texts):
            return None
        self._at += 1
        return token

    def end(self, expected: str) -> None:
        """Raise unless everything was read."""
        if self._next.kind != "end":
            self._fail(f"expected {expected}")

    def _fail(self, why: str, at: int | None = None) -> NoReturn:
        raise BadQuery(why, self._text, self._next.at if at is None else at)

    # conditions -------------------------------------------------------------------------------------

    def either(self, depth: int) -> Expression:
        """Read conditions joined by "or"."""
        parts = [self._every(depth)]
        while self.take("path", "or"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _every(self, depth: int) -> Expression:
        parts = [self._one(depth)]
        while self.take("path", "and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            self._fail(f"more than {_DEEPEST} parentheses in each other")
        if self.take("path", "not"):
            return Not(self._one(depth + 1))
        if self.take("mark", "("):
            inner = self.either(depth + 1)
            if not self.take("mark", ")"):
                self._fail("expected and, or, or the closing parenthesis")
            return inner
        return self._condition(self.field())

    def _condition(self, field: Field) -> Expression:
        if self.take("path", "is"):
            return self._is(field)
        if self.take("path", "not"):
            if self._next.word not in ("in", "like", "ilike", "between"):
                self._fail("expected in, like, ilike or between")
            return Not(self._condition(field))
        if self.take("path", "in"):
            return In(field, self._values(field))
        if self.take("path", "between"):
            low = self._value(field, ">=")
            if not self.take("path", "and"):
                self._fail("expected and, and the upper end")
            return And((Compare(field, ">=", low), Compare(field, "<=", self._value(field, "<="))))
        op = self._operator(field)
        return Compare(field, op, self._value(field, op))

    def _is(self, field: Field) -> Expression:
        opposite = self.take("path", "not")
        if self.take("path", "null"):
            found: Expression = IsNull(field)
        elif self.take("path", "nan"):
            found = IsNan(field)
        else:
            self._fail("expected null or nan")
        return Not(found) if opposite else found

    def _operator(self, field: Field) -> Operator:
        token = self.take("op") or self.take("path", "like", "ilike")
        if not token:
            self._fail("expected a comparison: = != < <= > >= in, like, ilike, ~ or is")
        op = {"==": "=", "<>": "!="}.get(token.text, token.text.lower())
        if field.type == "flag" and op not in ("=", "!="):
            self._fail(f"{field.key} is true or false: compare it with = or !=", token.at)
        if op in ("like", "ilike", "~") and field.type in ("number", "time", "seconds"):
            self._fail(f"{field} is a number, and {op} is for text", token.at)
        return cast(Operator, op)

    # fields -----------------------------------------------------------------------------------------

    def field(self) -> Field:
        """Read a metric, param, tag or attribute."""
        token = self.take("path")
        if not token:
            self._fail("expected a field, such as metrics.loss, params.lr, tags.team or status")
        names = _segments(token.text)
        entity = _ENTITIES.get(names[0][0].lower()) if not names[0][1] else None
        if len(names) == 1 or entity is None or (entity == "attribute" and len(names) != 2):
            return self._attribute(".".join(name for name, _ in names), token)
        if entity == "attribute":
            return self._attribute(names[1][0], token)
        if entity == "dataset":
            return self._dataset(names[1:], token)
        keys = names[1:]
        part = keys[-1][0].lower() if entity == "metric" and len(keys) > 1 and not keys[-1][1] else ""
        if part in PARTS:
            return Field("metric", ".".join(name for name, _ in keys[:-1]), part)
        return Field(entity, ".".join(name for name, _ in keys))

    def _dataset(self, names: list[tuple[str, bool]], token: _Token) -> Field:
        key = {"context": "role", "hash": "digest"}.get(names[0][0].lower(), names[0][0].lower())
        if len(names) != 1 or key not in DATASET:
            self._fail("of data sets there are: " + ", ".join(DATASET), token.at)
        return Field("dataset", key)

    def _attribute(self, name: str, token: _Token) -> Field:
        found = _ALIASES.get(name.lower(), name.lower())
        if found in ATTRIBUTES:
            return Field("attribute", found)
        if found == "note":
            return Field("tag", "note")
        if token.word in _WORDS:
            self._fail("expected a field, such as metrics.loss, params.lr, tags.team or status", token.at)
        near = difflib.get_close_matches(found, [*ATTRIBUTES, *_ALIASES, *_ENTITIES], 1)
        guess = (
            f"did you mean {near[0]}?"
            if near
            else f"did you mean metrics.{name}, params.{name} or tags.{name}?"
        )
        raise BadQuery(f"runs have no {name!r}", self._text, token.at, guess, name)

    def order(self) -> Order:
        """Read a field and its direction."""
        at = self._next.at
        field = self.field()
        if field.kind == "dataset":
            self._fail("a run may have several data sets, so runs have no order by them", at)
        way = self.take("path", "asc", "desc")
        return Order(field, descending=bool(way and way.word == "desc"))

    # values -----------------------------------------------------------------------------------------

    def _values(self, field: Field) -> tuple[Value, ...]:
        if not self.take("mark", "("):
            self._fail("expected a list in parentheses, such as ('a', 'b')")
        values = [self._value(field, "=")]
        while self.take("mark", ","):
            values.append(self._value(field, "="))
        if not self.take("mark", ")"):
            self._fail("expected a comma or the closing parenthesis")
        return tuple(values)

    def _value(self, field: Field, op: str) -> Value:
        token = self._next
        if token.kind not in ("number", "string", "path") or token.word in (_WORDS - {"nan", "null"}):
            self._fail("expected a value: a number, a text in quotes, true or false")
        if token.word == "null":
            self._fail("compare with null by: is null, is not null")
        self._at += 1
        if op in ("like", "ilike", "~"):
            return self._pattern(token, op)
        reader: Callable[[Field, _Token], Value] = {
            "number": self._number,
            "time": self._time,
            "seconds": self._duration,
            "flag": self._flag,
            "text": self._text_value,
            "any": self._any,
        }[field.type]
        value = reader(field, token)
        if isinstance(value, bool) and op not in ("=", "!="):
            self._fail("true and false are compared with = or !=", token.at)
        return value

    def _pattern(self, token: _Token, op: str) -> str:
        pattern = _text(token)
        if op == "~":
            try:
                check_pattern(pattern)
            except BadValue as error:
                self._fail(error.message, token.at)
        return pattern

    def _number(self, field: Field, token: _Token) -> Value:
        if token.word == "nan":
            self._fail(f"nothing equals NaN: ask for {field} is nan", token.at)
        number = _plain_number(token)
        if number is None:
            self._fail(f"{field} is a number, which {token.text} is not", token.at)
        return number

    def _time(self, field: Field, token: _Token) -> Value:
        if token.word in ("now", "today"):
            day = datetime.fromtimestamp(self._now / 1e6).astimezone().replace(hour=0, minute=0, second=0)
            return self._now if token.word == "now" else int(day.replace(microsecond=0).timestamp() * 1e6)
        number, unit = _measure(token)
        if number is not None and unit:
            return self._now - int(abs(number) * _SECONDS[unit] * 1e6)
        if number is not None:  # as MLflow's clients send it
            return int(number * 1000)
        try:
            when = datetime.fromisoformat(_text(token))
            moment = (when if when.tzinfo else when.astimezone()).astimezone(UTC)
            return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        except (ValueError, OverflowError, OSError):
            self._fail(
                f"{field} is a time: '2026-11-01', '2026-11-01 10:00', -7d, -12h, now or today", token.at
            )

    def _duration(self, field: Field, token: _Token) -> Value:
        number, unit = _measure(token)
        if number is None:
            self._fail(f"{field} is in seconds, or with a unit: 90, 90s, 5m, 2h, 1d", token.at)
        return number * _SECONDS[unit or "s"]

    def _flag(self, field: Field, token: _Token) -> Value:
        if token.word not in ("true", "false"):
            self._fail(f"{field} is true or false", token.at)
        return token.word == "true"

    def _text_value(self, field: Field, token: _Token) -> Value:
        value = _text(token)
        if field.key != "status":
            return value
        status = {"finished": "completed", "killed": "interrupted"}.get(value.lower(), value.lower())
        if status not in _STATUSES:
            near = difflib.get_close_matches(status, _STATUSES, 1)
            guess = f"did you mean {near[0]}?" if near else "one of " + ", ".join(_STATUSES)
            raise BadQuery(f"no run has the status {value!r}", self._text, token.at, guess)
        return status

    def _any(self, field: Field, token: _Token) -> Value:
        if token.word in ("true", "false"):
            return token.word == "true"
        if token.word == "nan":
            self._fail(f"nothing equals NaN: ask for {field} is nan", token.at)
        number = _plain_number(token)
        return _text(token) if number is None else number


def _segments(path: str) -> list[tuple[str, bool]]:
    """Return the names in a path, and whether each was quoted."""
    return [
        (tick.replace("``", "`") or quote.replace('""', '"') or bare, not bare)
        for tick, quote, bare in _SEGMENT.findall(path)
    ]


def _text(token: _Token) -> str:
    if token.kind == "string":
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)
    return token.text


def _measure(token: _Token) -> tuple[float | None, str]:
    """Return the number that a token is and its unit; None for a token that is none."""
    found = re.fullmatch(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)(ms|[smhdwSMHDW])?", token.text)
    if token.kind != "number" or not found:
        return None, ""
    return float(found[1]), (found[2] or "").lower()


def _plain_number(token: _Token) -> Value | None:
    """Return the number without a unit that a token is; None for a token that is none."""
    if token.kind != "number" or token.text[-1:].lower() in ("s", "m", "h", "d", "w"):
        return None
    whole = re.fullmatch(r"[-+]?[0-9]{1,18}", token.text)
    return int(token.text) if whole else float(token.text)
