"""A database that crashes or cuts lines, servers of it that are killed: nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

import chachaml as ml
from chachaml.core.changes import AlertRule, AlertSet, Batch
from chachaml.core.errors import StoreUnavailable
from chachaml.core.ids import new_id
from chachaml.core.settings import server_token
from chachaml.store.postgres import open_postgres
from chachaml.testing import Writer
from tests.faults.processes import eventually
from tests.faults.wires import Server as Front
from tests.postgres import PASSWORD, Server, fresh_url, server, unused_server
from tests.seeds import SOAK

ROUNDS = 60 if SOAK else 3

TRAINING = """
import sys, time, warnings, chachaml as ml
warnings.simplefilter("ignore")
ml.connect(sys.argv[1])
with ml.start_run(experiment="team", name=sys.argv[2]) as run:
    ml.log_params({"lr": 0.1})
    step, until = 0, time.time() + float(sys.argv[3])
    while time.time() < until:
        ml.log_metrics({"loss": 1 / (step + 1), "acc": step / 1000}, step)
        step += 1
        time.sleep(0.0005)
print(step)
"""

pytestmark = pytest.mark.usefixtures("folder")


def train(url: str, name: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAINING, url, name, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def steps_of(process: subprocess.Popen[str]) -> int:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return int(out)


def check(url: str, name: str, steps: int) -> None:
    """Everything is there, once and in order."""
    ml.connect(url)
    ml.flush()  # what the process could not bring over in time
    (found,) = ml.runs(name=name)
    with closing(open_postgres(url)) as store:
        row = store.get_run(found.id)
        assert (row.status, row.params, row.conflicts) == ("completed", {"lr": 0.1}, ())
        for key in ("loss", "acc"):
            assert store.read_series(row.id, key).steps.tolist() == list(range(steps))
        assert store.check() == []


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server of one's own in which nothing is unsafe."""
    with unused_server() as found:
        yield found


def test_a_database_that_crashes_and_restarts_loses_nothing(own: Server) -> None:
    url = own.url("crashes")
    open_postgres(url).close()
    process = train(url, "survivor", 1.5 * ROUNDS)
    for number in range(ROUNDS):
        time.sleep(0.7)
        own.stop(signal.SIGQUIT if number % 2 == 0 else signal.SIGINT)
        time.sleep(0.2)
        own.start()
    check(url, "survivor", steps_of(process))


def test_lines_that_are_cut_in_the_middle_lose_nothing(own: Server) -> None:
    url = own.url("cuts")
    open_postgres(url).close()
    process = train(url, "cut", 1.5)
    while process.poll() is None:
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chachaml'"
        )
        time.sleep(0.05)
    check(url, "cut", steps_of(process))


