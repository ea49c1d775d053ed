"""Plausible and odd searches, for tests to draw from."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from chachaml.core.query import And, Compare, Expression, Field, In, IsNan, IsNull, Not, Or, Order

METRICS, PARAMS, TAGS = ["loss", "acc.max", "läng'\"s"], ["lr", "model.act", "in `ticks`"], ["team", "note"]

NUMBERS = [0, 1, 2, -1, 0.5, 1e-3, 10**17, -0.0, math.inf, -math.inf]
TEXTS = ["", "1", "1.0", "x", "X", "relu", "true", "it's", "a%b", "NaN", "[1]", '{"a":1}', "日本", "null"]
PATTERNS = ["%", "_", "x%", "%a%", "_.0", "1", "", '%"%', "[1]", "re__", "TRUE"]
REGEXES = ["x", "^1$", "[a-z]+", "r.*u", "", "\\d", "(?i)X|NaN"]

_metrics = st.builds(
    Field,
    st.just("metric"),
    st.sampled_from(METRICS),
    st.sampled_from(["last", "min", "max", "first", "mean", "count"]),
)
_params = st.builds(Field, st.just("param"), st.sampled_from(PARAMS))
_tags = st.builds(Field, st.just("tag"), st.sampled_from(TAGS))
_texts = st.builds(
    Field,
    st.just("attribute"),
    st.sampled_from(["name", "experiment", "created_by", "parent", "error", "error_type"]),
)
_times = st.builds(Field, st.just("attribute"), st.sampled_from(["started", "ended"]))
_comparisons = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
_numbers: st.SearchStrategy[Any] = st.sampled_from(NUMBERS)
_words: st.SearchStrategy[Any] = st.sampled_from(TEXTS)


def _tests(fields: st.SearchStrategy[Field], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(values, min_size=1, max_size=3).map(tuple)
    return (
        st.builds(Compare, fields, _comparisons, values)
        | st.builds(In, fields, lists)
        | st.builds(IsNull, fields)
    )


def _patterns(fields: st.SearchStrategy[Field]) -> st.SearchStrategy[Any]:
    like = st.builds(Compare, fields, st.sampled_from(["like", "ilike"]), st.sampled_from(PATTERNS))
    return like | st.builds(Compare, fields, st.just("~"), st.sampled_from(REGEXES))


_datasets = st.builds(Field, st.just("dataset"), st.sampled_from(["name", "role", "digest", "source"]))
_status = st.just(Field("attribute", "status"))
_statuses = st.sampled_from(["running", "completed", "failed", "archived"])
_flags = st.builds(
    Compare, st.just(Field("attribute", "archived")), st.sampled_from(["=", "!="]), st.booleans()
)
_truths = st.builds(Compare, _params, st.sampled_from(["=", "!="]), st.booleans())

_conditions = (
    _tests(_metrics, _numbers)
    | _tests(_params, _numbers | _words)
    | _tests(_tags, _numbers | _words)
    | _tests(_texts | _datasets, _words)
    | _tests(_times, st.integers(0, 2_000))
    | _tests(st.just(Field("attribute", "duration")), st.sampled_from([0.0, 1e-5, 2.5]))
    | _tests(_status, _statuses)
    | _patterns(_params | _tags | _texts | _datasets)
    | st.builds(IsNan, _metrics | _params)
    | _flags
    | _truths
)


def _joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, inner)


expressions: st.SearchStrategy[Expression] = st.recursive(_conditions, _joined, max_leaves=6)
"""Any expression that a search could be."""

orders = st.builds(Order, _metrics | _params | _tags | _texts | _times | _status, st.booleans())
