"""How a store is asked over a wire: the calls that there are, and their arguments and results as bytes.

Bytes are msgpack, which keeps NaN, infinities and -0.0. The calls are those of the protocol
(`chachaml.store.protocol.Store`), read off its signatures, so that both ends always agree.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import msgspec
from msgspec import msgpack

from chachaml.core.errors import BadValue
from chachaml.core.model import RunQuery
from chachaml.core.query.expressions import Expression, Order
from chachaml.store import protocol
from chachaml.store.protocol import Store

if TYPE_CHECKING:
    from chachaml.core.model import Series

__all__ = ["READS", "WRITES", "Call", "call", "pack", "unpack"]

WRITES = ("apply", "apply_all")

READS = tuple(
    name
    for name, value in vars(Store).items()
    if inspect.isfunction(value) and not name.startswith("_") and name not in (*WRITES, "close", "sync")
)
"""The calls that change nothing."""

_OF_POINTS = ("read_series", "read_outlines")

_BIG = 1
"""Marks an integer of more than 64 bits, which msgpack lacks."""


class Points(msgspec.Struct, frozen=True, array_like=True):
    """A `Series`, its columns as little-endian bytes of 8 an entry."""

    run: str
    key: str
    steps: bytes
    times: bytes
    values: bytes
    total: int
    sampled: bool


_Query = msgspec.defstruct(
    "RunQuery",
    [
        (name, kind, RunQuery.__struct_defaults__[place])
        for place, (name, kind) in enumerate(
            get_type_hints(RunQuery, localns={"Expression": Expression, "Order": Order}).items()
        )
    ],
    frozen=True,
    omit_defaults=True,
)
"""A `RunQuery` whose types are all known here."""


class Call:
    """One call of the protocol: how its arguments and its result travel."""

    def __init__(self, name: str) -> None:
        hints = get_type_hints(getattr(Store, name), vars(protocol))
        self.name, self._result = name, hints.pop("return")
        self._names = tuple(hints)
        defaults = inspect.signature(getattr(Store, name)).parameters
        self._arguments = msgspec.defstruct(
            name,
            [
                (one, _Query if kind is RunQuery else kind)
                if defaults[one].default is inspect.Parameter.empty
                else (one, kind, defaults[one].default)
                for one, kind in hints.items()
            ],
            forbid_unknown_fields=True,
        )

    def pack_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """Return arguments as bytes; sets and the like become lists."""
        given = {**dict(zip(self._names, args, strict=False)), **kwargs}
        return pack({name: _plain(value) for name, value in given.items()})

    def unpack_arguments(self, data: bytes) -> dict[str, Any]:
        """Return arguments from bytes.

        Raises:
            BadValue: They are not those of the call.
        """
        found = msgspec.structs.asdict(unpack(data, self._arguments))
        query = found.get("query")
        return found if query is None else {**found, "query": RunQuery(**msgspec.structs.asdict(query))}

    def pack_result(self, result: Any) -> bytes:
        """Return a result as bytes."""
        if self.name in _OF_POINTS:
            result = [*map(_as_points, result)] if isinstance(result, list) else _as_points(result)
        return pack(result)

    def unpack_result(self, data: bytes) -> Any:
        """Return a result from bytes."""
        if self.name == "read_series":
            return _as_series(unpack(data, Points))
        if self.name == "read_outlines":
            return [_as_series(one) for one in unpack(data, list[Points])]
        return None if self._result is type(None) else unpack(data, self._result)


@cache
def call(name: str) -> Call:
    """Return a call by its name, which is one of `READS` and `WRITES`."""
    return Call(name)


def pack(value: Any) -> bytes:
    """Return plain data and structs as msgpack."""
    try:
        return msgpack.encode(value)
    except OverflowError:
        return msgpack.encode(_small(msgspec.to_builtins(value, builtin_types=(bytes,))))


def unpack(data: bytes, kind: Any) -> Any:
    """Return what `pack` packed.

    Raises:
        BadValue: It is nothing of that kind.
    """
    try:
        return msgpack.decode(data, type=kind, ext_hook=_big)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadValue(f"what was sent is not as it should be: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, RunQuery):
        return _Query(**msgspec.structs.asdict(value))
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else value


def _small(value: Any) -> Any:
    """Return plain data whose large integers are marked."""
    if isinstance(value, dict):
        return {key: _small(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_small(one) for one in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return msgpack.Ext(_BIG, str(value).encode())
    return value


def _big(code: int, data: memoryview) -> int:
    if code != _BIG or len(data) > 4000:
        raise ValueError("an unknown extension")
    return int(bytes(data))


def _as_points(series: Series) -> Points:
    return Points(
        series.run,
        series.key,
        series.steps.astype("<i8").tobytes(),
        series.times.astype("<i8").tobytes(),
        series.values.astype("<f8").tobytes(),
        series.total,
        series.sampled,
    )


def _as_series(points: Points) -> Series:
    import numpy as np

    from chachaml.core.model import Series

    read = cast("Callable[..., Any]", np.frombuffer)
    return Series(
        run=points.run,
        key=points.key,
        steps=read(points.steps, "<i8"),
        times=read(points.times, "<i8"),
        values=read(points.values, "<f8"),
        total=points.total,
        sampled=points.sampled,
    )
