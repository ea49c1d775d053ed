"""Logging to a server that is away, dies, is slow, lies, or whose line breaks: nothing is lost or doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core.errors import StoreUnavailable
from chachaml.store.sqlite import open_sqlite
from tests.faults.wires import Line, Server
from tests.seeds import SOAK

TRAINING = """
import sys, time, warnings, chachaml as ml
warnings.simplefilter("ignore")
ml.connect(sys.argv[1])
slowest = 0.0
with ml.start_run(experiment="far", name=sys.argv[2]) as run:
    ml.log_params({"lr": 0.1})
    for step in range(int(sys.argv[3])):
        began = time.perf_counter()
        ml.log_metrics({"loss": 1 / (step + 1), "acc": step / 1000})
        slowest = max(slowest, time.perf_counter() - began)
        if step % 100 == 0:
            ml.log_artifact(f"at/{step}", {"step": step})
            time.sleep(0.05)
print(slowest)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server.db")
    made.start()
    yield made
    made.kill()


def train(url: str, name: str, steps: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAINING, url, name, str(steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def slowest(process: subprocess.Popen[str]) -> float:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return float(out)


def check(path: Path, name: str, steps: int) -> None:
    """Everything is there, once and in order."""
    ml.connect(path)
    (found,) = ml.runs(name=name)
    store = open_sqlite(path)
    row = store.get_run(found.id)
    assert row.params == {"lr": 0.1}
    assert row.conflicts == ()
    for key in ("loss", "acc"):
        assert store.read_series(row.id, key).steps.tolist() == list(range(steps))
    assert {one.name for one in row.artifacts} == {f"at/{step}" for step in range(0, steps, 100)}
    assert row.status == "completed"
    store.close()
    for one in row.artifacts:
        assert ml.load_artifact(row.id, one.name) == {"step": int(one.name[3:])}


def test_a_server_that_dies_ten_times_loses_nothing(server: Server, folder: Path) -> None:
    process = train(server.url, "survivor", 4_000)
    for _ in range(10):
        time.sleep(0.15)
        server.kill()
        time.sleep(0.05)
        server.start()
    assert slowest(process) < 0.5
    ml.connect(server.url)
    ml.flush()
    server.stop()
    check(server.store, "survivor", 4_000)


@pytest.mark.parametrize("fault", ["drop", "cut", "500", "503", "slow", "all"])
def test_a_line_that_breaks_loses_nothing_and_doubles_nothing(
    server: Server, folder: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    kinds = ["drop", "cut", "500", "503", "slow"] if fault == "all" else [fault]

    def meet(request: bytes) -> str:
        return chance.choice(kinds) if chance.random() < 0.3 else ""

    line = Line(server.port, meet)
    for number in range(20 if SOAK else 1):
        assert slowest(train(line.url, f"run {number}", 1_000)) < 0.5
    line.fault = lambda _: ""
    ml.connect(line.url)
    ml.flush()
    line.close()
    assert sum(count for kind, count in line.faults.items() if kind) > 0
    server.stop()
    for number in range(20 if SOAK else 1):
        check(server.store, f"run {number}", 1_000)


def test_a_server_that_is_not_there_yet_gets_all_of_it_later(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "late.db")
    ml.connect(server.url)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with ml.start_run(experiment="far", name="early") as run:
            ml.log_params({"lr": 0.1})
            for _ in range(100):
                ml.log_metrics({"loss": 1, "acc": 1})
            ml.log_artifact("at/0", {"step": 0})
            with pytest.raises(StoreUnavailable, match=r"cannot be reached.*\n?.*wait"):
                ml.flush()
    assert "cannot be reached" in str(told[0].message)
    assert "does not have all of it yet" in str(told[-1].message)
    with pytest.raises(StoreUnavailable):
        ml.run(run.id)
    server.start()
    done = subprocess.run(
        [sys.executable, "-m", "chachaml", "--store", server.url, "sync"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ml.flush()
    server.stop()
    check(server.store, "early", 100)


def test_what_a_killed_process_logged_is_shipped_by_the_next_one(tmp_path: Path, folder: Path) -> None:
    server = Server(tmp_path / "next.db")
    code = """
import os, signal, sys, warnings, chachaml as ml
warnings.simplefilter("ignore")
ml.connect(sys.argv[1])
ml.start_run(experiment="far", name="killed")
for step in range(500): ml.log_metric("loss", step)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, server.url]).returncode == -9
    server.start()
    ml.connect(server.url)
    (run,) = ml.runs(name="killed")
    assert run.status == "crashed"
    assert ml.metric(run, "loss").steps.tolist() == list(range(500))
    server.stop()


def test_a_graceful_stop_answers_what_is_under_way(server: Server, folder: Path) -> None:
    import httpx

    run = httpx.post(f"{server.url}/api/w/runs").json()["id"]
    answered = [0]
    refused = threading.Event()

    def log() -> None:
        with httpx.Client(base_url=server.url) as client:
            for number in range(10_000):
                try:
                    sent = client.post(f"/api/w/runs/{run}/metrics", json={"loss": number})
                except httpx.TransportError:
                    refused.set()
                    return
                assert sent.status_code == 200
                answered[0] += 1

    thread = threading.Thread(target=log)
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    thread.join(20)
    assert refused.is_set()
    store = open_sqlite(server.store)
    # The last one may have been written and its answer lost with the line.
    assert answered[0] <= len(store.read_series(run, "loss").values) <= answered[0] + 1
    store.close()


def test_runs_of_a_machine_that_is_gone_crash_and_come_back(server: Server, folder: Path) -> None:
    from chachaml.connection import Connection
    from chachaml.surfaces.http.service import Options, Service

    ml.connect(server.url)
    run = ml.start_run(experiment="far", name="unplugged")
    ml.log_metric("loss", 1)
    ml.flush()
    server.stop()
    where = Connection(server.store)
    service = Service(where, Options(("http://127.0.0.1:1",), keep=False))
    service.reap(gone_after=60)
    assert where.ready().get_run(run.id).status == "running"
    service.reap(gone_after=0)
    assert where.ready().get_run(run.id).status == "crashed"
    service.close()
    where.close()
    server.start()
    ml.log_metric("loss", 2)
    run.end()
    assert ml.run(run.id).status == "completed"
