"""No pattern that is taken keeps anybody waiting, whatever the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chachaml.core.errors import BadValue
from chachaml.core.query.patterns import check_pattern, pattern_matches

ATOMS = st.sampled_from(["a", ".", "[ab]", "b", "ab", "(?=a*)", r"\w"])
REPEATS = st.sampled_from(["", "", "*", "+?", "?", "{2}", "{0,100}", "{3,}", "{0,5000}", "*+"])
PATTERNS = st.recursive(
    st.builds("{}{}".format, ATOMS, REPEATS),
    lambda inner: st.one_of(
        st.builds("({}){}".format, inner, REPEATS),
        st.builds("(?:{}|{}){}".format, inner, inner, REPEATS),
        st.lists(inner, min_size=2, max_size=6).map("".join),
    ),
    max_leaves=12,
)


def taken(pattern: str) -> bool:
    try:
        check_pattern(pattern)
    except BadValue:
        return False
    return True


@settings(deadline=None, max_examples=150)
@given(PATTERNS)
@example("a*a*a*")
@example(".*.*")
@example("(a?){20}")
@example("a{0,100}" * 5)
@example("(a|a)" * 30)
@example("(" * 20 + "a?" + "){100}" * 20)
def test_whatever_is_taken_ends_soon(pattern: str) -> None:
    """Reckoned in time of this process; patterns of fewer ways take thousandths of it."""
    begin = time.process_time()
    if taken(pattern + "$!"):
        for text in ("a" * 5000, "ab" * 2500):
            pattern_matches("~", text, pattern + "$!")
    assert time.process_time() - begin < 4


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|b|ab)*c",
        "a*a*a*a*b",
        "(a*)*",
        r"(a)\1",
        "(a?){60}",
        "a{0,100}a{0,100}a{0,100}",
        "x" * 201,
    ],
)
def test_what_could_take_for_ever_is_refused(pattern: str) -> None:
    assert not taken(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("v[0-9]+$", "x" * 1900 + "-v12"),
        ("^(adam|sgd)-.*-v[0-9]+$", "adam-net-v3"),
        (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", "at 127.0.0.1"),
        ("net.*layers.*wide", "net of 3 layers, wide"),
        (r"^\w+@\w+\.\w+$", "ada@example.org"),
        ("(?i)todo|fixme", "a FixMe"),
    ],
)
def test_what_people_write_is_taken_and_found(pattern: str, text: str) -> None:
    assert taken(pattern)
    assert pattern_matches("~", text, pattern)
