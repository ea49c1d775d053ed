"""The life of a run, checked against the table in docs/reference/run-states.md, row by row."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from chachaml.core.changes import (
    OwnerLost,
    ParamsLogged,
    PointsLogged,
    RunEnded,
    RunError,
    RunJoined,
    RunResumed,
    RunStarted,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.model import RunRow
from chachaml.core.rules import RunChange, advance, is_stub, lose_owner, merge_param, stub

PAGE = Path(__file__).parents[2] / "docs/reference/run-states.md"
RUN = "0" * 32
OWNER, ANOTHER, COMMAND = "the owner's journal", "another journal", ""
ENDS = ("completed", "failed", "interrupted")


class Rule(NamedTuple):
    state: str
    event: str
    sender: str
    then: str
    owner: str
    conflict: str


class Case(NamedTuple):
    """A rule for one concrete row, change and sender."""

    row: RunRow | None
    change: RunChange | OwnerLost
    sender: str
    rule: Rule


def table() -> list[Rule]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [Rule(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines[2:]]


def rows_in(state: str, started: bool) -> list[RunRow | None]:
    if state == "unknown":
        return [] if started else [None]
    row = replace(stub(RUN, 100), experiment="e" if started else "", name="n" if started else "")
    crash = replace(row, status="crashed", ended=200)
    return {
        "unowned": [row],
        "running": [replace(row, owner=OWNER)],
        "orphaned": [crash],
        "crashed": [replace(crash, owner=OWNER)],
        "ended": [
            replace(row, status=end, ended=200, duration=7, owner=owner)
            for end, owner in product(ENDS, (None, OWNER))
        ],
    }[state]


def changes_of(event: str) -> list[RunChange]:
    return {
        "started": [RunStarted(RUN, 90, "e2", "n2", "me")],
        "started again": [RunStarted(RUN, 90, "e2", "n2", "me")],
        "resumed": [RunResumed(RUN, 300)],
        "ended": [RunEnded(RUN, 300, end) for end in ENDS],
        "data": [
            RunJoined(RUN, 300),
            ParamsLogged(RUN, 300, {"lr": "1"}),
            TagsSet(RUN, 300, {"k": "v"}),
            TagsRemoved(RUN, 300, ("k",)),
            PointsLogged(RUN, "loss", *[struct.pack("<q", 300)] * 3),
        ],
    }[event]


def senders_of(rule: Rule, row: RunRow | None) -> list[str]:
    owned = row is not None and row.owner is not None
    return {
        "owner": [OWNER] if owned else [],
        "another": [ANOTHER],
        "command": [COMMAND],
        "anyone": [OWNER, ANOTHER, COMMAND] if owned else [ANOTHER, COMMAND],
        "writer": [ANOTHER],
        "stranger": ["a stranger's journal"],
    }[rule.sender]


def cases_of(rule: Rule) -> list[Case]:
    stages = {"started": (False,), "started again": (True,)}.get(rule.event, (False, True))
    cases = []
    for started in stages:
        for row in rows_in(rule.state, started):
            for sender in senders_of(rule, row):
                lost = [OwnerLost(sender, 300)]
                changes = lost if rule.event == "owner lost" else changes_of(rule.event)
                cases += [Case(row, change, sender, rule) for change in changes]
    return cases


def state_of(row: RunRow) -> str:
    if row.status == "running":
        return "running" if row.owner else "unowned"
    if row.status == "crashed":
        return "crashed" if row.owner else "orphaned"
    return "ended"


def after(case: Case) -> tuple[RunRow, str]:
    if isinstance(case.change, OwnerLost):
        assert case.row is not None
        return lose_owner(case.row, case.change, joined=case.rule.sender in ("owner", "writer")), ""
    return advance(case.row, case.change, case.sender)


RULES = table()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.state}, {rule.event}, {rule.sender}")
def test_every_row_of_the_table_is_what_happens(rule: Rule) -> None:
    cases = cases_of(rule)
    assert cases
    for case in cases:
        row, conflict = after(case)
        before = case.row.owner if case.row else None
        assert (
            row.owner
            == {
                "same": before,
                "none": None,
                "sender": case.sender,
                "first": before or case.sender or None,
            }[rule.owner]
        )
        if rule.then == "the end":
            assert isinstance(case.change, RunEnded)
            assert row.status == case.change.status
        else:
            assert state_of(row) == rule.then
        if rule.then == rule.state == "ended":
            assert case.row is not None
            assert row.status == case.row.status
        assert bool(conflict) == (rule.conflict == "yes")


def test_the_table_has_exactly_one_row_for_every_case() -> None:
    states = ("unknown", "unowned", "running", "ended", "crashed", "orphaned")
    expected = []
    for state in states:
        for event, sender in product(
            ("started", "started again", "resumed", "data", "ended"), ("owner", "another", "command")
        ):
            expected += cases_of(Rule(state, event, sender, "", "", ""))
        for sender in ("owner", "writer", "stranger"):
            if state != "unknown":
                expected += cases_of(Rule(state, "owner lost", sender, "", "", ""))
    described = [(case.row, case.change, case.sender) for rule in RULES for case in cases_of(rule)]
    assert sorted(map(repr, described)) == sorted(repr(case[:3]) for case in expected)


def test_a_start_completes_what_was_known_only_by_its_data() -> None:
    row, _ = advance(None, ParamsLogged(RUN, 300, {}), ANOTHER)
    assert is_stub(row)
    row, _ = advance(row, RunStarted(RUN, 90, "e", "n", "me", parent="p"), OWNER)
    assert row == RunRow(RUN, "e", "n", "running", 90, "me", parent="p", owner=OWNER)


def test_points_date_a_run_that_is_known_only_by_them() -> None:
    row, _ = advance(None, PointsLogged(RUN, "loss", *[struct.pack("<qq", -5, 9)] * 3), ANOTHER)
    assert row.started == -5


def test_an_end_sets_time_error_and_adds_up_the_duration() -> None:
    error = RunError("ValueError", "no", "Traceback")
    row, _ = advance(None, RunStarted(RUN, 90, "e", "n", "me"), OWNER)
    row, _ = advance(row, RunEnded(RUN, 100, "failed", error, duration=10), OWNER)
    assert (row.status, row.ended, row.error, row.duration) == ("failed", 100, error, 10)
    row, _ = advance(row, RunResumed(RUN, 200), OWNER)
    assert (row.status, row.ended, row.error, row.duration) == ("running", None, None, 10)
    row, _ = advance(row, RunEnded(RUN, 210, "completed", duration=5), OWNER)
    assert (row.status, row.ended, row.error, row.duration) == ("completed", 210, None, 15)


def test_only_the_first_end_of_its_owner_counts() -> None:
    row, _ = advance(None, RunStarted(RUN, 90, "e", "n", "me"), OWNER)
    row, _ = advance(row, RunEnded(RUN, 100, "completed", duration=10), OWNER)
    assert advance(row, RunEnded(RUN, 110, "failed", duration=20), OWNER) == (row, "")


def test_a_crash_is_never_dated_before_the_start() -> None:
    row, _ = advance(None, RunStarted(RUN, 90, "e", "n", "me"), OWNER)
    assert lose_owner(row, OwnerLost(OWNER, 80), joined=True).ended == 90


def test_a_crash_taken_back_leaves_no_time_of_an_end() -> None:
    row, _ = advance(None, RunStarted(RUN, 90, "e", "n", "me"), OWNER)
    crashed = lose_owner(row, OwnerLost(OWNER, 100), joined=True)
    assert advance(crashed, RunJoined(RUN, 110), OWNER) == (row, "")


@pytest.mark.parametrize(
    ("kept", "new", "stays", "contradicts"),
    [
        (None, "1", "1", False),
        ("1", "1", "1", False),
        ("1", "1.0", "1", False),
        ("1", "true", "1", True),
        ("1", "2", "1", True),
        ('"1"', "1", '"1"', True),
        ('{"$float":"NaN"}', '{"$float":"NaN"}', '{"$float":"NaN"}', False),
        ("null", "0", "null", True),
    ],
)
def test_a_param_keeps_its_first_value(kept: str | None, new: str, stays: str, contradicts: bool) -> None:
    value, what = merge_param(kept, new)
    assert value == stays
    assert bool(what) == contradicts
    if contradicts:
        assert kept is not None
        assert kept in what
        assert new in what
