"""System calls that fail, one at a time: training does not notice, and no point is lost."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

import chachaml as ml
from tests.faults.processes import Finished, await_line, finish, started
from tests.seeds import SOAK, seed

pytestmark = [
    pytest.mark.usefixtures("folder"),
    pytest.mark.skipif(sys.platform != "linux", reason="system calls are made to fail by strace"),
]

# Everything is imported and used once before the calls begin to fail, so that it is chachaml's that do.
TRAINING = """
import ctypes, os, sys, time
import chachaml as ml

def train():
    with ml.start_run(name="traced") as run:
        run.log_param("lr", 0.1)
        for step in range(5_000):
            run.log_metric("loss", step, step)
        time.sleep(0.25)  # for the drainer to have a turn
        for step in range(5_000, 10_000):
            run.log_metric("loss", step, step)

ANYBODY = ctypes.c_ulong(-1)
ctypes.CDLL(None).prctl(0x59616D61, ANYBODY, 0, 0, 0)  # may trace this process
ml.connect("warm.db")
train()
ml.connect().close()
ml.connect("chachaml.db")
print("ready")
while not os.path.exists("go"):
    time.sleep(0.01)
train()
sys.exit(7)
"""

POINTS = list(range(10_000))
CALLS = {
    "openat": ("EMFILE", "ENOSPC", "EACCES", "EIO"),
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "pwrite64": ("ENOSPC", "EIO", "EDQUOT"),
    "pread64": ("EIO",),
    "read": ("EIO",),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO", "ENOSPC"),
    "fallocate": ("ENOSPC", "EIO", "EDQUOT"),
    "mkdir": ("ENOSPC", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "rmdir": ("EIO", "EBUSY"),
    "flock": ("ENOLCK", "EINTR"),
    "fcntl": ("ENOLCK", "EIO"),
    "newfstatat": ("EIO", "EACCES"),
    "clone3": ("EAGAIN",),
}


class Traced(NamedTuple):
    ended: Finished
    calls: Counter[str]
    hit: str
    """The line of the call that was made to fail; empty if there was none."""


def trace(folder: Path, mode: str, inject: str = "") -> Traced:
    """Run the training in `folder`, with what strace is told to `inject`."""
    folder.mkdir()
    log = folder / "trace"
    with started(TRAINING, cwd=folder, env={"CHACHAML_JOURNAL": mode}) as process:
        await_line(process)
        names = ",".join(CALLS)
        options = ["-e", f"trace={names}", *(["-e", f"inject={inject}"] if inject else [])]
        with subprocess.Popen(
            ["strace", "-f", "-o", str(log), *options, "-p", str(process.pid)],
            stderr=subprocess.PIPE,
            text=True,
        ) as tracer:
            assert tracer.stderr is not None
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            (folder / "go").touch()
            ended = finish(process)
    lines = log.read_text(errors="replace").splitlines()
    calls = Counter(found[1] for line in lines if (found := re.match(r"\d+ +(\w+)\(", line)))
    return Traced(ended, calls, next((line for line in lines if "(INJECTED)" in line), ""))


def judge(folder: Path, traced: Traced) -> None:
    ended = traced.ended
    assert ended.code == 7, (traced.hit, ended)
    assert "Traceback" not in ended.err, (traced.hit, ended)
    ml.connect(folder / "chachaml.db")
    assert ml.doctor().well, traced.hit
    if "LOST" not in ended.err:
        (found,) = ml.runs(name="traced")
        assert (found.status, found.params) == ("completed", {"lr": 0.1}), (traced.hit, ended)
        assert ml.metric(found, "loss").values.tolist() == POINTS, (traced.hit, ended)
    ml.connect().close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("mode", ["mmap", "write"])
def test_a_call_that_fails_is_survived(folder: Path, mode: str) -> None:
    assert shutil.which("strace"), "this test needs strace: apt-get install strace"
    start = seed()
    print(f"seed {start}")
    dice = random.Random(start)
    usual = trace(folder / "usual", mode)
    judge(folder / "usual", usual)
    every = [
        (call, error, count)
        for call, errors in CALLS.items()
        for error in errors
        for count in range(1, min(usual.calls[call], 400) + 1)
    ]
    if SOAK:
        faults = dice.sample(every, min(len(every), 600))
    else:  # few, but of different calls: most are calls that SQLite reads and writes pages with
        some = dice.sample(sorted(usual.calls), 8)
        faults = [dice.choice([fault for fault in every if fault[0] == call]) for call in some]
    hits = 0
    for number, (call, error, count) in enumerate(faults):
        place = folder / f"{number}-{call}-{error}-{count}"
        traced = trace(place, mode, f"{call}:error={error}:when={count}")
        hits += bool(traced.hit)
        judge(place, traced)
    print(f"{hits} of {len(faults)} calls were made to fail")
    assert hits > len(faults) // 3
