"""Line charts for terminals, drawn in braille (two by four dots to a cell), and sparklines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from chachaml.display.axes import Axis, Curve, axis_of, ticks
from chachaml.display.text import terminal_width
from chachaml.display.words import Paint, cells, count, cut, number, pad, plain, safe

__all__ = ["plot_text", "sparkline"]

BLOCKS = "▁▂▃▄▅▆▇█"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each braille dot, by row and column in the cell."""
MARKS = "ox+*#@"
"""What draws the lines where there is no colour to tell several apart."""


def sparkline(values: Iterable[float], width: int = 16) -> str:
    """Return a chart one line high; stretches without a finite value are blank."""
    points = list(values)
    width = min(width, len(points))
    edges = [i * len(points) // width for i in range(width + 1)] if width else [0]
    means = [_mean(points[a:b]) for a, b in pairwise(edges)]
    finite = [mean for mean in means if mean is not None]
    if not finite:
        return ""
    axis, top = Axis(min(finite), max(finite)), len(BLOCKS) - 1
    return "".join(" " if mean is None else BLOCKS[round(axis.place(mean) * top)] for mean in means)


def _mean(values: Sequence[float]) -> float | None:
    finite = [value / len(values) for value in values if math.isfinite(value)]
    return sum(finite) * (len(values) / len(finite)) if finite else None


class Line(NamedTuple):
    """One series, ready to draw."""

    name: str
    steps: list[float]
    values: list[float]
    last: float
    unseen: int
    """Points that no axis can show: NaN, infinities, and below zero on a log axis."""


def plot_text(
    curves: Sequence[Curve],
    width: int | None = None,
    height: int = 16,
    *,
    key: str,
    log: bool = False,
    paint: Paint = plain,
) -> str:
    """Return a line chart of one or several curves over shared axes.

    NaN and infinities leave a gap in the line and are counted in the legend.

    Args:
        curves: What to draw.
        width: Cells to a line, labels included; the terminal's when None, 100 at most.
        height: Lines of the drawing, without the axis and the legend.
        key: What stands above: the metric.
        log: A logarithmic y axis; values of zero and below cannot be shown on it.
        paint: Adds colour. Without colour several lines are drawn with a letter each.
    """
    width = width or min(terminal_width(), 100)
    columns = max(width - 12, 10)
    lines = [_line(curve, columns * 2, log) for curve in curves]
    y = axis_of([v for line in lines for v in line.values], log)
    x = axis_of([step for line in lines for step in line.steps], log=False)
    heading = " " * 11 + paint(cut(safe(key), columns), "strong") + (" (log)" if log else "")
    if x is None or y is None:
        body = [" " * 11 + paint("no value that can be drawn", "dim")]
    else:
        body = [*_drawing(lines, x, y, columns, height, paint), *_x_axis(x, columns, paint)]
    return "\n".join([heading, *body, *_legend(lines, width, paint)])


def _line(curve: Curve, columns: int, log: bool) -> Line:
    steps, values = _thinned(curve, columns)
    unseen = sum(not (math.isfinite(value) and (value > 0 or not log)) for value in curve.ys)
    last = float(curve.ys[-1]) if curve.ys else math.nan
    return Line(safe(curve.name), steps, values, last, unseen)


def _thinned(curve: Curve, columns: int) -> tuple[list[float], list[float]]:
    """Return the points that matter at `columns` dots: each one's lowest, highest and last."""
    if len(curve.ys) <= 8 * columns:
        return list(curve.xs), list(curve.ys)
    import numpy as np

    steps, values = np.asarray(curve.xs), np.asarray(curve.ys)
    edges = np.unique(np.linspace(0, len(values), 2 * columns, endpoint=False).astype(np.int64))
    lasts = np.append(edges[1:], len(values)) - 1
    lows, highs = np.fmin.reduceat(values, edges), np.fmax.reduceat(values, edges)
    thin = np.column_stack([lows, highs, values[lasts]]).ravel()
    return np.repeat(steps[lasts], 3).tolist(), thin.tolist()


def _drawing(
    lines: Sequence[Line], x: Axis, y: Axis, columns: int, height: int, paint: Paint
) -> Iterator[str]:
    marked = len(lines) > 1 and paint is plain
    grid: dict[tuple[int, int], tuple[int, int]] = {}
    for index, line in enumerate(lines):
        for column, row in _dots(line, x, y, columns * 2, height * 4):
            cell = (row // 4, column // 2)
            bits = grid.get(cell, (0, 0))[0] | DOTS[row % 4][column % 2]
            grid[cell] = (bits, index)
    labels = _y_labels(y, height)
    for row in range(height):
        axis = pad(labels.get(row, ""), 9, right=True) + (" ┤" if row in labels else " │")
        found = [grid.get((row, column)) for column in range(columns)]
        yield (paint(axis, "dim") + _painted(found, marked, paint)).rstrip()


def _painted(row: Sequence[tuple[int, int] | None], marked: bool, paint: Paint) -> str:
    """Return one line of the drawing from its cells (dots, index of the series)."""
    text = ""
    for index, stretch in groupby(row, key=lambda cell: cell[1] if cell else None):
        found = list(stretch)
        if index is None:
            text += " " * len(found)
        elif marked:
            text += MARKS[index % len(MARKS)] * len(found)
        else:
            text += paint("".join(chr(0x2800 + cell[0]) for cell in found if cell), f"line{index % 6}")
    return text


def _dots(line: Line, x: Axis, y: Axis, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield the dots of a line, as (column, row) from the top left."""
    before: tuple[int, int] | None = None
    for step, value in zip(line.steps, line.values, strict=True):
        if not y.takes(value):
            before = None
            continue
        here = round(x.place(step) * (width - 1)), round((1 - y.place(value)) * (height - 1))
        yield from _segment(before or here, here)
        before = here


def _segment(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    across, down = end[0] - start[0], end[1] - start[1]
    length = max(abs(across), abs(down), 1)
    for i in range(length + 1):
        yield start[0] + round(across * i / length), start[1] + round(down * i / length)


def _y_labels(y: Axis, height: int) -> dict[int, str]:
    return {round((1 - y.place(tick)) * (height - 1)): _label(tick) for tick in ticks(y, max(height // 4, 2))}


def _label(value: float) -> str:
    text = number(value)
    return text if len(text) <= 9 else f"{value:.2e}"


def _x_axis(x: Axis, columns: int, paint: Paint) -> Iterator[str]:
    rule, labels = ["─"] * columns, [" "] * (columns + 12)
    free = 0
    for tick in dict.fromkeys(round(tick) for tick in ticks(x, max(columns // 14, 2))):
        column = round(min(max(x.place(tick), 0), 1) * (columns - 1))
        label = f"{tick:,}"
        start = min(max(11 + column - len(label) // 2, 0), len(labels) - len(label))
        if start >= free:
            rule[column] = "┬"
            labels[start : start + len(label)] = label
            free = start + len(label) + 2
    yield paint(" " * 10 + "└" + "".join(rule), "dim")
    yield paint("".join(labels).rstrip(), "dim")


def _legend(lines: Sequence[Line], width: int, paint: Paint) -> Iterator[str]:
    room = min(max((cells(line.name) for line in lines), default=0), max(width - 40, 12))
    for index, line in enumerate(lines):
        plain_mark = MARKS[index % len(MARKS)] if len(lines) > 1 else "─"
        mark = paint("━━", f"line{index % 6}") if paint is not plain else plain_mark * 2
        unseen = f"  ({count(line.unseen, 'point')} that cannot be drawn)" if line.unseen else ""
        yield f"{' ' * 11}{mark} {pad(cut(line.name, room), room)}  last {number(line.last)}{unseen}"
