"""Many at once: processes into one run and into one store, threads and tasks into one run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest

import chachaml as ml
from tests.faults.processes import await_line, finish, run, started
from tests.seeds import SOAK

pytestmark = pytest.mark.usefixtures("folder")

WRITER = """
import sys
import chachaml as ml
number, points = int(sys.argv[1]), int(sys.argv[2])
run = ml.start_run(resume=sys.argv[3], join=True) if sys.argv[3:] else None
print("ready")
sys.stdin.readline()
with run or ml.start_run(name=f"n{number}") as run:
    run.log_params({"same": 1.0, "writer": number})
    for step in range(points):
        run.log_metric("loss", number * points + step, step)
        run.log_metric(f"own-{number}", step, step)
"""


def all_at_once(folder: Path, writers: int, *args: object) -> None:
    """Let so many processes write, which go off together."""
    with ExitStack() as stack:
        running = [stack.enter_context(started(WRITER, n, *args, cwd=folder)) for n in range(writers)]
        for process in running:
            await_line(process)
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in running:
            ended = finish(process, 120)
            assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("writers", [2, 8, 32] if SOAK else [2, 8])
def test_all_that_many_processes_log_to_one_run_is_kept(folder: Path, writers: int) -> None:
    points = 10_000 if SOAK else 2000
    shared = ml.start_run(name="shared")
    all_at_once(folder, writers, points, shared.id)
    shared.end()
    found = ml.run(shared.id)
    assert found.status == "completed"
    loss = ml.metric(found, "loss")
    assert sorted(loss.values.tolist()) == list(range(writers * points))
    assert loss.steps.tolist() == sorted(loss.steps.tolist())
    for number in range(writers):
        own = ml.metric(found, f"own-{number}")
        assert own.values.tolist() == own.steps.tolist() == list(range(points))
    # All logged another "writer": the first that arrived stays, and every other is on record.
    assert found.params["same"] == 1.0
    assert found.params["writer"] in range(writers)
    assert len(found.conflicts) == writers - 1
    assert all("writer" in conflict.what for conflict in found.conflicts)


def test_processes_that_start_at_once_in_an_empty_folder_all_find_a_store(folder: Path) -> None:
    for number in range(20 if SOAK else 2):
        place = folder / f"empty-{number}"
        place.mkdir()
        all_at_once(place, 8, 1000)
        ml.connect(place / "chachaml.db")
        found = ml.runs()
        assert {each.name for each in found} == {f"n{n}" for n in range(8)}
        assert {each.status for each in found} == {"completed"}
        assert all(each.summaries["loss"].count == 1000 for each in found)
        assert ml.doctor().well
        assert not list(place.glob("chachaml-journal/*"))


THREADS = """
import asyncio, sys, threading
import chachaml as ml
threads, tasks, points = map(int, sys.argv[1:])
sys.setswitchinterval(1e-5)

async def task(thread):
    ml.log_metrics({"row": 1.0, "column": 2.0})
    for step in range(points):
        ml.log_metric("all", 1.0)
        ml.log_metric(f"thread-{thread}", step)
        if step % 10 == 0:
            await asyncio.sleep(0)

async def crowd(thread):
    await asyncio.gather(*(task(thread) for _ in range(tasks)))
    ml.log_param(f"p-{thread}", thread)

with ml.start_run(name="crowd"):
    crowds = [threading.Thread(target=asyncio.run, args=(crowd(n),)) for n in range(threads)]
    for each in crowds: each.start()
    for each in crowds: each.join()
"""


@pytest.mark.parametrize("mode", ["mmap", "write"])
def test_no_point_of_many_threads_and_tasks_is_lost(folder: Path, mode: str) -> None:
    threads, tasks, points = (64, 64, 240) if SOAK else (64, 8, 40)
    ended = run(THREADS, threads, tasks, points, cwd=folder, env={"CHACHAML_JOURNAL": mode}, within=300)
    assert (ended.code, ended.err) == (0, "")
    found = ml.last_run()
    assert found is not None and found.status == "completed"
    assert found.summaries["all"].count == threads * tasks * points
    assert found.summaries["row"].count == threads * tasks
    for thread in range(threads):
        assert found.summaries[f"thread-{thread}"].count == tasks * points
    assert found.params == {f"p-{n}": n for n in range(threads)}


def test_the_linked_sqlite_is_free_of_the_log_reset_race() -> None:
    """Before 3.51.3 two connections that reset a write-ahead log at once could corrupt the database."""
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


CHECKPOINTS = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.set_busy_timeout(100)
print("ready")
sys.stdin.readline()
modes = [apsw.SQLITE_CHECKPOINT_PASSIVE, apsw.SQLITE_CHECKPOINT_RESTART, apsw.SQLITE_CHECKPOINT_TRUNCATE]
for number in range(int(sys.argv[2])):
    try:
        db.wal_checkpoint(mode=modes[number % 3])
    except apsw.BusyError:
        pass
"""
"""Resets the write-ahead log as often as it can, beside those who write."""


def test_checkpoints_beside_many_writers_harm_nothing(folder: Path) -> None:
    ml.start_run(name="first").end()
    ml.flush()
    rounds = 20_000 if SOAK else 300
    writers = 16 if SOAK else 4
    with started(CHECKPOINTS, folder / "chachaml.db", rounds, cwd=folder) as checkpoints:
        await_line(checkpoints)
        assert checkpoints.stdin is not None
        checkpoints.stdin.write("go\n")
        checkpoints.stdin.flush()
        all_at_once(folder, writers, 20_000)
        assert finish(checkpoints, 120).code == 0
    assert ml.doctor().well
    counts = [each.summaries["loss"].count for each in ml.runs() if each.name != "first"]
    assert counts == [20_000] * writers
