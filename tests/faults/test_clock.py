"""The system's clock jumps, stands still or is wrong: durations and the order of points do not care."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.results import to_datetime
from tests.faults.processes import run

pytestmark = pytest.mark.usefixtures("folder")

SECOND = 10**9
YEAR = 365 * 86_400 * SECOND

# What chachaml takes its time from is replaced before it is imported, as a jump of the clock would.
TRAINING = """
import random, sys, time
real, shift, jump = time.time_ns, 0, {jump}
time.time_ns = lambda: {clock}
import chachaml as ml
dice = random.Random(1)
with ml.start_run(name="clock") as run:
    for step in range(3000):
        if step == 1000:
            ml.flush()
            shift = jump
        if step == 2000:
            shift = 0
        ml.log_metric("loss", step)
        ml.log_metrics({{"a": step, "b": -step}})
    ml.log_param("after", "the jump")
"""

CLOCKS = {
    "back an hour": ("real() + shift", -3600 * SECOND),
    "back to 1970": ("real() if not shift else 1", 1),
    "before 1970": ("real() if not shift else -10**15", 1),
    "ten years on": ("real() + shift", 10 * YEAR),
    "frozen": ("1_800_000_000 * 10**9", 0),
    "a storm": ("real() + random.choice((-1, 1)) * 10**6", 0),
    "a storm of hours": ("real() + random.randrange(-10**13, 10**13)", 0),
}


@pytest.mark.parametrize("how", CLOCKS)
def test_a_jump_of_the_clock_changes_neither_order_nor_duration(folder: Path, how: str) -> None:
    clock, jump = CLOCKS[how]
    ended = run(TRAINING.format(clock=clock, jump=jump), cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    (found,) = ml.runs()
    assert found.status == "completed"
    assert found.duration is not None and 0 <= found.duration < 20
    for key, sign in (("loss", 1), ("a", 1), ("b", -1)):
        series = ml.metric(found, key)
        assert series.steps.tolist() == list(range(3000))
        assert series.values.tolist() == [sign * step for step in range(3000)]
    assert found.summaries["loss"].last == 2999
    assert str(found) and repr(ml.runs())


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "Pacific/Kiritimati", "XXX-23:59"])
def test_the_local_time_zone_changes_nothing_that_is_stored(folder: Path, zone: str) -> None:
    ended = run(
        "import time, chachaml as ml\n"
        "before = time.time_ns() // 1000\n"
        "with ml.start_run() as run: ml.log_metric('x', 1)\n"
        "print(before, time.time_ns() // 1000)",
        cwd=folder,
        env={"TZ": zone},
    )
    before, after = map(int, ended.out.split())
    (found,) = ml.runs()
    assert before <= ml.metric(found, "x").times[0] <= after


def test_times_that_no_clock_can_show_are_the_end_of_all_years() -> None:
    assert to_datetime(2**63 - 1) == datetime.max.replace(tzinfo=UTC)
    assert to_datetime(-(2**63)) == datetime.min.replace(tzinfo=UTC)
    assert to_datetime(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)
