"""Texts of other tools as they are here: names that fit, values that are numbers."""

from __future__ import annotations

import math
from typing import Any

from chachaml.core.values import MAX_KEY

__all__ = ["clean", "key_of", "typed"]


def clean(text: object, most: int = 0) -> str:
    """Return text that every store can keep: without NUL and halves of surrogate pairs, and not too long."""
    kept = str(text).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return kept[:most] if most else kept


def key_of(text: object) -> str:
    """Return text that can name a param, metric or tag."""
    return clean(text, MAX_KEY) or "unnamed"


def typed(text: str) -> Any:
    """Return the number or truth value that a text is, if it reads as this text again; else the text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            value = kind(text)
        except (ValueError, OverflowError):
            continue
        if str(value) == text and math.isfinite(value):
            return value
    return text
