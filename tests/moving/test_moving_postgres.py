"""Postgres as what is moved to, what is moved from, and where MLflow kept its runs."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
from tests.moving.test_migrating import WRITER, content
from tests.moving.test_migrating import source as source  # the fixture
from tests.postgres import PASSWORD, USER, fresh_url, server

import chachaml as ml

FIXTURES = Path(__file__).parent / "fixtures" / "mlflow"


def migrate(*arguments: object) -> dict[str, object]:
    command = [Path(sys.executable).with_name("chachaml"), "migrate", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_store_goes_to_postgres_and_comes_back_whole(source: Path) -> None:
    there = fresh_url()
    up = migrate(source, there)
    assert (up["verified"], up["runs"], up["artifacts"]) == (True, 4, 2)
    again = migrate(source, there)
    assert (again["runs"], again["unchanged"], again["points"]) == (0, 4, 0)
    down = migrate(there, "back.db")
    assert (down["verified"], down["runs"], down["artifacts"]) == (True, 4, 2)
    assert content(ml.connect("back.db").store()) == content(ml.connect(source).store())
    ml.connect("back.db")
    assert ml.load_artifact(ml.runs("name = 'uno'")[0], "model") == {"w": [1, 2]}


def test_a_run_that_is_written_to_postgres_is_followed_until_it_ends(
    folder: Path, monkeypatch: object
) -> None:
    there, here = fresh_url(), fresh_url()
    writing = subprocess.Popen(
        [sys.executable, "-c", f"import chachaml\nchachaml.connect({there!r})\n{WRITER}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with writing as writer:
        assert writer.stdin and writer.stdout
        assert writer.stdout.readline() == "up\n"
        told: list[int] = []

        def progress(done: int, total: int | None, points: int) -> None:
            told.append(points)
            if len(told) == 1:  # it is at the target, and goes on at the source
                assert writer.stdin
                writer.stdin.write("\n")
                writer.stdin.flush()

        moved = ml.migrate(there, here, progress=progress)
        assert writer.wait(60) == 0
    assert moved.verified, moved
    ml.connect(here)
    (run,) = ml.runs()
    assert (run.status, len(ml.metric(run, "loss"))) == ("completed", 200)
    assert ml.load_artifact(run, "last") == [1]


def test_mlflow_in_postgres_is_read_value_by_value(folder: Path) -> None:
    name = f"mlflow_{folder.parent.name}".replace("-", "_").lower()
    server().execute(f"CREATE DATABASE {name}")
    address = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{server().port}/{name}"
    with closing(psycopg.connect(address, autocommit=True)) as db:
        db.execute((FIXTURES / "postgres.sql").read_bytes())
    dry = ml.import_runs("mlflow", address, dry_run=True, artifacts=str(FIXTURES / "artifacts"))
    first = ml.import_runs("mlflow", address, artifacts=str(FIXTURES / "artifacts"))
    assert PASSWORD not in repr(first)
    assert (first.runs, first.points) == (dry.runs, dry.points) == (5, 52)
    expected = json.loads((FIXTURES / "postgres.json").read_text())["runs"]
    for theirs in expected:
        run = ml.run(theirs["id"])
        assert (run.name, run.experiment) == (theirs["name"], theirs["experiment"])
        assert {key: str(value) for key, value in run.params.items()} == theirs["params"]
        found = {}
        for key in run.metrics:
            one = ml.metric(run, key)
            rows = zip(one.steps.tolist(), one.times.tolist(), one.values.tolist(), strict=True)
            found[key] = sorted([step, time // 1000, repr(value)] for step, time, value in rows)
        assert found == {key: sorted(rows) for key, rows in theirs["metrics"].items()}
    again = ml.import_runs("mlflow", address, artifacts=str(FIXTURES / "artifacts"))
    assert (again.runs, again.unchanged, again.points) == (0, 5, 0)
