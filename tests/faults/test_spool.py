"""Spools: jobs that only write to a shared folder, and bringing what they wrote into a store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, NotFound, StoreUnavailable
from chachaml.journal import beats

JOB = """
import chachaml as ml, sys
ml.connect("spool://" + sys.argv[1])
with ml.start_run("jobs", name=sys.argv[2]) as run:
    ml.log_params({"job": int(sys.argv[2])})
    for step in range(500):
        ml.log_metric("loss", step / 2, step)
    ml.log_text("out.txt", "job " + sys.argv[2])
    if len(sys.argv) > 3:
        print("on", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a spool; the store is elsewhere."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    ml.connect("runs.db")
    return tmp_path / "shared"


def job(spool: Path, number: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", JOB, str(spool), str(number), *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_many_jobs_wrote_is_brought_in(spool: Path) -> None:
    jobs = [job(spool, number) for number in range(6)]
    for each in jobs:
        each.communicate()
        assert each.returncode == 0
    assert not list(spool.rglob("*.db"))
    assert not list(spool.rglob("lock"))
    report = ml.sync(spool)
    assert (report.drained, report.live) == (6, 0)
    assert ml.sync(f"spool://{spool}").drained == 0
    runs = ml.runs("experiment = 'jobs'", order_by="params.job")
    assert [(run.name, run.status) for run in runs] == [(str(number), "completed") for number in range(6)]
    for run in runs:
        assert ml.metric(run, "loss").total == 500
        assert ml.load_artifact(run, "out.txt") == f"job {run.name}"
    assert not list((spool / "journals").glob("*")) if (spool / "journals").exists() else True
    assert ml.doctor().well


def test_a_running_job_is_seen_and_a_killed_one_crashes(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with job(spool, 1, "wait") as writing:
        assert writing.stdout and writing.stdin
        writing.stdout.readline()
        assert ml.sync(spool).live == 1
        (run,) = ml.runs()
        assert (run.status, run.summaries["loss"].count) == ("running", 500)
        assert ml.load_artifact(run, "out.txt") == "job 1"
        writing.send_signal(signal.SIGKILL)
    assert ml.sync(spool).live == 1  # it may only be slow
    assert ml.runs()[0].status == "running"
    monkeypatch.setattr(beats, "MISSED", -1.0)
    assert ml.sync(spool).drained == 1
    (run,) = ml.runs()
    assert (run.status, run.summaries["loss"].count) == ("crashed", 500)


def test_two_jobs_log_to_one_run(spool: Path) -> None:
    with job(spool, 1, "wait") as writing:
        assert writing.stdout and writing.stdin
        writing.stdout.readline()
        ml.sync(spool)
        (run,) = ml.runs()
        helper = (
            "import chachaml as ml, sys\nml.connect('spool://' + sys.argv[1])\n"
            "run = ml.current_run()\nrun.log_metric('other', 7.0)\n"
        )
        environment = {**os.environ, "CHACHAML_RUN_ID": run.id}
        subprocess.run([sys.executable, "-c", helper, str(spool)], env=environment, check=True)
        writing.communicate("\n")
    ml.sync(spool)
    found = ml.run(run.id)
    assert (found.status, found.metrics) == ("completed", {"loss": 249.5, "other": 7.0})


def test_several_may_bring_it_in_at_once(spool: Path) -> None:
    jobs = [job(spool, number) for number in range(5)]
    command = [sys.executable, "-m", "chachaml", "sync", str(spool), "--store", "runs.db"]
    while any(each.poll() is None for each in jobs):
        if spool.exists() and (spool / "journals").exists():
            piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            syncing = [subprocess.Popen(command, **piped) for _ in range(3)]
            for one in syncing:
                _, errors = one.communicate()
                assert one.returncode == 0, errors
    for each in jobs:
        each.communicate()
    ml.sync(spool)
    assert sorted(run.summaries["loss"].count for run in ml.runs()) == [500] * 5
    assert {run.status for run in ml.runs()} == {"completed"}


def test_a_spool_is_of_one_store(spool: Path) -> None:
    job(spool, 1).communicate()
    ml.sync(spool)
    with pytest.raises(BadValue, match="another store"):
        ml.sync(spool, store="other.db")
    with pytest.raises(NotFound, match="not a spool"):
        ml.sync(f"spool://{spool.parent}/nowhere")


def test_a_spool_is_not_read(spool: Path) -> None:
    ml.connect(f"spool://{spool}")
    with ml.start_run(name="here") as run:
        ml.log_metric("a", 1.0)
        ml.flush()
        for call in (
            ml.runs,
            ml.last_run,
            lambda: ml.rename(run, "x"),
            lambda: ml.start_run(resume="feedfeed"),
        ):
            with pytest.raises(StoreUnavailable, match=f"chachaml sync {spool}"):
                call()


def test_a_fork_writes_a_journal_of_its_own(spool: Path) -> None:
    script = (
        "import chachaml as ml, os, sys\nml.connect('spool://' + sys.argv[1])\n"
        "with ml.start_run() as run:\n    ml.log_metric('a', 1.0)\n    child = os.fork()\n"
        "    if not child:\n        run.log_metric('b', 2.0)\n        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(spool)], check=True)
    ml.sync(spool)
    (run,) = ml.runs()
    assert (run.status, run.metrics) == ("completed", {"a": 1.0, "b": 2.0})


def test_clocks_of_other_machines_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "journals" / "one"
    folder.mkdir(parents=True)
    beats.Beat(folder).renew()
    assert not beats.is_over(folder)
    long_ago = time.time() - 3600
    os.utime(folder / beats.BEAT, (long_ago, long_ago))
    assert beats.is_over(folder)
    beats.Beat(folder).renew()
    assert not beats.is_over(folder)
    beats.Beat(folder).end()
    assert beats.is_over(folder)
