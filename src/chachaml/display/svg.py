"""Line charts as SVG, for notebooks and files: no script, and at home on a light or a dark page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from chachaml.display.axes import Axis, Curve, axis_of, ticks
from chachaml.display.words import cut, number, safe

__all__ = ["chart_svg", "sparkline_svg"]

COLOURS = ("#2f8fdd", "#e0803a", "#2da866", "#a05fd0", "#d0528a", "#8a7a3a", "#3aa8a8", "#c04848")
"""Of equal weight on white and on near-black."""

LEFT, RIGHT, TOP, BOTTOM, LEGEND = 62, 14, 26, 40, 18
MOST_NAMED = 12


class _Plane(NamedTuple):
    x: Axis
    y: Axis
    width: float
    height: float

    def at(self, x: float, y: float) -> str:
        across, up = self.x.place(x) * self.width, self.y.place(y) * self.height
        return f"{LEFT + across:.1f},{TOP + self.height - up:.1f}"


def chart_svg(
    curves: Sequence[Curve],
    *,
    title: str,
    x_label: str,
    width: int = 680,
    height: int = 320,
    log: bool = False,
) -> str:
    """Return curves over shared axes; NaN and infinities, and what a log axis cannot show, leave gaps.

    Args:
        curves: The lines.
        title: What they show; also what a screen reader says.
        x_label: What the x axis is.
        width: Of the picture, in pixels.
        height: Of the picture without its legend.
        log: A logarithmic y axis.
    """
    named = min(len(curves), MOST_NAMED) + (len(curves) > MOST_NAMED)
    whole = height + LEGEND * named
    x = axis_of((float(x) for curve in curves for x in curve.xs), log=False)
    y = axis_of((float(y) for curve in curves for y in curve.ys), log)
    body: list[str] = [_text(LEFT, 16, cut(safe(title), 90) + (" (log)" if log else ""), 'font-weight="600"')]
    if x is None or y is None:
        body.append(_text(LEFT, TOP + 20, "no value that can be drawn", 'opacity=".65"'))
    else:
        plane = _Plane(x, y, width - LEFT - RIGHT, height - TOP - BOTTOM)
        body += [*_grid(plane, x_label), *_lines(curves, plane)]
    body += _legend(curves, height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {whole}" width="{width}" '
        f'height="{whole}" role="img" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="currentColor" style="max-width:100%;height:auto">'
        f"<title>{escape(safe(title))}</title>{''.join(body)}</svg>"
    )


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def _grid(plane: _Plane, x_label: str) -> Iterator[str]:
    bottom, right = TOP + plane.height, LEFT + plane.width
    rule = 'stroke="currentColor" stroke-opacity=".14"'
    for tick in ticks(plane.y, 5):
        y = bottom - plane.y.place(tick) * plane.height
        yield f'<line x1="{LEFT}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" {rule}/>'
        yield _text(LEFT - 8, y + 4, number(tick), 'text-anchor="end" opacity=".65"')
    for tick in ticks(plane.x, 6):
        x = LEFT + plane.x.place(tick) * plane.width
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{bottom + 4:.1f}" {rule}/>'
        yield _text(x, bottom + 18, f"{tick:,g}", 'text-anchor="middle" opacity=".65"')
    yield _text(right, bottom + 34, x_label, 'text-anchor="end" opacity=".65"')


def _lines(curves: Sequence[Curve], plane: _Plane) -> Iterator[str]:
    for index, curve in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        for stretch in _stretches(curve, plane.y):
            points = [plane.at(x, y) for x, y in stretch]
            if len(points) == 1:
                x, y = points[0].split(",")
                yield f'<circle cx="{x}" cy="{y}" r="2.2" fill="{colour}"/>'
            else:
                yield (
                    f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
                    'stroke-width="1.6" stroke-linejoin="round"/>'
                )


def _stretches(curve: Curve, y_axis: Axis) -> Iterator[list[tuple[float, float]]]:
    """Yield the parts of a curve between its gaps."""
    stretch: list[tuple[float, float]] = []
    for x, y in zip(curve.xs, curve.ys, strict=True):
        if y_axis.takes(y):
            stretch.append((x, y))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _legend(curves: Sequence[Curve], top: int) -> Iterator[str]:
    for index, curve in enumerate(curves[:MOST_NAMED]):
        y, colour = top + LEGEND * index + 6, COLOURS[index % len(COLOURS)]
        yield f'<rect x="{LEFT}" y="{y - 4}" width="16" height="3" rx="1.5" fill="{colour}"/>'
        last = next((value for value in reversed(curve.ys)), math.nan)
        yield _text(LEFT + 24, y, f"{cut(safe(curve.name), 60)}   last {number(last)}")
    if len(curves) > MOST_NAMED:
        y = top + LEGEND * MOST_NAMED + 6
        yield _text(LEFT + 24, y, f"... and {len(curves) - MOST_NAMED:,} more", 'opacity=".65"')


def sparkline_svg(values: Iterable[float], width: int = 110, height: int = 20) -> str:
    """Return a small curve without axes; '' if nothing can be drawn."""
    ys = list(values)
    y = axis_of(ys, log=False)
    if y is None or len(ys) < 2:
        return ""
    plane = Axis(0, len(ys) - 1)
    paths = []
    for stretch in _stretches(Curve("", range(len(ys)), ys), y):
        points = (
            f"{1 + plane.place(x) * (width - 2):.1f},{height - 2 - y.place(v) * (height - 4):.1f}"
            for x, v in stretch
        )
        paths.append(f'<polyline points="{" ".join(points)}"/>')
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true" '
        f'fill="none" stroke="{COLOURS[0]}" stroke-width="1.3" stroke-linejoin="round">{"".join(paths)}</svg>'
    )
