"""Line charts as PNG, for those who take neither SVG nor script. Needs pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from chachaml.core.errors import MissingExtra
from chachaml.display.axes import Axis, Curve, axis_of, ticks
from chachaml.display.svg import COLOURS
from chachaml.display.words import cut, number, safe

__all__ = ["chart_png"]

_SCALE = 2
"""Drawn so many times as large, and then made smaller: that is what smooths the lines."""

_LEFT, _RIGHT, _TOP, _BOTTOM, _LEGEND = 70, 16, 34, 44, 18
_MOST_NAMED = 10
_INK, _FAINT, _GRID = "#222222", "#777777", "#dddddd"


class _Sheet(NamedTuple):
    """What is drawn on: pillow's drawing and fonts, and where the axes are."""

    draw: Any
    font: Any
    x: Axis
    y: Axis
    width: int
    height: int

    def at(self, x: float, y: float) -> tuple[float, float]:
        across, up = self.x.place(x) * self.width, self.y.place(y) * self.height
        return (_LEFT + across) * _SCALE, (_TOP + self.height - up) * _SCALE

    def write(self, x: float, y: float, text: str, anchor: str = "ls", colour: str = _FAINT) -> None:
        self.draw.text((x * _SCALE, y * _SCALE), text, colour, self.font, anchor)


def chart_png(
    curves: Sequence[Curve],
    *,
    title: str,
    x_label: str,
    width: int = 800,
    height: int = 400,
    log: bool = False,
) -> bytes:
    """Return curves over shared axes; NaN and infinities, and what a log axis cannot show, leave gaps.

    Args:
        curves: The lines.
        title: What they show.
        x_label: What the x axis is.
        width: Of the picture, in pixels.
        height: Of the picture without its legend.
        log: A logarithmic y axis.

    Raises:
        MissingExtra: pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise MissingExtra("drawing charts as PNG needs pillow", "pip install 'chachaml[agents]'") from None
    named = min(len(curves), _MOST_NAMED) + (len(curves) > _MOST_NAMED)
    whole = height + _LEGEND * named
    picture = Image.new("RGB", (width * _SCALE, whole * _SCALE), "white")
    nothing = Axis(0, 1)
    x = axis_of((float(x) for curve in curves for x in curve.xs), log=False)
    y = axis_of((float(y) for curve in curves for y in curve.ys), log)
    font = ImageFont.load_default(12 * _SCALE)
    plane = (x or nothing, y or nothing, width - _LEFT - _RIGHT, height - _TOP - _BOTTOM)
    sheet = _Sheet(ImageDraw.Draw(picture), font, *plane)
    sheet.write(_LEFT, 20, cut(safe(title), 90) + (" (log)" if log else ""), colour=_INK)
    if x is None or y is None:
        sheet.write(_LEFT, _TOP + 20, "no value that can be drawn")
    else:
        _grid(sheet, x_label)
        _lines(sheet, curves)
    _legend(sheet, curves, height)
    buffer = io.BytesIO()
    picture.reduce(_SCALE).save(buffer, "PNG")
    return buffer.getvalue()


def _grid(sheet: _Sheet, x_label: str) -> None:
    bottom, right = _TOP + sheet.height, _LEFT + sheet.width
    for tick in ticks(sheet.y, 5):
        _, y = sheet.at(sheet.x.low, tick)
        sheet.draw.line([(_LEFT * _SCALE, y), (right * _SCALE, y)], _GRID, _SCALE)
        sheet.write(_LEFT - 8, y / _SCALE, number(tick), "rm")
    for tick in ticks(sheet.x, 6):
        x, _ = sheet.at(tick, sheet.y.low)
        sheet.draw.line([(x, bottom * _SCALE), (x, (bottom + 4) * _SCALE)], _FAINT, _SCALE)
        sheet.write(x / _SCALE, bottom + 18, f"{tick:,g}", "ms")
    sheet.write(right, bottom + 36, x_label, "rs")


def _lines(sheet: _Sheet, curves: Sequence[Curve]) -> None:
    for index, curve in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        for stretch in _stretches(curve, sheet):
            if len(stretch) == 1:
                (x, y), r = stretch[0], 3 * _SCALE
                sheet.draw.ellipse([x - r, y - r, x + r, y + r], colour)
            else:
                sheet.draw.line(stretch, colour, 2 * _SCALE, "curve")


def _stretches(curve: Curve, sheet: _Sheet) -> Iterator[list[tuple[float, float]]]:
    stretch: list[tuple[float, float]] = []
    for x, y in zip(curve.xs, curve.ys, strict=True):
        if sheet.y.takes(y):
            stretch.append(sheet.at(x, y))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _legend(sheet: _Sheet, curves: Sequence[Curve], top: int) -> None:
    for index, curve in enumerate(curves[:_MOST_NAMED]):
        y, colour = top + _LEGEND * index + 6, COLOURS[index % len(COLOURS)]
        box = [_LEFT * _SCALE, (y - 5) * _SCALE, (_LEFT + 16) * _SCALE, (y - 2) * _SCALE]
        sheet.draw.rectangle(box, colour)
        last = curve.ys[-1] if len(curve.ys) else math.nan
        sheet.write(_LEFT + 24, y, f"{cut(safe(curve.name), 60)}   last {number(last)}")
    if len(curves) > _MOST_NAMED:
        y = top + _LEGEND * _MOST_NAMED + 6
        sheet.write(_LEFT + 24, y, f"... and {len(curves) - _MOST_NAMED:,} more")
