"""Why two runs came out differently: all that differs between them, the likeliest cause first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from chachaml.comparison import Section, same, section
from chachaml.results import Dataset, Run

__all__ = ["Cause", "Outcome", "causes", "code_diff", "outcomes"]

Kind = Literal["data", "param", "code", "package", "machine", "tag"]

_DIFF = "code/uncommitted.diff"
_DIFF_LINES = 120

_LIKELY: dict[Kind, float] = {
    "data": 0.9,
    "param": 0.6,
    "code": 0.5,
    "package": 0.1,
    "machine": 0.1,
    "tag": 0.02,
}
"""How likely a difference of a kind is the cause, where nothing more is known of it."""

_NUMERIC = frozenset(
    "numpy scipy torch tensorflow jax jaxlib keras scikit-learn xgboost xgboost-cpu lightgbm catboost "
    "transformers pandas polars torchvision flax optax accelerate timm".split()
)
"""Packages whose versions change results."""

_CODE = ("git.sha", "git.branch", "git.dirty", "script", "argv")
_MACHINE = ("python", "platform", "cpu", "gpu", "host")
_SEED = re.compile(r"(^|[._-])seed$", re.IGNORECASE)


class Outcome(msgspec.Struct, frozen=True):
    """A metric that both runs have, by its last value; ``change`` is from the one to the other."""

    metric: str
    one: float
    other: float
    change: float


class Cause(msgspec.Struct, frozen=True):
    """Something that differs. ``likely`` ranks it, from 0 to 1: a guess, whose reason is ``why``."""

    kind: Kind
    key: str
    one: Any
    other: Any
    likely: float
    why: str


def outcomes(one: Run, other: Run) -> list[Outcome]:
    """Return how the metrics of two runs differ, those that changed most for their size first."""
    found = [
        Outcome(key, one.metrics[key], other.metrics[key], other.metrics[key] - one.metrics[key])
        for key in one.metrics
        if key in other.metrics and not same(one.metrics[key], other.metrics[key])
    ]
    return sorted(found, key=_weight)


def _weight(found: Outcome) -> tuple[bool, float, str]:
    size = max(abs(found.one), abs(found.other))
    share = abs(found.change) / size if size else 0.0
    return (share == share, -share, found.metric)  # what ended as NaN comes first


def causes(
    one: Run, other: Run, packages: Sequence[Mapping[str, str]], weights: Mapping[str, float]
) -> list[Cause]:
    """Return what differs between two runs, the likeliest cause of another outcome first.

    Args:
        one: A run, read whole.
        other: The other.
        packages: The versions of the packages of each.
        weights: How much the metric in question depends on params, as far as that is known.
    """
    runs = (one, other)
    found = [
        *_of("data", section([_data(run.datasets) for run in runs], same)),
        *_params(section([run.params for run in runs], same), weights),
        *_of("code", section([_facts(run, _CODE) for run in runs], same)),
        *_packages(section(packages, same)),
        *_of("machine", section([_facts(run, _MACHINE) for run in runs], same)),
        *_of("tag", section([{k: v for k, v in run.tags.items() if k != "note"} for run in runs], same)),
    ]
    return sorted(found, key=lambda cause: -cause.likely)


def _data(datasets: Sequence[Dataset]) -> dict[str, str]:
    return {f"{one.role}: {one.name}" if one.role else one.name: one.digest for one in datasets}


def _facts(run: Run, keys: Sequence[str]) -> dict[str, Any]:
    return {key: run.environment[key] for key in keys if key in run.environment}


def _pairs(found: Section) -> Iterator[tuple[str, Any, Any]]:
    for key, (one, other) in {**found.differ, **found.partial}.items():
        yield key, one, other


_WHY: dict[Kind, str] = {
    "data": "other data",
    "param": "another setting; too few runs tell how much the metric depends on it",
    "code": "other code",
    "package": "another version",
    "machine": "another machine or interpreter",
    "tag": "said of the run, seldom a cause",
}


def _of(kind: Kind, found: Section) -> Iterator[Cause]:
    for key, one, other in _pairs(found):
        likely = _LIKELY[kind]
        if key in ("git.branch", "host", "argv"):
            likely = 0.05  # these tell of a cause rather than being one
        yield Cause(kind, key, one, other, likely, _WHY[kind])


def _params(found: Section, weights: Mapping[str, float]) -> Iterator[Cause]:
    for key, one, other in _pairs(found):
        if key in weights:
            share = weights[key]
            why = f"explains {share:.0%} of how the metric varies over the runs of the experiment"
            yield Cause("param", key, one, other, round(0.15 + 0.85 * share, 3), why)
        elif _SEED.search(key):
            yield Cause("param", key, one, other, 0.3, "another seed: chance")
        else:
            yield Cause("param", key, one, other, _LIKELY["param"], _WHY["param"])


def _packages(found: Section) -> Iterator[Cause]:
    for key, one, other in _pairs(found):
        numeric = key.lower() in _NUMERIC
        why = "another version of a package that computes" if numeric else _WHY["package"]
        major = str(one).split(".")[:2] != str(other).split(".")[:2]
        yield Cause("package", key, one, other, 0.3 if numeric and major else 0.15 if numeric else 0.05, why)


def code_diff(one: str, other: str) -> str:
    """Return how what was not committed differs between two runs, as a diff of the two diffs."""
    lines = list(difflib.unified_diff(one.splitlines(), other.splitlines(), "one", "other", lineterm="", n=2))
    more = len(lines) - _DIFF_LINES
    return "\n".join(lines[:_DIFF_LINES] + ([f"... {more:,} more lines"] if more > 0 else []))