def test_a_writer_that_hangs_within_a_transaction_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or nobody could write while a laptop sleeps."""
    from chachaml.store import postgres_database

    monkeypatch.setattr(postgres_database, "_STUCK", 1)
    monkeypatch.setattr(postgres_database, "PATIENCE", 10.0)
    url = fresh_url()
    with closing(open_postgres(url)) as stuck, closing(open_postgres(url)) as other:
        hung = stuck._database._pool.getconn()
        stuck._database._begin(hung)
        began = time.monotonic()
        other.apply(Batch((), command=new_id()))
        assert time.monotonic() - began < 8
        hung.close()
        stuck._database._pool.putconn(hung)


def test_a_database_that_is_away_stops_no_training(own: Server, folder: Path) -> None:
    url = own.url("away")
    open_postgres(url).close()
    own.stop()
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            ml.connect(url)
            with ml.start_run(name="meanwhile"):
                ml.log_metric("loss", 1.0)
            with pytest.raises(StoreUnavailable, match="wait in"):
                ml.flush()
        assert any("cannot be" in str(one.message) for one in told)
        assert not [one for one in told if PASSWORD in str(one.message)]
    finally:
        own.start()
    ml.flush()
    assert ml.run(ml.runs(name="meanwhile")[0].id).metrics["loss"] == 1.0


def test_servers_that_are_killed_lose_nothing_that_they_acknowledged(tmp_path: Path) -> None:
    url = fresh_url()
    front = Front(url)  # type: ignore[arg-type]
    front.start()
    try:
        process = train(front.url, "far", 2.5)
        for _ in range(ROUNDS):
            time.sleep(0.6)
            front.kill()
            front.start()
        steps = steps_of(process)
        ml.connect(front.url)
        ml.flush()
        check(url, "far", steps)
    finally:
        front.kill()


# several servers of one database ------------------------------------------------------------------


class Fronts(NamedTuple):
    """Two servers of one store."""

    store: str
    urls: list[str]
    tokens: list[str]

    def start(self, **headers: str) -> str:
        """Start a run through the first, and return its id."""
        about = {"experiment": "e", "name": "n"}
        answer = httpx.post(f"{self.urls[0]}/api/w/runs", json=about, headers=headers, timeout=15)
        run: str = answer.json()["id"]
        return run


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronts]:
    url = fresh_url()
    both = [Front(url), Front(url)]  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        for front in both:
            front.start()
        tokens = [server_token(f"http://localhost:{front.port}") for front in both]
    yield Fronts(url, [front.url for front in both], tokens)
    for front in both:
        front.kill()


def test_what_one_server_writes_is_told_by_the_other(fronts: Fronts) -> None:
    with httpx.Client(timeout=15) as client, client.stream("GET", f"{fronts.urls[1]}/api/events") as events:
        lines = events.iter_lines()
        assert next(lines) == "retry: 1000"
        began = time.monotonic()
        run = fronts.start()
        assert any(run in line for line in lines if line.startswith("data"))
        assert time.monotonic() - began < 5


def test_a_request_that_is_sent_again_to_another_server_is_done_once(fronts: Fronts) -> None:
    run = fronts.start(**{"Idempotency-Key": "k1"})
    about: dict[str, Any] = {"json": {"experiment": "e", "name": "n"}, "headers": {"Idempotency-Key": "k1"}}
    again = httpx.post(f"{fronts.urls[1]}/api/w/runs", timeout=15, **about)
    assert again.json()["id"] == run
    point: dict[str, Any] = {"json": {"loss": 1.0}, "headers": {"Idempotency-Key": "k2"}}
    for front in fronts.urls * 2:
        assert httpx.post(f"{front}/api/w/runs/{run}/metrics", timeout=15, **point).status_code == 200
    with closing(open_postgres(fronts.store)) as store:
        assert store.get_run(run).metrics["loss"].count == 1


def test_two_servers_fire_an_alert_once(fronts: Fronts) -> None:
    with closing(open_postgres(fronts.store)) as store:
        rule = AlertRule("threshold", metric="height", threshold=0.5)
        store.apply(Batch((AlertSet(1, "high", "ada", rule),), command=new_id()))
        run = fronts.start()
        for front in fronts.urls:
            httpx.post(f"{front}/api/w/runs/{run}/metrics", json={"height": 0.9}, timeout=15)
        eventually(lambda: bool(store.events("high")), 20)
        time.sleep(2.5)  # both servers have looked again by then
        assert len(store.events("high")) == 1


def test_a_process_is_heard_by_whichever_server_it_calls(fronts: Fronts) -> None:
    with closing(open_postgres(fronts.store)) as store:
        writer = Writer(store)
        writer.start()
        owner = writer.info.id
        assert owner not in store.silent_owners(30)
        before = store.silent_owners(-30)[owner]
        shown = {"Authorization": f"Bearer {fronts.tokens[1]}"}
        answer = httpx.post(f"{fronts.urls[1]}/api/store/beat/{owner}", headers=shown, timeout=15)
        assert answer.status_code == 200, answer.text
        assert store.silent_owners(-30)[owner] > before


# with no change to user code ----------------------------------------------------------------------

USER_CODE = """
import chachaml as ml
with ml.start_run(experiment="iris", name="same") as run:
    ml.log_params({"lr": 0.01})
    ml.log_metrics({"loss": 0.5}, step=1)
    ml.log_artifact("model", {"w": 1})
ml.registry.register_model("m", run=run, stage="production")
print(ml.best_run(metric="loss", direction="min").name, ml.load_artifact(run, "model"))
print(ml.sql("SELECT count(*) AS n FROM runs").to_dicts(), ml.runs("params.lr < 1")[0].status)
print(repr(ml.connect()), ml.doctor().well)
"""


def test_the_same_code_runs_on_a_file_and_in_postgres(folder: Path) -> None:
    host = f"127.0.0.1:{server().port}"
    schema = fresh_url().rpartition("=")[2]
    team = {
        "DB_TYPE": "postgres",
        "JDBC_URL": f"jdbc:postgresql://{host}/postgres?currentSchema={schema}",
        "DB_USER": "chachaml",
        "DB_PASSWORD": PASSWORD,
    }
    said = []
    for variables in ({}, team):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", USER_CODE],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.splitlines())
        assert PASSWORD not in done.stdout + done.stderr
    assert said[0][:2] == said[1][:2]
    assert f"chachaml database 'postgresql://chachaml@{host}/postgres?schema={schema}'" in said[1][2]
    assert said[1][2].endswith("True")
    shell = [sys.executable, "-m", "chachaml"]
    about: dict[str, Any] = {"cwd": folder, "env": {**os.environ, **team}}
    for command, shows in (("config", "jdbc:postgre"), ("runs", "same"), ("upgrade", schema)):
        done = subprocess.run([*shell, command], capture_output=True, text=True, timeout=60, **about)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        assert shows in done.stdout
