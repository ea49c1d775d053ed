"""The part of YAML that tools write small files in: keys with one value each, the keys below one as well."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["flat_yaml", "scalar"]


def flat_yaml(text: str) -> dict[str, Any]:
    """Return the scalars of a YAML mapping: texts, whole and real numbers, truth values and None.

    Lines that go on are put together. Mappings inside are dicts; anything else stays text.
    """
    found: dict[str, Any] = {}
    inside: dict[str, Any] | None = None
    last = ""
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.strip().partition(":")
        if line[0] == " " and inside is not None and colon and (not value or value[0] == " "):
            inside[_text(key)] = scalar(value.strip())
        elif line[0] in " -" and last:
            found[last] = f"{found[last] or ''} {line.strip()}".strip()
        elif colon:
            last, inside = _text(key), None
            found[last] = value.strip()
            if not value.strip():
                inside = found[last] = {}
    return {key: scalar(value) if isinstance(value, str) else value or None for key, value in found.items()}


def _text(text: str) -> str:
    value = scalar(text)
    return value if isinstance(value, str) else text


def scalar(text: str) -> Any:
    """Return what a scalar is: a number, truth value, None or text."""
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            return text.strip('"')
    if text in ("null", "~", ""):
        return None
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
