"""The search language: text -> expression, and what an expression means.

    metrics.accuracy > 0.9 and (params.lr <= 0.01 or tags.team = 'vision') and started > -7d

docs/guide/search.md explains it to users. A superset of MLflow's filter strings.
"""

from __future__ import annotations

from chachaml.core.query.expressions import (
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
    Value,
    fields_of,
)
from chachaml.core.query.matching import Ranks, matches, rank, ranks_before, value_of
from chachaml.core.query.parser import parse, parse_order
from chachaml.core.query.patterns import pattern_matches

__all__ = [
    "And",
    "Compare",
    "Expression",
    "Field",
    "In",
    "IsNan",
    "IsNull",
    "Not",
    "Or",
    "Order",
    "Ranks",
    "Value",
    "fields_of",
    "matches",
    "parse",
    "parse_order",
    "pattern_matches",
    "rank",
    "ranks_before",
    "value_of",
]
