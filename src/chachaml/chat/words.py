"""What the words of a question stand for in a store: experiments, metrics, runs, times, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import chachaml as ml
from chachaml.analysis.goals import Direction, direction_of
from chachaml.connection import connection
from chachaml.core.errors import ChachamlError
from chachaml.lookup import resolve
from chachaml.results import Run

__all__ = ["Known", "Words", "known", "quoted", "spelled"]

_STATUSES = {
    "failed": ("failed", "crashed"),
    "fail": ("failed", "crashed"),
    "failures": ("failed", "crashed"),
    "broke": ("failed", "crashed"),
    "crashed": ("crashed",),
    "completed": ("completed",),
    "finished": ("completed",),
    "succeeded": ("completed",),
    "running": ("running",),
    "interrupted": ("interrupted",),
}

_SAME = {
    "accuracy": ("acc",),
    "acc": ("accuracy",),
    "error": ("err",),
    "auc": ("roc_auc",),
    "f1": ("f1_score",),
}

_NUMBERS = dict(zip("two three four five six seven eight nine ten".split(), range(2, 11), strict=True))

_LONGEST = 500
"""Characters that are looked at: a question that is longer is none of the common ones."""

_UNITS = {"hour": "h", "day": "d", "week": "w"}

_OPS = {
    ">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "==": "=", "!=": "!=",
    "above": ">", "over": ">", "more than": ">", "greater than": ">", "higher than": ">", "at least": ">=",
    "below": "<", "under": "<", "less than": "<", "lower than": "<", "smaller than": "<", "at most": "<=",
    "equal to": "=", "equals": "=", "of": "=", "is": "=",
}  # fmt: skip

_PLAIN = re.compile(r"[A-Za-z_][\w]*(\.[\w]+)*")


class Known(NamedTuple):
    """The names that a store has."""

    experiments: tuple[str, ...]
    metrics: tuple[str, ...]
    params: tuple[str, ...]
    models: tuple[str, ...]


def known() -> Known:
    """Return the names that the store in use has."""
    keys = connection().ready().keys()
    return Known(
        tuple(one.name for one in ml.experiments()),
        tuple(keys.get("metric", ())),
        tuple(keys.get("param", ())),
        tuple(one.name for one in ml.registry.models()),
    )


def quoted(text: str) -> str:
    """Return a text as the search language quotes it."""
    return "'" + text.replace("'", "''") + "'"


def spelled(key: str) -> str:
    """Return a key as the search language spells it."""
    return key if _PLAIN.fullmatch(key) else "`" + key.replace("`", "``") + "`"


class Words:
    """A question, and what its words stand for.

    Args:
        question: As it was asked.
        known: The names that the store has.
    """

    def __init__(self, question: str, known: Known) -> None:
        self.question, self.known = question.strip(), known
        text = question[:_LONGEST].lower()
        self.text = " ".join(re.sub(r"[?!,;]|\.(?=\s|$)", " ", text).split())

    def has(self, *patterns: str) -> bool:
        """Tell whether one of the patterns stands in the question, as whole words."""
        return any(re.search(rf"(?<!\w)(?:{pattern})(?!\w)", self.text) for pattern in patterns)

    # names ----------------------------------------------------------------------------------------

    @cached_property
    def experiment(self) -> str | None:
        """The experiment that is spoken of."""
        return next(iter(self._spoken(self.known.experiments)), None)

    @cached_property
    def metric(self) -> str | None:
        """The metric that is spoken of, by its key, its last part, or another word for it."""
        return self._key(self.known.metrics)

    @cached_property
    def model(self) -> str | None:
        """The registered model that is spoken of."""
        return next(iter(self._spoken(self.known.models)), None)

    def _spoken(self, names: Iterable[str]) -> list[str]:
        """Return the names that stand in the question, the longest first."""
        return [one for one in sorted(names, key=len, reverse=True) if self._stands(one.lower())]

    def _stands(self, name: str) -> bool:
        return name in self.text and bool(re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w/-])", self.text))

    def _key(self, keys: Iterable[str]) -> str | None:
        if whole := self._spoken(keys):
            return whole[0]
        by_word = sorted(keys, key=lambda key: (not re.match(r"val|test|eval", key.lower()), len(key)))
        for key in by_word:
            if any(self._stands(word) for word in _words_for(key)):
                return key
        return None

    # directions, numbers, times -------------------------------------------------------------------

    def direction(self, metric: str) -> Direction:
        """Return which value of a metric is asked for: the highest or the lowest."""
        if self.has("lowest", "smallest", "minimum", "minimal", "min", "least", "fastest", "shortest"):
            return "min"
        if self.has(
            "highest", "largest", "biggest", "maximum", "maximal", "max", "most", "slowest", "longest"
        ):
            return "max"
        better = direction_of(metric)
        return better if not self.has("worst") else "min" if better == "max" else "max"

    @cached_property
    def count(self) -> int | None:
        """How many are asked for, None if nothing is said."""
        found = re.search(r"(?<!\w)(?:top|best|worst|last|latest|newest|first)\s+(\w+)(?!\w)", self.text)
        if found is None:
            found = re.search(r"(?<!\w)(\d+)\s+(?:best|worst|newest|latest|last|runs)(?!\w)", self.text)
        word = found[1] if found else ""
        return min(int(word), 100) if word.isdigit() and len(word) < 5 else _NUMBERS.get(word)

    @cached_property
    def since(self) -> str:
        """The condition on when runs started, '' for none."""
        if self.has("today"):
            return "started >= today"
        if self.has("yesterday"):
            return "started > -2d and started < today"
        if found := re.search(r"(?:last|past)\s+(\w+)?\s*(hour|day|week)s?", self.text):
            word = found[1] or "1"
            number = int(word) if word.isdigit() and len(word) < 5 else _NUMBERS.get(word, 1)
            unit = _UNITS[found[2]]
            return f"started > -{number * 7}d" if unit == "w" else f"started > -{number}{unit}"
        return "started > -7d" if self.has("this week") else ""

    # conditions -----------------------------------------------------------------------------------

    @cached_property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that are spoken of, () for any."""
        return next((said for word, said in _STATUSES.items() if self.has(word)), ())

    @cached_property
    def conditions(self) -> list[str]:
        """What runs must meet, in the search language."""
        found = [f"experiment = {quoted(self.experiment)}"] if self.experiment else []
        if self.statuses:
            some = ", ".join(map(quoted, self.statuses))
            found.append(f"status in ({some})" if len(self.statuses) > 1 else f"status = {some}")
        found += [self.since] if self.since else []
        if self.has("my", "mine", "i", "did i"):
            found.append(f"created_by = {quoted(ml.current_user())}")
        return [
            *found,
            *self._compared("params", self.known.params),
            *self._compared("metrics", self.known.metrics),
        ]

    @property
    def filter(self) -> str:
        """All conditions as one filter."""
        return " and ".join(self.conditions)

    def _compared(self, field: str, keys: Iterable[str]) -> Iterator[str]:
        """Yield conditions such as ``acc above 0.9``, ``lr = 0.01`` and ``optimizer adam``."""
        ops = "|".join(re.escape(op) for op in sorted(_OPS, key=len, reverse=True))
        for key in keys:
            words = {word for word in (key.lower(), *_words_for(key)) if word in self.text}
            if not words:
                continue
            names = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
            pattern = rf"(?<![\w/.-])(?:{names})\s*({ops})?\s*(-?\d[\d.]*(?:e-?\d+)?|'[^']*')(?![\w.])"
            if found := re.search(pattern, self.text):
                yield f"{field}.{spelled(key)} {_OPS[found[1] or '=']} {found[2]}"

    # runs -----------------------------------------------------------------------------------------

    @cached_property
    def runs(self) -> list[Run]:
        """The runs that are spoken of by their ids, in the order of the question."""
        ids = re.findall(r"(?<![\w.])[0-9a-f]{8,32}(?![\w.])", self.text)
        found = [self.run(one) for one in dict.fromkeys(ids)]
        return [one for one in found if one is not None]

    def run(self, said: str) -> Run | None:
        """Return the run that is meant by an id, a name, or ``last`` and its like; None for none."""
        said = re.sub(r"^(?:the|run|runs|experiment)\s+|\s+(?:run|one)$", "", said.strip(" \"'`"))
        said = re.sub(r"^(?:the|run)\s+", "", said).strip(" \"'`")
        if said in ("last", "latest", "newest", "it", "this"):
            return next(iter(ml.runs(experiment=self.experiment, limit=1)), None)
        if said in ("previous", "the one before", "before", "second last", "one before"):
            return next(iter(ml.runs(experiment=self.experiment, limit=2)[1:]), None)
        try:
            return ml.run(resolve(connection().ready(), said).id)
        except ChachamlError:
            named = ml.runs(f"name ilike {quoted(_literal(said))}", limit=1) if said else ()
            return next(iter(named), None)


def _literal(text: str) -> str:
    """Return a text with no wildcards of ``like`` in it but those that match one character."""
    return text.replace("%", "_")


def _words_for(key: str) -> set[str]:
    """Return the words by which people may mean a key."""
    parts = [part for part in re.split(r"[/._\s-]+", key.lower()) if len(part) > 1]
    last = parts[-1] if parts else key.lower()
    spelled = {" ".join(parts), last} if parts else {last}
    return spelled | {other for word in tuple(spelled) for other in _SAME.get(word, ())}
