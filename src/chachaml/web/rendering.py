"""Pages from templates: what is put into one is escaped, unless it was made safe here."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chachaml.core.ids import short
from chachaml.display.words import count, duration, size, value_text
from chachaml.surfaces.http.answers import as_json
from chachaml.web import static_files

__all__ = ["brief", "embedded", "render"]

_IN_SCRIPTS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]"
)


def render(template: str, **given: Any) -> str:
    """Return a page or a part of one.

    Args:
        template: Its file in ``templates``.
        given: What stands in it.
    """
    return _environment().get_template(template).render(given)


def embedded(data: Any) -> Markup:
    """Return plain data and structs as JSON that may stand within a ``<script type="application/json">``."""
    text = as_json(data).decode()
    for char, escape in _IN_SCRIPTS.items():
        text = text.replace(char, escape)
    return Markup(text)  # noqa: S704 - nothing in it can end the element


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("chachaml.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "json": embedded,
        "number": _number,
        "value": value_text,
        "printed": _printed,
        "counted": count,
        "duration": _duration,
        "size": size,
        "short": short,
        "moment": _moment,
        "iso": lambda time: time.isoformat(),
    }
    made.globals["build"] = static_files.version()
    return made


def brief(value: float) -> str:
    """Return a number with four digits, as ``static/lib/format.js`` writes it."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    size = abs(value)
    if value == int(value) and size < 1e7:
        return str(int(value))
    if size >= 1e7 or size < 1e-4:
        digits, _, power = f"{value:.3e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    text = f"{value:.4g}"
    return f"{float(text):.0f}" if "e" in text else text


def _printed(text: str) -> str:
    """Return what was printed without what only a terminal understands."""
    return _ESCAPES.sub("", text)


def _number(value: Any) -> str:
    return brief(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _moment(time: datetime) -> str:
    """Return a time as it stands until a script puts "3 min ago" in its place."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
