"""The disk is full, and has room again: training goes on, is told once, and loses nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import OWN_MOUNTS, has_room_for_mounts, run
from tests.seeds import SOAK

pytestmark = pytest.mark.usefixtures("folder")

# Logs past what the disk takes, makes room, logs on, and reads everything back.
ON_A_SMALL_DISK = """
import json, os, subprocess, sys, time
import chachaml as ml
megabytes, early, late, slack = map(int, sys.argv[1:])
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", "."], check=True)
os.chdir(os.getcwd())

def fill():
    with open("filler", "wb", buffering=0) as filler:
        for size in (65536, 512):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                pass
        filler.truncate(max(0, filler.tell() - slack))

def drained():
    deadline = time.monotonic() + 20
    while ml.connect().trouble or not os.path.exists("chachaml.db") or ml.connect().journal().held:
        assert time.monotonic() < deadline, "it did not recover by itself"
        time.sleep(0.05)

with ml.start_run(name="full") as run:
    for step in range(early):
        run.log_metric("loss", step, step)
    fill()
    for step in range(early, late):
        run.log_metric("loss", step, step)
        if step % 10_000 == 0:
            run.log_param(f"p{step}", "x" * 100)
            time.sleep(0.05)
    os.unlink("filler")
    drained()
    for step in range(late, late + 1000):
        run.log_metric("loss", step, step)
found = ml.run(run.id)
steps = ml.metric(run, "loss").steps.tolist()
print(json.dumps([found.status, steps == list(range(late + 1000)), len(found.params), ml.doctor().well]))
sys.exit(7)
"""


def judge(ended: Any, params: int) -> None:
    assert ended.code == 7, ended
    assert json.loads(ended.out) == ["completed", True, params, True], ended
    assert "Traceback" not in ended.err
    assert "LOST" not in ended.err


@pytest.mark.parametrize("mode", ["mmap", "write"])
def test_a_full_disk_costs_one_warning_and_no_point(folder: Path, mode: str) -> None:
    if not has_room_for_mounts():
        pytest.skip("this needs a small disk of its own: run it as root, or allow user namespaces")
    dice = random.Random(7)
    for number in range(30 if SOAK else 2):
        # The slack lets the disk fill up in the middle of a record, of a segment or of a transaction.
        early, late, slack = dice.choice((0, 100, 20_000)), 60_000, dice.randrange(0, 200_000)
        place = folder / str(number)
        place.mkdir()
        ended = run(
            ON_A_SMALL_DISK,
            *(dice.choice((3, 4, 6)), early, late, slack),
            cwd=place,
            env={"CHACHAML_JOURNAL": mode},
            through=OWN_MOUNTS,
        )
        judge(ended, len([step for step in range(early, late) if step % 10_000 == 0]))
        assert 1 <= len(ended.said) <= 2, ended  # one for the store, one for the journal


# Files may not grow beyond a limit, which needs no rights: the same, one file at a time.
ON_A_SHORT_LEASH = """
import json, os, resource, sys, time
import chachaml as ml
limit, late = map(int, sys.argv[1:])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
with ml.start_run(name="full") as run:
    for step in range(late):
        run.log_metric("loss", step / 3, step)
        run.log_metric("noise", hash(str(step)), step)
        if step % 10_000 == 0:
            run.log_param(f"p{step}", "x" * 100)
            time.sleep(0.05)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    deadline = time.monotonic() + 20
    while ml.connect().trouble or ml.connect().journal().held:
        assert time.monotonic() < deadline, "it did not recover by itself"
        time.sleep(0.05)
found = ml.run(run.id)
steps = ml.metric(run, "loss").steps.tolist()
print(json.dumps([found.status, steps == list(range(late)), len(found.params), ml.doctor().well]))
sys.exit(7)
"""


@pytest.mark.parametrize("mode", ["mmap", "write"])
def test_files_that_may_not_grow_cost_no_point(folder: Path, mode: str) -> None:
    limits = range(0, 2_000_000, 10_000) if SOAK else (0, 100_000, 600_000)
    for limit in limits:
        place = folder / str(limit)
        place.mkdir()
        ended = run(ON_A_SHORT_LEASH, limit, 40_000, cwd=place, env={"CHACHAML_JOURNAL": mode})
        judge(ended, 4)
        assert len(ended.said) <= 2, ended
