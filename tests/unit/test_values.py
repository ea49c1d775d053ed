from __future__ import annotations

import argparse
import dataclasses
import datetime
import enum
import json
import math
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chachaml.core.errors import BadValue
from chachaml.core.values import (
    MAX_KEY,
    as_number,
    as_step,
    as_text,
    canonical,
    check_key,
    flatten,
    parse,
    same_value,
)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Optimizer:
    name: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)


class Opaque:
    pass


class Grumpy:
    def __float__(self) -> float:
        raise RuntimeError("not today")


def kind(value: object) -> str:
    return type(value).__name__


def endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


# numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (0.1, 0.1),
        (2**80, float(2**80)),
        (Decimal("0.5"), 0.5),
        (5e-324, 5e-324),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7.0),
        (np.bool_(True), 1.0),
        (np.array(3), 3.0),
        (np.array([[2.5]]), 2.5),
        (np.float16(1.5), 1.5),
    ],
)
def test_numbers_of_many_kinds_are_taken(value: object, number: float) -> None:
    taken = as_number("k", value)
    assert type(taken) is float
    assert taken == number


def test_nan_infinities_and_the_sign_of_zero_are_numbers() -> None:
    assert math.isnan(as_number("k", math.nan))
    assert math.isnan(as_number("k", Decimal("NaN")))
    assert as_number("k", np.float64("-inf")) == -math.inf
    assert math.copysign(1, as_number("k", -0.0)) == -1


@pytest.mark.parametrize(
    "value",
    [
        "1",
        b"1",
        None,
        1j,
        [],
        [1.0],
        {},
        np.array([1.0, 2.0]),
        np.array("3"),
        np.complex64(1),
        np.datetime64("2020-01-01"),
        10**400,
        Decimal("sNaN"),
        Opaque(),
        Grumpy(),
        float,
    ],
)
def test_what_is_not_one_number_is_refused_with_its_key_and_type(value: object) -> None:
    with pytest.raises(BadValue) as caught:
        as_number("loss", value)
    assert "'loss'" in caught.value.message
    assert type(value).__qualname__ in caught.value.message


# steps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, -1, 2**63 - 1, -(2**63), 3.0, True, np.int32(5), np.float32(3)])
def test_whole_steps_are_taken(step: Any) -> None:
    taken = as_step("k", step)
    assert type(taken) is int
    assert taken == step


@pytest.mark.parametrize(
    "step", [2**63, -(2**63) - 1, 1.5, math.nan, math.inf, "1", None, np.array([1, 2]), 1j]
)
def test_other_steps_are_refused(step: object) -> None:
    with pytest.raises(BadValue, match="step"):
        as_step("loss", step)


# text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "x", "日本", "🦦", "e\u0301", "\u202e", "a\nb", "x" * 100_000, "Robert'); --"]
)
def test_text_is_taken_as_it_is(text: str) -> None:
    assert as_text("tag", text) == text


@pytest.mark.parametrize("text", [1, None, b"x", "a\0b", "\ud800", "x\udfff"])
def test_text_that_some_store_cannot_keep_is_refused(text: object) -> None:
    with pytest.raises(BadValue, match="tag"):
        as_text("tag", text)


def test_keys_have_one_to_a_thousand_characters() -> None:
    assert check_key("metric", "x" * MAX_KEY) == "x" * MAX_KEY
    with pytest.raises(BadValue, match="empty"):
        check_key("metric", "")
    with pytest.raises(BadValue, match="1,001"):
        check_key("metric", "x" * (MAX_KEY + 1))


