"""Thousands of schedules of journal, drain and store; and proof that the judge sees what is wrong.

A failing schedule is repeated by ``python -m tests.simulate --schedules 1 --seed NUMBER``.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from chachaml.core.changes import Batch, Receipt
from chachaml.journal.drainer import Drain
from chachaml.store.memory import MemoryStore
from tests.seeds import SOAK, seed

from .judge import judge
from .processes import Clock, Process
from .simulation import Simulation
from .world import DiskSource, FlakyStore

RUN = "0" * 32

SEED = seed()
SCHEDULES = 1_000_000 if SOAK else 1_500


@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_nothing_acknowledged_is_lost_doubled_or_out_of_order(part: int) -> None:
    first = SEED + part * SCHEDULES // 10
    print(f"schedules from seed {first}; CHACHAML_SEED={SEED} repeats them all")
    for number in range(first, first + SCHEDULES // 10):
        try:
            judge(Simulation(number).run())
        except Exception as error:
            raise AssertionError(f"schedule {number} failed: {error!r}") from error


def process(store: FlakyStore) -> Process:
    random = Random(4)
    return Process(1, random, Clock(random), store)


def log_points(process: Process, count: int) -> None:
    number = process._number(RUN, "a")
    for _ in range(count):
        value = process.clock.value()
        process.journal.append(process.journal.point(number, 0, 0, value))


def values(store: FlakyStore) -> list[float]:
    return store.inner.read_series(RUN, "a").values.tolist()


def steady_store() -> FlakyStore:
    return FlakyStore(Random(0), 0.0, lambda: None)


def test_a_drainer_that_was_overtaken_still_knows_what_its_segment_declared() -> None:
    store = steady_store()
    writer = process(store)
    helper = Drain(DiskSource(writer.disk, alive=True), store)

    class Overtaken:
        applied_to = store.applied_to

        def apply(self, batch: Batch) -> Receipt:
            helper.run()
            return store.apply(batch)

    drain = Drain(DiskSource(writer.disk, written=writer.journal.end), Overtaken())
    log_points(writer, 2)
    drain.step()
    log_points(writer, 2)
    drain.run()
    assert values(store) == [1.0, 2.0, 3.0, 4.0]


def test_a_copy_of_a_living_journal_is_drained_no_further_than_it_was_written() -> None:
    store = steady_store()
    writer = process(store)
    log_points(writer, 2)
    Drain(DiskSource(writer.disk.copy()), store).run()
    log_points(writer, 2)
    writer.drain.run()
    assert values(store) == [1.0, 2.0, 3.0, 4.0]


def test_a_sync_leaves_no_segment_out() -> None:
    writer = process(steady_store())
    log_points(writer, 200)
    writer.sync()
    log_points(writer, 200)
    writer.sync()
    assert len(writer.disk.segments) > 4
    assert all(segment.synced == segment.position for segment in writer.disk.segments)


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
    run = store._runs[RUN]
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
    run = store._runs[RUN]
    other = "failed" if run.row.status != "failed" else "completed"
    run.row = type(run.row)(run.row.id, "e", "n", other, run.row.started, owner=run.row.owner)  # type: ignore[arg-type]


@pytest.mark.parametrize("harm", [drop, double, alter, invent, end_it])
def test_the_judge_sees_harm_to_the_store(harm: Callable[[MemoryStore], None]) -> None:
    simulation = judged()
    harm(simulation.store.inner)
    with pytest.raises(AssertionError):
        judge(simulation)


def test_the_judge_sees_points_of_one_time_out_of_order() -> None:
    for number in range(100):
        simulation = Simulation(number).run()
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
