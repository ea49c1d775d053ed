"""Timing statements as a user writes them, without a wrapper around the call."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter, perf_counter_ns
from typing import Any

__all__ = ["busy_thread", "each_call", "loop_mean", "median", "percentiles", "run_loop"]

_TIMED = """
def loop(values, spent, step):
    at = 0
    for value in values:
        begin = clock()
        {statement}
        spent[at] = clock() - begin
        at += 1
        step += 1
"""
_PLAIN = """
def loop(values, step):
    for value in values:
        {statement}
        step += 1
"""


def _compiled(template: str, statement: str, names: dict[str, Any]) -> Any:
    scope = {**names, "clock": perf_counter_ns}
    exec(template.format(statement=statement), scope)
    return scope["loop"]


def each_call(
    statement: str, names: dict[str, Any], values: Sequence[float], first: int = 0
) -> dict[str, float]:
    """Return nanoseconds of one call at p50, p99 and p99.9; the timer's own cost is taken off."""
    timer = [0] * len(values)
    _compiled(_TIMED, "pass", names)(values, timer, first)
    spent = [0] * len(values)
    _compiled(_TIMED, statement, names)(values, spent, first)
    own = percentiles(timer)["p50"]
    return {name: max(0.0, value - own) for name, value in percentiles(spent).items()}


def loop_mean(statement: str, names: dict[str, Any], values: Sequence[float], first: int = 0) -> float:
    """Return the mean nanoseconds of one call in a loop without timers, less those of an empty loop."""
    begin = perf_counter()
    _compiled(_PLAIN, "pass", names)(values, first)
    middle = perf_counter()
    run_loop(statement, names, values, first)
    return ((perf_counter() - middle) - (middle - begin)) / len(values) * 1e9


def run_loop(statement: str, names: dict[str, Any], values: Sequence[float], first: int = 0) -> None:
    """Run a statement for each of `values`: it knows ``value``, and ``step``, counting from `first`."""
    _compiled(_PLAIN, statement, names)(values, first)


def percentiles(spent: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and p99.9."""
    ordered = sorted(spent)
    return {
        name: float(ordered[min(len(ordered) - 1, int(len(ordered) * share))])
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }


def median(spent: Sequence[float]) -> float:
    """Return the middle one."""
    return percentiles(spent)["p50"]


@contextmanager
def busy_thread() -> Iterator[None]:
    """Keep one other thread busy with pure Python, which holds the interpreter's lock."""
    done = threading.Event()

    def spin() -> None:
        count = 0
        while not done.is_set():
            for _ in range(1000):
                count += 1

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