# params --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        (10**80, "1" + "0" * 80),
        ("é", '"é"'),
        (math.nan, '{"$float":"NaN"}'),
        (-math.inf, '{"$float":"-Infinity"}'),
        (Decimal("0.1"), "0.1"),
        ((1, 2), "[1,2]"),
        ({3, 1}, "[1,3]"),
        ([{"b": 1, "a": 2}], '[{"a":2,"b":1}]'),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        (Optimizer, '"test_values.Optimizer"'),
        ([Optimizer()], '[{"betas":[0.9,0.999],"name":"adam"}]'),
        (PurePosixPath("/data"), '"/data"'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        (datetime.timedelta(seconds=1.5), "1.5"),
        (np.float64(0.5), "0.5"),
        (np.array([1, 2]), "[1,2]"),
        (np.array([math.inf]), '[{"$float":"Infinity"}]'),
    ],
)
def test_params_become_canonical_json(value: object, text: str) -> None:
    written = canonical("k", value)
    assert written.replace(f"{__name__}.", "test_values.") == text
    json.loads(written, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    "value",
    [b"x", Opaque(), endless(), "\0", "\ud800", {"\0": 1}, {"\ud800": 1}, 10**5000, Decimal("sNaN")],
    ids=kind,
)
def test_what_is_not_plain_data_is_refused_with_its_key(value: object) -> None:
    with pytest.raises(BadValue, match="'the key'"):
        canonical("the key", value)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc$float", max_size=6), inner),
    max_leaves=12,
)


@given(plain)
def test_plain_data_comes_back_as_it_was(value: object) -> None:
    back = parse(canonical("k", value))
    assert canonical("k", back) == canonical("k", value)


@pytest.mark.parametrize(
    "text", ['{"$float":[1]}', '{"$float":"x"}', '{"$float":null}', '{"$float":"NaN","a":1}']
)
def test_what_only_looks_like_a_marked_float_is_left_alone(text: str) -> None:
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize(
    "value",
    [10**500, -(10**4200), 2**64, -0.0, 5e-324, 1.7976931348623157e308, "x" * 5000, "$float", [1.0, 1]],
)
def test_long_and_odd_values_come_back_as_they_were(value: object) -> None:
    assert repr(parse(canonical("k", value))) == repr(value)


def test_nested_params_get_dotted_keys() -> None:
    params = {
        "lr": 0.1,
        "model": {"depth": 3, "act": {"name": "relu"}},
        "opt": Optimizer(),
        "none": {},
        7: "x",
    }
    assert flatten(params) == {
        "lr": "0.1",
        "model.depth": "3",
        "model.act.name": '"relu"',
        "opt.name": '"adam"',
        "opt.betas": "[0.9,0.999]",
        "none": "{}",
        "7": '"x"',
    }


def test_dataclasses_and_namespaces_are_params() -> None:
    assert flatten(Optimizer("sgd")) == {"name": '"sgd"', "betas": "[0.9,0.999]"}
    assert flatten(argparse.Namespace(lr=1, _private=2)) == {"lr": "1"}


def test_one_key_given_twice_is_refused_unless_the_values_agree() -> None:
    assert flatten({"a": {"b": 1}, "a.b": 1}) == {"a.b": "1"}
    with pytest.raises(BadValue, match="twice"):
        flatten({"a": {"b": 1}, "a.b": 2})


@pytest.mark.parametrize("params", [None, 3, "ab", [1], Optimizer, {"": 1}, {"a": {"x" * MAX_KEY: 1}}])
def test_what_holds_no_params_is_refused(params: object) -> None:
    with pytest.raises(BadValue):
        flatten(params)


@pytest.mark.parametrize("value", [[{1: "a", "1": "b"}], [{"$float": "NaN"}]], ids=["same keys", "NaN's"])
def test_dicts_that_would_not_come_back_are_refused(value: object) -> None:
    with pytest.raises(BadValue, match="param 'x'"):
        flatten({"x": value})


def test_params_that_contain_themselves_are_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(BadValue, match="contain themselves"):
        flatten(loop)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.0", True),
        ("1", "true", False),
        ("0", "false", False),
        ("0.0", "-0.0", True),
        ('"1"', "1", False),
        ("[1]", "[1]", True),
        ("[1,2]", "[1.0,2]", True),
        ("[1]", "[true]", False),
        ("[1]", "[1,1]", False),
        ('[{"a":0}]', '[{"a":0.0}]', True),
        ('[{"a":0}]', '[{"a":0,"b":1}]', False),
        ('[{"$float":"NaN"},1]', '[{"$float":"NaN"},1.0]', True),
        ('{"$float":"NaN"}', '{"$float":"NaN"}', True),
        ('{"$float":"NaN"}', '{"$float":"Infinity"}', False),
        ("null", "null", True),
    ],
)
def test_equality_of_params(one: str, other: str, same: bool) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same
