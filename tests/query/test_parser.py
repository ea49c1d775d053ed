"""Text to expression and back; every mistake is a `BadQuery` that shows its place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chachaml.core.errors import BadQuery
from chachaml.core.query import (
    And,
    Compare,
    Expression,
    Field,
    In,
    IsNan,
    IsNull,
    Not,
    Or,
    Order,
    parse,
    parse_order,
)
from tests.query.expressions import expressions, orders

NOW = 1_800_000_000_000_000
ACC, LR = Field("metric", "acc"), Field("param", "lr")
TEAM, STARTED = Field("tag", "team"), Field("attribute", "started")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.acc > 0.9", Compare(ACC, ">", 0.9)),
        ("metrics.acc.max >= 1e-3", Compare(Field("metric", "acc", "max"), ">=", 1e-3)),
        ("metrics.`acc.max` == 2", Compare(Field("metric", "acc.max"), "=", 2)),
        ('metrics."my key" <> 2', Compare(Field("metric", "my key"), "!=", 2)),
        ("metrics.val/loss < inf", Compare(Field("metric", "val/loss"), "<", math.inf)),
        ("params.model.act = 'relu'", Compare(Field("param", "model.act"), "=", "relu")),
        ("params.`a``b` = 'it''s'", Compare(Field("param", "a`b"), "=", "it's")),
        ('params.lr = "x"', Compare(LR, "=", "x")),
        ("params.use = true", Compare(Field("param", "use"), "=", True)),
        ("tag.team in ('a', 'b',3)", In(TEAM, ("a", "b", 3))),
        ("tags.team not in ('a')", Not(In(TEAM, ("a",)))),
        ("tags.team NOT LIKE 'a%'", Not(Compare(TEAM, "like", "a%"))),
        ("name ilike '%base_'", Compare(Field("attribute", "name"), "ilike", "%base_")),
        ("params.lr is not null", Not(IsNull(LR))),
        ("metrics.acc is nan", IsNan(ACC)),
        ("params.lr between 1 and 2", And((Compare(LR, ">=", 1), Compare(LR, "<=", 2)))),
        ("started > -7d", Compare(STARTED, ">", NOW - 7 * 86_400_000_000)),
        ("attributes.start_time > 1664067852747", Compare(STARTED, ">", 1664067852747000)),
        ("started >= '2026-11-01T00:00:00+00:00'", Compare(STARTED, ">=", 1793491200000000)),
        ("duration > 5m", Compare(Field("attribute", "duration"), ">", 300.0)),
        ("status = FINISHED", Compare(Field("attribute", "status"), "=", "completed")),
        ("run_name = 'x'", Compare(Field("attribute", "name"), "=", "x")),
        ("archived = false", Compare(Field("attribute", "archived"), "=", False)),
        ("dataset.name = 'mnist'", Compare(Field("dataset", "name"), "=", "mnist")),
        ("datasets.context in ('train')", In(Field("dataset", "role"), ("train",))),
        ("note ~ 'todo|fixme'", Compare(Field("tag", "note"), "~", "todo|fixme")),
    ],
)
def test_what_people_write(text: str, expected: Expression) -> None:
    assert parse(text, now=NOW) == expected


def test_not_binds_before_and_and_before_or() -> None:
    a, b, c = (Compare(Field("metric", key), ">", 0) for key in "abc")
    assert parse("not metrics.a>0 and metrics.b>0 or metrics.c>0") == Or((And((Not(a), b)), c))
    assert parse("metrics.a>0 or metrics.b>0 and metrics.c>0") == Or((a, And((b, c))))
    assert parse("(metrics.a>0 or metrics.b>0) and metrics.c>0") == And((Or((a, b)), c))


def test_orders() -> None:
    text = "metrics.acc.max DESC, params.lr, started asc"
    assert parse_order(text) == (Order(Field("metric", "acc", "max"), True), Order(LR), Order(STARTED))


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("metrics.acc >", 14, "a value"),
        ("metrics.acc > 'x'", 15, "number"),
        ("metrics.acc 3", 13, "comparison"),
        ("metrics.acc > 3 metrics.b > 4", 17, "and, or"),
        ("(metrics.acc > 3", 17, "parenthesis"),
        ("acuracy > 3", 1, "no 'acuracy'"),
        ("status = 'complete'", 10, "status"),
        ("params.lr = null", 13, "is null"),
        ("metrics.acc = nan", 15, "is nan"),
        ("tags.team like 3 or", 20, "field"),
        ("started > 'yesterday'", 11, "time"),
        ("archived > true", 10, "true or false"),
        ("name ~ '(a+)+$'", 8, "for ever"),
        ("name ~ '['", 8, "regular expression"),
        ("dataset.size > 3", 1, "name, role, digest, source"),
        ("metrics.acc > 3 ; drop table runs", 17, "';'"),
        ("tags.team = 'open", 13, "quote"),
        ("", 1, "expected a field"),
        ("and", 1, "field"),
        ("(" * 200 + "metrics.a > 1", 102, "parentheses"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, column: int, why: str) -> None:
    with pytest.raises(BadQuery, match=f"(?s){why}.*column {column}\\b"):
        parse(text)


def test_the_caret_stands_under_the_mistake() -> None:
    with pytest.raises(BadQuery) as caught:
        parse("metrics.acc > 0.9 and status = 'complete'")
    line, caret = str(caught.value).splitlines()[1:3]
    assert line[caret.index("^") :].startswith("'complete'")
    assert "completed" in str(caught.value)


@given(expressions)
def test_the_text_of_an_expression_is_that_expression(expression: Expression) -> None:
    assert parse(str(expression)) == expression


@given(st.lists(orders, min_size=1, max_size=3))
def test_the_text_of_an_order_is_that_order(ordered: list[Order]) -> None:
    assert parse_order(", ".join(map(str, ordered))) == tuple(ordered)


_PIECES = st.sampled_from(
    """metrics. params.a tags.`xy` and or not ( ) in is null ' " ` = <= ~ like 3 1e5 -7d nan , . status
    started 'x' between""".split()
)


@given(st.text(max_size=60) | st.lists(_PIECES, max_size=12).map(" ".join))
def test_any_text_parses_or_is_a_bad_query(text: str) -> None:
    for read in (parse, parse_order):
        try:
            read(text)
        except BadQuery as error:
            assert 0 <= error.at <= len(text)
