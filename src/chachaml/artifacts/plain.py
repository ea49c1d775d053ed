"""Plain Python data as JSON that gives back an equal value.

What JSON lacks is a dict with one key: ``{"$tuple": [...]}``, ``{"$set": [...]}``,
``{"$bytes": base64}``, ``{"$float": "NaN"}``, ``{"$datetime": iso}``, ``{"$date": iso}``, and
``{"$dict": [[key, value], ...]}`` for dicts whose keys are not all text or might be taken for one of these.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Callable
from typing import Any

__all__ = ["NotPlain", "dumps", "loads"]


class NotPlain(Exception):
    """The value is not plain data; the argument is the first type that is not."""


def dumps(value: object) -> bytes:
    """Return `value` as JSON.

    Raises:
        NotPlain: Something in it is not plain data, or it contains itself.
    """
    try:
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=1).encode()
    except RecursionError:
        raise NotPlain("data that contains itself or is nested too deep") from None
    except UnicodeEncodeError:
        raise NotPlain("text that is not Unicode") from None


def loads(data: bytes) -> Any:
    """Return the value that `dumps` wrote, or any JSON as plain data."""
    return json.loads(data, object_hook=_typed)


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (str, bool, int):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if kind is list:
        return [_plain(each) for each in value]
    if kind is dict:
        return _plain_dict(value)
    if write := _WRITERS.get(kind):
        return {f"${kind.__name__}": write(value)}
    if kind.__module__ == "numpy" and hasattr(value, "ndim") and value.ndim == 0 and hasattr(value, "item"):
        number = value.item()  # a numpy scalar equals the Python number
        if type(number) in (bool, int, float):
            return _plain(number)
    raise NotPlain(f"{kind.__module__}.{kind.__qualname__}")


def _plain_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if all(type(key) is str for key in value) and not (len(value) == 1 and next(iter(value))[:1] == "$"):
        return {key: _plain(each) for key, each in value.items()}
    return {"$dict": [[_plain(key), _plain(each)] for key, each in value.items()]}


def _typed(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        ((name, inner),) = found.items()
        if read := _READERS.get(name):
            return read(inner)
    return found


def _in_order(values: Any) -> list[Any]:
    return sorted((_plain(each) for each in values), key=repr)


_WRITERS: dict[type, Callable[[Any], Any]] = {
    tuple: lambda value: [_plain(each) for each in value],
    set: _in_order,
    frozenset: _in_order,
    bytes: lambda value: base64.b64encode(value).decode(),
    datetime.datetime: datetime.datetime.isoformat,
    datetime.date: datetime.date.isoformat,
}

_READERS: dict[str, Callable[[Any], Any]] = {
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$bytes": base64.b64decode,
    "$float": float,
    "$datetime": datetime.datetime.fromisoformat,
    "$date": datetime.date.fromisoformat,
    "$dict": lambda pairs: {key: value for key, value in pairs},  # noqa: C416 - dict() refuses lists of lists
}
