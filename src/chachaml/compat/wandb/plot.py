"""W&B's charts, kept as the tables that they draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chachaml.compat.wandb.media import Table

__all__ = ["bar", "confusion_matrix", "histogram", "line", "line_series", "pr_curve", "roc_curve", "scatter"]


def line(table: Table, x: str, y: str, stroke: str | None = None, title: str = "", **_: Any) -> Table:
    """Return the table of a line through points."""
    return _columns(table, x, y, *([stroke] if stroke else []))


def scatter(table: Table, x: str, y: str, title: str = "", **_: Any) -> Table:
    """Return the table of points."""
    return _columns(table, x, y)


def bar(table: Table, label: str, value: str, title: str = "", **_: Any) -> Table:
    """Return the table of bars."""
    return _columns(table, label, value)


def histogram(table: Table, value: str, title: str = "", **_: Any) -> Table:
    """Return the table of values."""
    return _columns(table, value)


def line_series(
    xs: Iterable[Any],
    ys: Iterable[Iterable[Any]],
    keys: Iterable[str] | None = None,
    title: str = "",
    xname: str = "x",
    **_: Any,
) -> Table:
    """Return the table of several lines: a row for each point of each."""
    lines, columns = [list(one) for one in ys], list(xs)
    shared = not (columns and isinstance(columns[0], Iterable) and not isinstance(columns[0], str))
    names = list(keys) if keys is not None else [f"line {number}" for number in range(len(lines))]
    table = Table(columns=[xname, "line", "y"])
    for number, (name, values) in enumerate(zip(names, lines, strict=True)):
        for x, y in zip(columns if shared else columns[number], values, strict=False):
            table.add_data(x, name, y)
    return table


def confusion_matrix(
    probs: Any = None,
    y_true: Any = None,
    preds: Any = None,
    class_names: Sequence[str] | None = None,
    title: str = "",
    **_: Any,
) -> Table:
    """Return how often each class was taken for each other one."""
    said = (
        [max(range(len(row)), key=list(row).__getitem__) for row in probs] if preds is None else list(preds)
    )
    truth = list(y_true)
    classes = list(range(len(class_names))) if class_names else sorted({*truth, *said})
    names = {one: class_names[at] if class_names else str(one) for at, one in enumerate(classes)}
    found = Counter(zip(truth, said, strict=True))
    table = Table(columns=["Actual", "Predicted", "nPredictions"])
    for actual in classes:
        for predicted in classes:
            table.add_data(names[actual], names[predicted], found[actual, predicted])
    return table


def pr_curve(y_true: Any, y_probas: Any, labels: Sequence[str] | None = None, **_: Any) -> Table:
    """Return precision at each recall, for each class."""
    table = Table(columns=["class", "recall", "precision"])
    for name, hits, total, taken in _ranked(y_true, y_probas, labels):
        table.add_data(name, hits / total if total else 0.0, hits / taken if taken else 1.0)
    return table


def roc_curve(y_true: Any, y_probas: Any, labels: Sequence[str] | None = None, **_: Any) -> Table:
    """Return the rate of true positives at each of false ones, for each class."""
    count = len(list(y_true))
    table = Table(columns=["class", "fpr", "tpr"])
    for name, hits, total, taken in _ranked(y_true, y_probas, labels):
        others = count - total
        table.add_data(name, (taken - hits) / others if others else 0.0, hits / total if total else 0.0)
    return table


def _ranked(y_true: Any, y_probas: Any, labels: Sequence[str] | None) -> Iterable[tuple[str, int, int, int]]:
    """Yield for each class and threshold: its name, how many are right, there, and taken."""
    truth, scores = list(y_true), [list(row) for row in y_probas]
    for at, one in enumerate(sorted(set(truth))):
        name = labels[at] if labels else str(one)
        ranked = sorted(
            ((row[at], actual == one) for row, actual in zip(scores, truth, strict=True)), reverse=True
        )
        total, hits = sum(right for _, right in ranked), 0
        yield name, 0, total, 0
        for taken, (score, right) in enumerate(ranked, 1):
            hits += right
            if taken == len(ranked) or ranked[taken][0] != score:
                yield name, hits, total, taken


def _columns(table: Table, *names: str) -> Table:
    cells = [table.get_column(name) for name in names]
    return Table(columns=list(names), data=zip(*cells, strict=True))
