"""Odd values and keys, from the call through journal and store and back: kept exactly, or refused by name."""

from __future__ import annotations

import importlib.util
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chachaml as ml
from chachaml.core.errors import BadValue
from tests.seeds import SOAK

pytestmark = pytest.mark.usefixtures("folder")

MANY = settings(
    max_examples=20_000 if SOAK else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Moody:
    def __float__(self) -> float:
        raise RuntimeError("not today")


NUMBERS: list[Any] = [
    *(0, 1, -1, True, False, 2**53 + 1, 2**63, -(2**63), 2**80, 10**308),
    *(0.0, -0.0, 0.1, 5e-324, -5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf),
    *(Decimal("0.1"), Decimal("NaN"), Decimal("-Infinity"), Decimal(10) ** 300, Fraction(1, 3)),
    *(np.array([value]) for value in (0.5, 7, True)),
    np.array([[[2.5]]]),
    np.ma.masked_array([1.5], mask=[False]),
    np.float32(0.1),
]
for kind in "?bBhHiIlLqQefdg":
    NUMBERS += [np.dtype(kind).type(1), np.ones((), kind), np.ones(1, kind), np.ones(1, kind)[0]]

NO_NUMBERS: list[Any] = [
    *("1", b"1", None, 1j, [], [1.0], (1.0,), {}, {1}, object(), float, Moody(), 10**400, Decimal("sNaN")),
    *(np.ones(2), np.ones((1, 2)), np.ones(0), np.complex64(1), np.str_("1"), np.datetime64("2020")),
]


def bits(values: list[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in values]


def test_every_kind_of_number_comes_back_bit_for_bit() -> None:
    with ml.start_run() as run:
        for step, value in enumerate(NUMBERS):
            ml.log_metric("quick", value, step)
            ml.log_metrics({"a": value, "b": 1.0}, step)
    expected = [float(value.item() if isinstance(value, np.ndarray) else value) for value in NUMBERS]
    for key in ("quick", "a"):
        assert bits(ml.metric(run, key).values.tolist()) == bits(expected)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_refused_by_name_and_logs_nothing(value: object) -> None:
    with ml.start_run() as run:
        ml.log_metrics({"good": 1.0, "bad": 1.0})
        calls: list[Callable[[], None]] = [
            lambda: ml.log_metric("bad", value),
            lambda: ml.log_metrics({"good": 2.0, "bad": value}),
        ]
        for call in calls:
            with pytest.raises(BadValue, match="'bad'") as refusal:
                call()
            assert type(value).__name__ in str(refusal.value)
    assert ml.metric(run, "good").values.tolist() == ml.metric(run, "bad").values.tolist() == [1.0]


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_scalars_of_tensor_libraries_are_numbers(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if library == "torch":
        import torch

        values = [
            torch.tensor(0.5, requires_grad=True),
            torch.tensor([2]),
            torch.ones(1, dtype=torch.bfloat16),
        ]
    else:
        import jax.numpy as jnp

        values = [jnp.float32(0.5), jnp.array([2]), jnp.ones((), jnp.bfloat16)]
    with ml.start_run() as run:
        for value in values:
            ml.log_metric("x", value)
    assert ml.metric(run, "x").values.tolist() == [0.5, 2.0, 1.0]


STEPS = [0, -1, 2**63 - 1, -(2**63), 3.0, np.int8(5), np.uint64(6), True]


def test_every_whole_number_is_a_step() -> None:
    with ml.start_run() as run:
        for step in STEPS:
            ml.log_metric("x", 1.0, step)
            ml.log_metrics({"a": 1.0, "b": 1.0}, step)
        for wrong in (0.5, 2**63, -(2**63) - 1, math.nan, math.inf, "1", np.uint64(2**63)):
            with pytest.raises(BadValue, match="step"):
                ml.log_metric("x", 1.0, wrong)  # type: ignore[arg-type]
            with pytest.raises(BadValue, match="step"):
                ml.log_metrics({"a": 1.0, "b": 1.0}, wrong)  # type: ignore[arg-type]
    for key in ("x", "a"):
        assert ml.metric(run, key).steps.tolist() == sorted(int(step) for step in STEPS)


# keys ---------------------------------------------------------------------------------------------------

KEYS = [
    *("loss", "train/loss", "a.b[0].$c", "résumé", "re\u0301sume\u0301", "\u202eltr", "👩‍🚀", "SELECT 1; --"),
    *(
        "' OR ''='",
        '"',
        "\\",
        "%s{}",
        "\n\t\r",
        " ",
        "x" * 1000,
        "run",
        "key",
        "NULL",
        "__proto__",
        "-1",
        "\ufeff",
    ),
]
BAD_KEYS: list[Any] = ["", "\0", "a\0b", "\ud800", "x" * 1001, None, 1, b"x", ("a",)]


def test_every_key_comes_back_as_itself() -> None:
    with ml.start_run() as run:
        for number, key in enumerate(KEYS):
            ml.log_metric(key, number)
            ml.log_param(key, number)
            ml.add_tag(key, number)
        ml.log_metrics(dict.fromkeys(KEYS, 0.5), 7)
    found = ml.run(run.id)
    assert found.params == {key: number for number, key in enumerate(KEYS)}
    assert found.tags == {key: str(number) for number, key in enumerate(KEYS)}
    assert set(found.metrics) == set(KEYS)
    for number, key in enumerate(KEYS):
        assert ml.metric(run, key).values.tolist() == [number, 0.5]


@pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
def test_what_cannot_be_a_key_is_refused(key: Any) -> None:
    with ml.start_run():
        for call in (ml.log_metric, ml.add_tag):
            with pytest.raises(BadValue):
                call(key, 1.0)
        with pytest.raises(BadValue):
            ml.log_metrics({key: 1.0})


def test_sizes_that_nobody_expects() -> None:
    large = "x" * 10_000_000
    wide = {f"k{number}": float(number) for number in range(1_000_000 if SOAK else 20_000)}
    with ml.start_run() as run:
        ml.log_param("large", large)
        ml.log_metrics(wide, 1)
        ml.log_metrics(wide)
        ml.add_tag("large", large)
    found = ml.run(run.id)
    assert found.params["large"] == found.tags["large"] == large
    assert found.metrics == wide
    assert all(summary.count == 2 for summary in found.summaries.values())


# whatever Hypothesis thinks of --------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, of the same type, NaN and the sign of zero included."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(one[k], other[k]) for k in one)
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def test_any_params_come_back_as_they_were() -> None:
    with ml.start_run("params"):

        @MANY
        @given(st.text(max_size=30), plain)
        def check(key: str, value: Any) -> None:
            with ml.start_run() as run:
                try:
                    ml.log_params({"outer": {key: [value]}})
                except BadValue as refusal:
                    assert not key or "\0" in key or any(0xD800 <= ord(c) <= 0xDFFF for c in key), refusal
                    return
            assert same(ml.run(run.id).params[f"outer.{key}"], [value])

        check()


def test_any_points_come_back_as_they_were() -> None:
    keys = st.text(max_size=30)
    steps = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
    rows = st.lists(
        st.tuples(st.lists(keys, min_size=1, max_size=3, unique=True), st.floats(), steps), max_size=30
    )

    @MANY
    @given(rows)
    def check(rows: list[tuple[list[str], float, int | None]]) -> None:
        expected: dict[str, list[tuple[int, bytes]]] = {}
        tops: dict[str, int] = {}
        with ml.start_run() as run:
            for keys, value, step in rows:
                at = {key: tops.get(key, -1) + 1 if step is None else step for key in keys}
                try:
                    ml.log_metrics(dict.fromkeys(keys, value), step)
                except BadValue:
                    continue
                for key in keys:
                    tops[key] = max(tops.get(key, -1), at[key])
                    expected.setdefault(key, []).append((at[key], struct.pack("<d", value)))
        found = ml.run(run.id)
        assert set(found.metrics) == set(expected)
        for key, points in expected.items():
            series = ml.metric(run, key)
            points.sort(key=lambda point: point[0])
            assert series.steps.tolist() == [step for step, _ in points]
            assert bits(series.values.tolist()) == [value for _, value in points]

    check()
