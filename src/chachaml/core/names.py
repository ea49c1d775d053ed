"""Names that become paths: one function decides what an artifact may be called."""

from __future__ import annotations

import re

from chachaml.core.errors import BadValue
from chachaml.core.values import as_text

__all__ = ["check_artifact_name"]

MAX_NAME, MAX_PART = 1000, 200
"""The longest name and the longest part between two slashes, in characters."""

_DRIVE = re.compile(r"[A-Za-z]:([/\\]|$)")


def check_artifact_name(name: object) -> str:
    """Return `name` if an artifact may be called so.

    Any text will do, with slashes for folders. The rules are the same on every system, since a
    store made on one is opened on another: nothing absolute, no drive, no ``.`` or ``..``.

    Raises:
        BadValue: It could name something outside the run's own folder, or nothing.
    """
    if not isinstance(name, str):
        raise BadValue(f"an artifact's name must be a str, not {type(name).__name__}")
    as_text("artifact name", name)
    if why := _fault(name):
        raise BadValue(f"an artifact cannot be called {name[:100]!r}: {why}", "for example 'plots/roc.png'")
    return name


def _fault(name: str) -> str:
    parts = name.split("/")
    if not name.strip():
        return "the name is empty"
    if "\0" in name:
        return "it holds a NUL"
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return "it is an absolute path"
    if any(part in ("", ".", "..") for part in name.replace("\\", "/").split("/")):
        return "it has a part that is empty, '.' or '..'"
    if len(name) > MAX_NAME or max(map(len, parts)) > MAX_PART:
        return f"it is longer than {MAX_NAME:,} characters, or a part of it than {MAX_PART}"
    return ""
