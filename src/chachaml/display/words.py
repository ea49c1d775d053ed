"""The small pieces: numbers, durations, times and other people's text, made fit to print."""

from __future__ import annotations

import json
import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "Paint",
    "ansi",
    "cells",
    "code_text",
    "count",
    "cut",
    "duration",
    "machine_text",
    "moment",
    "number",
    "pad",
    "pairs",
    "path_text",
    "plain",
    "safe",
    "size",
    "value_text",
]

Paint = Callable[[str, str], str]
"""Adds a style ("dim", "strong", "accent", "line0".."line5" or a run's status) to text."""

_CODES = {
    "dim": "2",
    "strong": "1",
    "accent": "1;36",
    "running": "36",
    "completed": "32",
    "failed": "31",
    "interrupted": "33",
    "crashed": "1;31",
    "line0": "36",
    "line1": "33",
    "line2": "35",
    "line3": "32",
    "line4": "34",
    "line5": "31",
}
_JOINERS = "\u200d\u00a0"
"""Not printable by Python's rules, yet harmless: they hold emoji and names together."""


def plain(text: str, style: str) -> str:  # noqa: ARG001 - a Paint takes both
    """Return `text` as it is: the paint of pipes, files and reprs."""
    return text


def ansi(text: str, style: str) -> str:
    """Return `text` in colour, for terminals."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if text.strip() else text


def safe(text: str) -> str:
    """Return `text` on one line without control characters, so that it cannot drive a terminal.

    Escape sequences, line breaks and direction overrides appear as Python escapes.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in text)


def cells(text: str) -> int:
    """Return how many terminal cells `text` takes: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cell(c) for c in text)


def _cell(char: str) -> int:
    if unicodedata.combining(char) or char == "\u200d" or "\ufe00" <= char <= "\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, ending in … if some of it is missing."""
    # Anything longer than this cannot fit: do not measure ten megabytes to print a line.
    if len(text) <= 4 * width and cells(text) <= width:
        return text
    kept, room = "", width - 1
    for char in text:
        room -= _cell(char)
        if room < 0:
            break
        kept += char
    return kept + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` filled with spaces to `width` cells."""
    fill = " " * (width - cells(text))
    return fill + text if right else text + fill


def number(value: float) -> str:
    """Return `value` with six significant digits; whole numbers in full."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def count(amount: int, noun: str) -> str:
    """Return for example ``1 run`` or ``1,200 runs``."""
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")


def duration(seconds: float | None) -> str:
    """Return for example ``500ms``, ``5.0s``, ``1m 30s``, ``2h 5m``, ``3d 4h``; ``-`` for none."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    minutes = whole // 60
    if minutes < 24 * 60:
        return f"{minutes // 60}h {minutes % 60}m"
    return f"{minutes // (24 * 60)}d {minutes // 60 % 24}h"


def moment(time: datetime, *, now: datetime | None = None) -> str:
    """Return `time` in the local zone.

    Args:
        time: An aware time.
        now: When given, the short form for tables: ``Nov 23 14:02``, or ``2025 Nov 23`` for
            another year than this one's.
    """
    try:
        local = time.astimezone()
        this_year = now is None or local.year == now.astimezone().year
    except (OverflowError, OSError, ValueError):  # the ends of the calendar have no local zone
        local, this_year = time.replace(tzinfo=UTC), False
    if now is None:
        return local.strftime("%Y-%m-%d %H:%M:%S")
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[local.month - 1]
    if this_year:
        return f"{month} {local.day:2} {local:%H:%M}"
    return f"{local.year:4} {month} {local.day:2}"


def value_text(value: Any) -> str:
    """Return a param's value on one line, as people would write it."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return safe(value) if value.strip() == value != "" else repr(value)
    if isinstance(value, (list, dict)):
        return safe(json.dumps(value, ensure_ascii=False))
    return safe(str(value))


def path_text(path: str | os.PathLike[str]) -> str:
    """Return a path as one types it here: relative, unless it is on another drive."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return os.fspath(path)


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Return tags on one line: ``model=svm, stage=try``."""
    return ", ".join(f"{safe(key)}={safe(value)}" for key, value in items)


def size(amount: int) -> str:
    """Return a number of bytes as people read it: "512 B", "2.0 KiB", "5.00 MiB"."""
    if amount < 1024:
        return f"{amount} B"
    power = min((amount.bit_length() - 1) // 10, 4)
    digits = 1 if power == 1 else 2
    return f"{amount / 1024**power:.{digits}f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def code_text(environment: Mapping[str, Any]) -> str:
    """Return which version of the code a run was made from; '' if that is not known."""
    sha, branch = str(environment.get("git.sha", ""))[:10], environment.get("git.branch")
    if not sha:
        return ""
    changed = ", with changes that are not committed" if environment.get("git.dirty") else ""
    return safe(f"{sha}{f' on {branch}' if branch else ''}{changed}")


def machine_text(environment: Mapping[str, Any]) -> str:
    """Return on what a run ran; '' if that is not known."""
    python, gpus = environment.get("python"), environment.get("gpu") or []
    facts = [environment.get("host"), f"Python {python}" if python else "", *dict.fromkeys(gpus)]
    return safe(", ".join(str(fact) for fact in facts if fact))
