"""The page of attacks names tests that there are, and one for each attack."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "attacks.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| attack |"))
]


@cache
def named_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_there_are_attacks() -> None:
    assert len(ROWS) > 70
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_each_attack_is_tried_by_a_test_that_there_is(row: list[str]) -> None:
    attack, defence, tried = row
    assert attack
    assert defence
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", tried)
    assert named
    assert len(named) == tried.count("::")
    for path, name in named:
        assert name in named_in(ROOT / path), f"{path} has no {name}"
