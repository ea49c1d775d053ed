"""The change of records: part of the vocabulary in `chachaml.core.changes`."""

from __future__ import annotations

import msgspec

__all__ = ["RecordKept"]


class RecordKept(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Something that only the adapter to another tool has a word for is kept, by its kind and key.

    ``value`` is JSON, or None to forget it; ``experiment`` is whose it is, '' for everybody's.
    """

    time: int
    kind: str
    key: str
    value: str | None
    experiment: str = ""
