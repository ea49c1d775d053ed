"""Run one use case by its number, or all of them: ``python -m examples.showcase [NUMBER]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import import_module

from examples.showcase import USE_CASES

import chachaml as ml


def run(number: int) -> str:
    """Run a use case and return the id of its run."""
    made: str = import_module(f"examples.showcase.{USE_CASES[number - 1]}").main()
    return made


def with_progress(numbers: Iterable[int]) -> Iterator[int]:
    """Yield the numbers, and show on a terminal how far it is."""
    for number in numbers:
        if sys.stderr.isatty():
            bar = "█" * number + "·" * (len(USE_CASES) - number)
            print(f"\r[{bar}] {number:2} {USE_CASES[number - 1]:18}", end="", file=sys.stderr)
        yield number
    if sys.stderr.isatty():
        print(file=sys.stderr)


def run_all() -> None:
    """Run all use cases, then show what was recorded."""
    began = time.monotonic()
    rows = []
    for number in with_progress(range(1, len(USE_CASES) + 1)):
        made = ml.run(run(number))
        key = next(iter(sorted(made.metrics, key=lambda key: ("accuracy" not in key, key))))
        rows.append((number, made.experiment, len(made.params), len(made.metrics), key, made.metrics[key]))
    titles = ("number", "experiment", "params", "metrics", "such as", "value")
    print(ml.Table({title: [row[at] for row in rows] for at, title in enumerate(titles)}))
    print(f"\nModels\n{ml.registry.models()}")
    print(f"\nThe best of 01\n{ml.best_run(experiment='01-logistic', metric='accuracy')}")
    exported = len(ml.export_runs())
    print(f"\n{exported} runs in {time.monotonic() - began:.0f} s; ml.export_runs() gives them all")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m examples.showcase", description=__doc__)
    parser.add_argument("number", nargs="?", type=int, choices=range(1, len(USE_CASES) + 1), metavar="NUMBER")
    number = parser.parse_args().number
    if number is None:
        run_all()
    else:
        print(ml.run(run(number)))


if __name__ == "__main__":
    main()
