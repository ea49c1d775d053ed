"""What must be true after every schedule, whatever happened in it."""

from __future__ import annotations

from itertools import pairwise

from chachaml.core.changes import ParamsLogged, RunEnded, RunResumed, RunStarted
from chachaml.core.errors import NotFound
from chachaml.core.values import parse, same_value
from chachaml.store.memory import MemoryStore

from .processes import KEYS, Logged
from .simulation import Simulation

Point = tuple[int, int, float]


def judge(simulation: Simulation) -> None:
    """Raise AssertionError unless the store holds what was acknowledged, once and in order."""
    store = simulation.store.inner
    expected: dict[tuple[str, str], dict[float, tuple[Logged, bool, int]]] = {}
    for number, process in enumerate(simulation.processes):
        for entry in process.entries:
            for point in entry.points:
                series = expected.setdefault((point.run, point.key), {})
                series[point.value] = (point, entry.certain, number)
    for run in simulation.runs:
        for key in KEYS:
            _judge_series(run, key, expected.get((run, key), {}), _series(store, run, key))
    _judge_changes(simulation)
    for run in simulation.runs:
        _judge_params(simulation, run)
        _judge_status(simulation, run)


def _series(store: MemoryStore, run: str, key: str) -> list[Point]:
    try:
        series = store.read_series(run, key)
    except NotFound:
        return []
    columns = (series.steps.tolist(), series.times.tolist(), series.values.tolist())
    return list(zip(*columns, strict=True))


def _judge_series(
    run: str, key: str, expected: dict[float, tuple[Logged, bool, int]], stored: list[Point]
) -> None:
    where = f"metric {key} of run {run[-2:]}"
    values = [value for _, _, value in stored]
    assert len(set(values)) == len(values), f"a point of {where} is there twice"
    for step, time, value in stored:
        assert value in expected, f"{where} holds a point that nobody logged: {value}"
        assert expected[value][0] == (run, key, step, time, value), f"a point of {where} was changed"
    missing = {value for value, (_, certain, _) in expected.items() if certain} - set(values)
    assert not missing, f"points of {where} are lost: {sorted(missing)}"
    for one, other in pairwise(stored):
        assert one[:2] <= other[:2], f"{where} is not in the order of steps and times"
    last: dict[tuple[int, int, int], float] = {}
    for step, time, value in stored:
        place = (expected[value][2], step, time)
        assert last.get(place, 0.0) < value, f"{where} is not in the order of logging"
        last[place] = value


def _judge_changes(simulation: Simulation) -> None:
    """Everything that is not a point was applied once, and in the order of its journal."""
    applied: dict[str, list[object]] = {}
    for batch in simulation.store.applied:
        if batch.journal:
            others = [change for change in batch.changes if type(change).__name__ != "PointsLogged"]
            applied.setdefault(batch.journal.id, []).extend(others)
    for process in simulation.processes:
        left = iter(applied.get(process.id, []))
        found = next(left, None)
        for entry in process.entries:
            if entry.change is None:
                continue
            if found == entry.change:
                found = next(left, None)
            else:
                assert not entry.certain, f"{entry.change} is lost, or not in its place"
        assert found is None, f"{found} was applied twice, or out of order"


def _judge_params(simulation: Simulation, run: str) -> None:
    first: dict[str, str] = {}
    conflicts = 0
    for batch in simulation.store.applied:
        for change in batch.changes:
            if isinstance(change, ParamsLogged) and change.run == run:
                for key, value in change.params.items():
                    conflicts += not same_value(first.setdefault(key, value), value)
    try:
        row = simulation.store.inner.get_run(run)
    except NotFound:
        return
    assert repr(row.params) == repr({key: parse(value) for key, value in first.items()}), (
        "a param was replaced"
    )
    recorded = sum(conflict.what.startswith("param") for conflict in row.conflicts)
    assert recorded == conflicts, "a conflict was not recorded"


def _judge_status(simulation: Simulation, run: str) -> None:
    """The last who took the run decides: it ended it, or it is gone, and the run has crashed."""
    told = [
        (batch.journal.id, change)
        for batch in simulation.store.applied
        if batch.journal
        for change in batch.changes
        if getattr(change, "run", "") == run
    ]
    takers = [who for who, change in told if isinstance(change, (RunStarted, RunResumed))]
    try:
        row = simulation.store.inner.get_run(run)
    except NotFound:
        assert not told, f"run {run[-2:]} is lost"
        return
    if simulation.power_was_lost:
        # The store may have forgotten the order in which it heard of several resumes.
        resumed = [who for who, change in told if isinstance(change, RunResumed)]
        owner = (resumed or [None, *takers])[-1]
    else:
        owner = next((p.id for p in reversed(simulation.owners[run]) if p.id in takers), None)
    ends = [change.status for who, change in told if who == owner and isinstance(change, RunEnded)]
    status = ends[0] if ends else "crashed"
    assert (row.owner, row.status) == (owner, status), f"run {run[-2:]} is {row.status}, not {status}"
