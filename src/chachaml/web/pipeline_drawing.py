"""Where the steps of a pipeline stand in its drawings: the graph from left to right, and the times below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from chachaml.pipelines.shown import Pipeline, PipelineStep

__all__ = ["Bar", "Box", "Graph", "bars", "graph"]

WIDTH, HEIGHT = 156, 46
_ACROSS, _DOWN, _EDGE = 44, 14, 2


class Box(NamedTuple):
    """A step, and where its box is."""

    step: PipelineStep
    x: int
    y: int


class Graph(NamedTuple):
    """Boxes, and the curves between them."""

    boxes: list[Box]
    edges: list[str]
    width: int
    height: int


class Bar(NamedTuple):
    """A step, and from where to where it ran, in per cent of all."""

    step: PipelineStep
    start: float
    length: float


def graph(steps: Sequence[PipelineStep]) -> Graph:
    """Return where steps are drawn: each to the right of all that it needs."""
    column = _columns(steps)
    filled: dict[int, int] = {}
    places: dict[str, Box] = {}
    for step in sorted(steps, key=lambda step: step.order):
        at = column[step.name]
        row = filled.get(at, 0)
        filled[at] = row + 1
        x, y = _EDGE + at * (WIDTH + _ACROSS), _EDGE + row * (HEIGHT + _DOWN)
        places[step.name] = Box(step, x, y)
    edges = [
        _curve(places[need], places[step.name]) for step in steps for need in step.needs if need in places
    ]
    across = max(filled, default=0) + 1
    down = max(filled.values(), default=0)
    width = across * (WIDTH + _ACROSS) - _ACROSS + 2 * _EDGE
    return Graph(list(places.values()), edges, width, down * (HEIGHT + _DOWN) - _DOWN + 2 * _EDGE)


def _columns(steps: Sequence[PipelineStep]) -> dict[str, int]:
    """Return for each step how many stand before it, on the longest way; in rounds, for none can be more."""
    column = dict.fromkeys((step.name for step in steps), 0)
    for _ in steps:
        before = dict(column)
        for step in steps:
            column[step.name] = max([column[need] + 1 for need in step.needs if need in column], default=0)
        if column == before:
            break
    return column


def _curve(start: Box, end: Box) -> str:
    x, y = start.x + WIDTH, start.y + HEIGHT // 2
    to_x, to_y = end.x, end.y + HEIGHT // 2
    bend = _ACROSS // 2
    return f"M{x} {y}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"


def bars(pipeline: Pipeline) -> list[Bar]:
    """Return when each step ran, which has begun."""
    began = [step.started for step in pipeline.steps if step.started]
    if not began:
        return []
    start = min(began)
    ends = [step.ended or datetime.now(UTC) for step in pipeline.steps if step.started]
    whole = max((max(ends) - start).total_seconds(), 1e-6)
    found = []
    for step in pipeline.steps:
        if step.started:
            offset = (step.started - start).total_seconds()
            end = step.ended or (datetime.now(UTC) if step.status == "running" else step.started)
            found.append(Bar(step, 100 * offset / whole, 100 * (end - step.started).total_seconds() / whole))
    return found
