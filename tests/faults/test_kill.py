"""A process killed at any moment: every point whose call returned is read back, once."""

from __future__ import annotations

import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import chachaml as ml
from tests.faults.processes import eventually
from tests.faults.writer import NOTE, PARAM, POINT, ROW
from tests.seeds import SOAK, seed

KILLS = 2_000 if SOAK else 16
AT_ONCE = 2
LONGEST = 0.4
"""Seconds until the last are killed, some hundred thousand points later."""


class Noted:
    """What the killed process noted as acknowledged."""

    def __init__(self, oracle: Path) -> None:
        data = oracle.read_bytes()
        self.run = data[:32].decode()
        notes = data[NOTE.size * 2 :]
        whole = len(notes) // NOTE.size * NOTE.size
        found = list(NOTE.iter_unpack(notes[:whole]))
        self.points = [(step, value) for kind, step, value in found if kind == POINT]
        self.rows = [(step, value) for kind, step, value in found if kind == ROW]
        self.params = {f"p{step}": value for kind, step, value in found if kind == PARAM}


def logged(run: str, key: str) -> list[tuple[int, float]]:
    series = ml.metric(run, key)
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def judge(noted: Noted, points: list[tuple[int, float]], rows: list[tuple[int, float]]) -> None:
    """Everything noted is there, in order, once; one more may be there: logged, killed before noted."""
    assert points[: len(noted.points)] == noted.points
    assert rows[: len(noted.rows)] == noted.rows
    assert len(points) <= len(noted.points) + 1
    assert len(rows) <= len(noted.rows) + 1


def kill_some(store: Path, oracles: list[Path], dice: random.Random) -> None:
    """Let as many processes write at once as there are oracles, and kill each at any moment."""
    with ExitStack() as stack:
        writers = [stack.enter_context(writing(store, oracle)) for oracle in oracles]
        for writer, oracle in zip(writers, oracles, strict=True):
            eventually(lambda o=oracle: o.exists() and o.stat().st_size >= NOTE.size * 2, 30)  # type: ignore[misc]
            # Most die soon after the start, when segments, series and the store are new.
            select.select([], [], [], dice.random() ** 3 * LONGEST)
            writer.send_signal(signal.SIGKILL)
            writer.wait()


@contextmanager
def writing(store: Path, oracle: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("writer.py")
    with subprocess.Popen([sys.executable, str(script), str(store), str(oracle)]) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("folder")
def test_no_acknowledged_point_is_lost_or_doubled(tmp_path: Path) -> None:
    start = seed()
    print(f"seed {start}, {KILLS} kills")
    dice = random.Random(start)
    store = tmp_path / "killed.db"
    ml.connect(store)
    total = 0
    for number in range(0, KILLS, AT_ONCE):
        oracles = [tmp_path / f"oracle-{number}-{each}" for each in range(AT_ONCE)]
        kill_some(store, oracles, dice)
        for oracle in oracles:
            total += judge_one(Noted(oracle))
            oracle.unlink()
    assert len(ml.runs(status="crashed", limit=10_000)) == KILLS
    assert ml.doctor().well
    print(f"{total:,} acknowledged points, none lost, none doubled")


def judge_one(noted: Noted) -> int:
    """Compare a killed run with what its process noted; return how many points that are."""
    found = ml.run(noted.run)
    assert found.status == "crashed"
    points = logged(noted.run, "loss") if noted.points else []
    rows = logged(noted.run, "a") if noted.rows else []
    judge(noted, points, rows)
    assert {key: found.params[key] for key in noted.params} == noted.params
    return len(noted.points)


def test_the_judge_sees_a_point_dropped_or_doubled(tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    points = [(step, step / 3) for step in range(10)]
    oracle.write_bytes(b"f" * NOTE.size * 2 + b"".join(NOTE.pack(POINT, *point) for point in points))
    noted = Noted(oracle)
    judge(noted, points, [])
    for wrong in (points[:4] + points[5:], points[:4] + points[3:], points[:-1]):
        with pytest.raises(AssertionError):
            judge(noted, wrong, [])
