"""Thousands of schedules of journal, drain and store; and proof that the judge sees what is wrong.

A failing schedule is repeated by ``python -m tests.simulate --schedules 1 --seed NUMBER``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

from chachaml.store.memory import MemoryStore

from .judge import judge
from .simulation import Simulation

SOAK = bool(os.environ.get("CHACHAML_SOAK"))
SEED = int(os.environ.get("CHACHAML_SEED", Random().randrange(10**9)))
SCHEDULES = 1_000_000 if SOAK else 1_500


@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_nothing_acknowledged_is_lost_doubled_or_out_of_order(part: int) -> None:
    first = SEED + part * SCHEDULES // 10
    print(f"schedules from seed {first}; CHACHAML_SEED={SEED} repeats them all")
    for seed in range(first, first + SCHEDULES // 10):
        try:
            judge(Simulation(seed).run())
        except Exception as error:
            raise AssertionError(f"schedule {seed} failed: {error!r}") from error


@pytest.mark.parametrize(
    "seed", [6, 45, 50, 105, 112, 129, 141, 250, 258, 1111, 1475, 1986], ids="schedule {}".format
)
def test_schedules_that_once_failed_pass(seed: int) -> None:
    judge(Simulation(seed).run())


def test_a_schedule_follows_from_its_seed() -> None:
    first, second = Simulation(7).run(), Simulation(7).run()
    assert [p.entries[-1].points for p in first.processes] == [p.entries[-1].points for p in second.processes]
    assert [batch.changes for batch in first.store.applied] == [
        batch.changes for batch in second.store.applied
    ]


def judged() -> Simulation:
    """Return a simulation that is right and has several points of one metric."""
    simulation = Simulation(7).run()
    judge(simulation)
    assert len(stored(simulation.store.inner)) > 2
    return simulation


def stored(store: MemoryStore) -> list[tuple[int, int, float]]:
    run = store._runs["0" * 32]
    return next(points for points in run.points.values() if len(points) > 2)


def drop(store: MemoryStore) -> None:
    del stored(store)[1]


def double(store: MemoryStore) -> None:
    stored(store).append(stored(store)[0])


def alter(store: MemoryStore) -> None:
    step, time, value = stored(store)[0]
    stored(store)[0] = (step + 1, time, value)


def invent(store: MemoryStore) -> None:
    stored(store).append((0, 0, 1e9))


def end_it(store: MemoryStore) -> None:
    run = store._runs["0" * 32]
    other = "failed" if run.row.status != "failed" else "completed"
    run.row = type(run.row)(run.row.id, "e", "n", other, run.row.started, owner=run.row.owner)  # type: ignore[arg-type]


@pytest.mark.parametrize("harm", [drop, double, alter, invent, end_it])
def test_the_judge_sees_harm_to_the_store(harm: Callable[[MemoryStore], None]) -> None:
    simulation = judged()
    harm(simulation.store.inner)
    with pytest.raises(AssertionError):
        judge(simulation)


def test_the_judge_sees_points_of_one_time_out_of_order() -> None:
    for seed in range(100):
        simulation = Simulation(seed).run()
        if len(simulation.processes) > 1:
            continue  # between journals there is no order
        for run in simulation.store.inner._runs.values():
            for points in run.points.values():
                for i, one in enumerate(points):
                    for j in range(i + 1, len(points)):
                        if points[j][:2] == one[:2]:
                            points[i], points[j] = points[j], points[i]
                            with pytest.raises(AssertionError):
                                judge(simulation)
                            return
    pytest.fail("no schedule logged twice at one step and time")


def test_the_judge_sees_a_batch_that_was_left_out() -> None:
    simulation = judged()
    started = next(batch for batch in simulation.store.applied if batch.journal)
    simulation.store.applied.remove(started)
    with pytest.raises(AssertionError):
        judge(simulation)
