"""Ranks of one job write one run, in real processes started as launchers start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml

TRAINING = """
import os, time
import chachaml as ml

names = ("RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
rank = next(int(os.environ[name]) for name in names if name in os.environ)
with ml.start_run("ranks", "together", system_metrics=0.05, console=True) as run:
    ml.log_params({"lr": 0.1, "layers": [1, 2]})
    print("rank", rank, "of", run.id)
    for step in range(20):
        ml.log_metric(f"loss/{rank}", rank + 1 / (step + 1), step)
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        time.sleep(0.05)
    if os.environ.get("FAILS") == str(rank):
        raise MemoryError("no room on the device")
"""
# As launchers are: without a rank themselves, and the parents of those that they start.
LAUNCHER = """
import json, os, subprocess, sys
script, ranks, common, through = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:]
command = [*through, sys.executable, "-c", script]
started = [subprocess.Popen(command, env=os.environ | common | one) for one in ranks]
sys.exit(max(abs(one.wait()) for one in started))
"""


def launch(
    folder: Path, ranks: list[dict[str, str]], common: dict[str, str], *through: str, script: str = TRAINING
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LAUNCHER, script, json.dumps(ranks), json.dumps(common), *through]
    env = os.environ | {"CHACHAML_STORE": str(folder / "chachaml.db"), "PYTHONWARNINGS": "default"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=90)


def torchrun(size: int) -> tuple[list[dict[str, str]], dict[str, str]]:
    common = {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_RESTART_COUNT": "0",
    }
    return [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(size)], common


def test_four_ranks_write_one_run(folder: Path) -> None:
    done = launch(folder, *torchrun(4))
    assert done.returncode == 0, done.stderr
    (run,) = ml.runs()
    run = ml.run(run.id)
    assert (run.experiment, run.name, run.status) == ("ranks", "together", "completed")
    assert run.params == {"lr": 0.1, "layers": [1, 2]}
    assert not run.conflicts
    for rank in range(4):
        assert ml.metric(run, f"loss/{rank}").values.tolist() == [rank + 1 / (step + 1) for step in range(20)]
    measured = {key.rpartition("/")[0] for key in run.metrics if key.endswith("/cpu")}
    assert measured == {"system", "system/rank1", "system/rank2", "system/rank3"}
    printed = ml.console(run).splitlines()
    others = [f"[rank {rank}] rank {rank} of {run.id}" for rank in range(1, 4)]
    assert printed == [f"rank 0 of {run.id}", *others]


def test_the_next_job_on_the_same_port_is_another_run_and_wrappers_do_not_matter(folder: Path) -> None:
    launch(folder, *torchrun(2))
    launch(folder, *torchrun(2), "sh", "-c", '"$0" "$@"; exit $?')
    found = ml.runs()
    assert [run.status for run in found] == ["completed"] * 2
    assert all({"loss/0", "loss/1"} <= run.metrics.keys() for run in found)


def test_the_rank_that_fails_says_why(folder: Path) -> None:
    ranks, common = torchrun(2)
    assert launch(folder, ranks, {**common, "FAILS": "1"}).returncode == 1
    (run,) = ml.runs()
    assert run.status == "completed"  # rank 0's, which nobody stopped here
    assert run.tags["rank.1.error"] == "MemoryError: no room on the device"


SLURM = {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2"}
MPI = {"OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "prterun-node1-77@1", **SLURM, "SLURM_PROCID": "0"}


@pytest.mark.parametrize(("variable", "common"), [("SLURM_PROCID", SLURM), ("OMPI_COMM_WORLD_RANK", MPI)])
def test_slurm_and_mpi_name_the_job_across_machines(
    folder: Path, variable: str, common: dict[str, str]
) -> None:
    for rank in (1, 0):  # from launchers of their own, as on two machines; and the first comes last
        assert launch(folder, [{variable: str(rank)}], common).returncode == 0
    (run,) = ml.runs()
    assert (run.name, run.status) == ("together", "completed")
    assert {"loss/0", "loss/1"} <= run.metrics.keys()


def test_ranks_that_nothing_joins_keep_runs_of_their_own_and_are_told(folder: Path) -> None:
    ranks = [{"RANK": "0"}, {"RANK": "1"}]
    done = launch(folder, ranks, {"WORLD_SIZE": "2"})
    assert len(ml.runs()) == 2
    assert done.stderr.count("Export CHACHAML_JOB") == 2
    done = launch(folder, ranks, {"WORLD_SIZE": "2", "CHACHAML_JOB": "mine"})
    assert (len(ml.runs()), "CHACHAML_JOB" in done.stderr) == (3, False)
    launch(folder, *(torchrun(2)[0], {**torchrun(2)[1], "CHACHAML_RANKS": "apart"}))
    assert len(ml.runs()) == 5


OTHERS = """
import os, subprocess, sys
import chachaml as ml

rank = int(os.environ["RANK"])
with ml.start_run("ranks", "outer") as outer:
    if rank == 0:
        with ml.start_run(name="of rank 0 alone", join=False):
            ml.log_metric("x", 1)
        code = "import chachaml as ml; ml.start_run('ranks', 'a program of its own').log_metric('y', 1)"
        subprocess.run([sys.executable, "-c", code], check=True)
    with ml.start_run(name="inner"):
        ml.log_metric(f"inner/{rank}", rank)
with ml.start_run("ranks", "second"):
    ml.log_metric(f"second/{rank}", rank)
"""


def test_runs_below_and_after_are_shared_too_and_programs_that_a_rank_starts_are_none(folder: Path) -> None:
    assert launch(folder, *torchrun(2), script=OTHERS).returncode == 0
    found = {run.name: run for run in ml.runs()}
    assert Counter(run.name for run in ml.runs()) == Counter(
        ["outer", "inner", "second", "of rank 0 alone", "a program of its own"]
    )
    assert found["inner"].parent == found["outer"].id
    assert found["inner"].metrics.keys() == {"inner/0", "inner/1"}
    assert found["second"].metrics.keys() == {"second/0", "second/1"}


RESUMED = """
import os
import chachaml as ml

with ml.start_run(resume=os.environ["GO_ON"]):
    ml.log_metric(f"more/{os.environ['RANK']}", 1.0)
"""


def test_all_ranks_go_on_with_a_run_that_has_ended(folder: Path) -> None:
    with ml.start_run() as run:
        ml.log_metric("loss", 1.0)
    ranks, common = torchrun(3)
    done = launch(folder, ranks, {**common, "GO_ON": run.id}, script=RESUMED)
    assert done.returncode == 0, done.stderr
    found: Any = ml.run(run.id)
    assert found.status == "completed"
    assert {"more/0", "more/1", "more/2"} <= found.metrics.keys()
