"""What may be logged: numbers for metrics, JSON for params, text for keys and tags.

Everything is checked where it enters, so that no store ever meets a value that another one
cannot keep. Bad input is a `BadValue` that names the key and the type.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from chachaml.core.errors import BadValue

__all__ = [
    "MAX_KEY",
    "as_number",
    "as_step",
    "as_text",
    "canonical",
    "check_key",
    "flatten",
    "json_ready",
    "parse",
    "same_value",
]

MAX_PARAM = 16_000_000
"""The longest param as JSON, in characters; larger things are artifacts."""

MAX_KEY = 1000
"""The longest key, in characters."""

_PLAIN = 4000
"""Characters of JSON up to which the quick decoder reads all numbers: it refuses the very long ones."""

_FLOAT = "$float"
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INT64 = range(-(2**63), 2**63)


def as_text(what: str, text: object) -> str:
    """Return `text` if every store can keep it: a str without NUL and lone surrogates."""
    if not isinstance(text, str):
        raise BadValue(f"{what} must be a string, not {_kind(text)}")
    if "\0" in text:
        raise BadValue(f"{what} holds a NUL character: {text[:80]!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadValue(
            f"{what} holds half of a surrogate pair at character {error.start}: {text[:80]!r}",
            "decode it with errors='replace' first",
        ) from None
    return str(text)


def check_key(what: str, key: object) -> str:
    """Return `key` if it can name a param, metric or tag: text of 1 to `MAX_KEY` characters."""
    text = as_text(f"{what} key", key)
    if not text:
        raise BadValue(f"{what} key is empty")
    if len(text) > MAX_KEY:
        raise BadValue(f"{what} key is {len(text):,} characters long, {MAX_KEY:,} at most: {text[:60]!r}...")
    return text


def as_number(key: str, value: Any) -> float:
    """Return a metric's `value` as a float.

    Takes int, float, bool, Decimal, anything with ``__float__``, and arrays or tensors of one
    element (numpy, torch, jax, ...). NaN and infinities are numbers.

    Raises:
        BadValue: Anything else, naming the key and the type.
    """
    if isinstance(value, (str, bytes, complex)) or value is None:
        raise _not_a_number(key, value)
    number = value
    try:
        if not isinstance(value, (int, float, Decimal)) and callable(item := getattr(value, "item", None)):
            number = item()
        if not isinstance(number, (str, bytes, complex)):
            return float(number)
    except OverflowError:
        raise BadValue(f"metric {key!r}: {_kind(value)} is too large for a 64-bit float") from None
    except Exception as error:
        raise _not_a_number(key, value, str(error)) from error
    raise _not_a_number(key, value)


def _not_a_number(key: str, value: object, why: str = "") -> BadValue:
    shape = getattr(value, "shape", None)
    kind = _kind(value) + (f" of shape {tuple(shape)}" if shape is not None else "")
    return BadValue(
        f"metric {key!r} must be one number, not {kind}" + (f" ({why})" if why else ""),
        "log one value per key: a float, an int, or an array of one element",
    )


def as_step(key: str, step: Any) -> int:
    """Return `step` as an int64; whole floats and integer scalars of any library pass."""
    try:
        whole = (
            step if isinstance(step, int) else step.__index__() if hasattr(step, "__index__") else int(step)
        )
        if whole == step and whole in _INT64:
            return int(whole)
    except (TypeError, ValueError, OverflowError):
        pass
    raise BadValue(f"metric {key!r}: step must be a whole number in 64 bits, not {step!r} ({_kind(step)})")


def flatten(params: object) -> dict[str, str]:
    """Return params as {dotted key: canonical JSON}.

    Takes a mapping, a dataclass instance, or an ``argparse.Namespace`` (anything whose ``vars()``
    are its values); mappings and dataclasses inside become ``outer.inner`` keys.
    """
    flat: dict[str, str] = {}
    try:
        _flatten_into(flat, "", _as_mapping("params", params))
    except RecursionError:
        raise BadValue("params contain themselves, or are nested too deep") from None
    return flat


def _flatten_into(flat: dict[str, str], prefix: str, params: Mapping[Any, Any]) -> None:
    for key, value in params.items():
        name = prefix + check_key("param", key if isinstance(key, str) else str(key))
        if (isinstance(value, Mapping) and value) or _is_dataclass(value):
            _flatten_into(flat, name + ".", _as_mapping(name, value))
            continue
        name = check_key("param", name)
        text = canonical(name, value)
        if flat.setdefault(name, text) != text:
            raise BadValue(f"param {name!r} is given twice, as {flat[name]} and {text}")


def _as_mapping(what: str, value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    if _is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "__dict__") and not callable(value):
        return {key: inner for key, inner in vars(value).items() if not key.startswith("_")}
    raise BadValue(f"{what} must be a dict, a dataclass or a namespace, not {_kind(value)}")


def _is_dataclass(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def canonical(key: str, value: Any) -> str:
    """Return a param's `value` as canonical JSON: sorted keys, no spaces, strict.

    NaN and infinities, which JSON lacks, become ``{"$float":"NaN"}`` and so on; tuples and sets
    become lists, paths, dates and enums their text, classes and functions their dotted name.
    """
    try:
        text = json.dumps(_plain(key, value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        raise BadValue(f"param {key!r} contains itself, or is nested too deep") from None
    except BadValue:
        raise
    except ValueError as error:  # an int of thousands of digits, a signaling NaN
        raise BadValue(f"param {key!r} cannot be kept: {error}") from None
    if len(text) > MAX_PARAM:
        raise BadValue(
            f"param {key!r} is {len(text):,} characters as JSON, {MAX_PARAM:,} at most",
            f"log_artifact({key!r}, value) keeps anything",
        )
    return as_text(f"param {key!r}", text)


def _plain(key: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return as_text(f"param {key!r}", value) if isinstance(value, str) else value
    if isinstance(value, enum.Enum):
        return _plain(key, value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (float, Decimal)):
        return _plain_float(float(value))
    if isinstance(value, Mapping) or _is_dataclass(value):
        return _plain_mapping(key, _as_mapping(key, value))
    if isinstance(value, (list, tuple)):
        return [_plain(key, v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(key, v) for v in value), key=repr)
    return _plain_other(key, value)


def _plain_mapping(key: str, value: Mapping[Any, Any]) -> dict[str, Any]:
    plain = {as_text(f"param {key!r}", str(k)): _plain(key, v) for k, v in value.items()}
    if len(plain) < len(value):
        raise BadValue(f"param {key!r} has two keys of the same text, such as 1 and '1'")
    if plain.keys() == {_FLOAT}:
        raise BadValue(f"param {key!r} has a dict whose only key is {_FLOAT!r}, which stands for NaN here")
    return plain


def _plain_float(value: float) -> float | dict[str, str]:
    if math.isfinite(value):
        return value
    return {_FLOAT: "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"}


def _plain_other(key: str, value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return _plain(key, os.fspath(value))
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if callable(getattr(value, "tolist", None)):  # numpy and torch, scalars and arrays
        return _plain(key, value.tolist())
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    raise BadValue(
        f"param {key!r} cannot be kept: {_kind(value)} is not plain data",
        f"log what identifies it, for example str(value) or {key!r}: value.__class__.__name__",
    )


def _parse_float(value: dict[str, Any]) -> Any:
    name = value.get(_FLOAT)
    return _NON_FINITE.get(name, value) if len(value) == 1 and isinstance(name, str) else value


_decode = json.JSONDecoder(object_hook=_parse_float).decode


def parse(text: str) -> Any:
    """Return the value that `canonical` wrote as `text`."""
    if len(text) <= _PLAIN and _FLOAT not in text:
        return msgspec.json.decode(text)
    return _decode(text)


def json_ready(data: Any) -> Any:
    """Return plain data as strict JSON takes it: NaN and the infinities as the texts of those names."""
    if isinstance(data, float) and not math.isfinite(data):
        return "NaN" if math.isnan(data) else "Infinity" if data > 0 else "-Infinity"
    if isinstance(data, dict):
        return {key: json_ready(value) for key, value in data.items()}
    return [json_ready(value) for value in data] if isinstance(data, (list, tuple)) else data


def same_value(one: str, other: str) -> bool:
    """Tell whether two canonical values are equal: ``1`` is ``1.0``, but ``true`` is not ``1``."""
    return one == other or _same(parse(one), parse(other))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b or (a != a and b != b))


def _kind(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
