"""Runs of MLflow, read from its database, its folder and its server, are what MLflow itself reads there."""

from __future__ import annotations

import base64
import io
import json
import math
import shutil
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, StoreUnavailable
from chachaml.moving.imported import typed

FIXTURES = Path(__file__).parent / "fixtures" / "mlflow"
STATUSES = {"FINISHED": "completed", "FAILED": "failed", "KILLED": "interrupted", "RUNNING": "running"}


class Replay(BaseHTTPRequestHandler):
    """Answers as the server did that was recorded."""

    answers: dict[str, bytes]

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        given = {k: int(v) if k == "max_results" else v for k, v in parse_qsl(asked.query)}
        self._answer("GET", asked.path, given)

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer("POST", self.path, given)

    def _answer(self, method: str, path: str, given: dict[str, Any]) -> None:
        body = self.answers.get(json.dumps([method, path, given], sort_keys=True))
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")


@contextmanager
def replayed() -> Iterator[str]:
    heard = json.loads((FIXTURES / "server.json").read_text())
    answers = {
        json.dumps([one["method"], one["path"], one["given"]], sort_keys=True): base64.b64decode(one["body"])
        for one in heard
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Recorded", (Replay,), {"answers": answers}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def database(folder: Path) -> Path:
    """Make the database of the fixtures, whose artifacts were moved here with it."""
    path = folder / "mlflow.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((FIXTURES / "mlflow.sql").read_text())
    shutil.copytree(FIXTURES / "artifacts", folder / "mlartifacts")
    return path


@pytest.fixture(params=["database", "folder", "server"])
def place(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where the runs are, and what MLflow says of them."""
    kind = request.param
    expected = json.loads((FIXTURES / ("folder.json" if kind == "folder" else "database.json")).read_text())
    if kind == "server":
        with replayed() as url:
            yield url, expected
    elif kind == "database":
        yield str(database(folder)), expected
    else:
        shutil.copytree(FIXTURES / "mlruns", folder / "mlruns")
        yield str(folder / "mlruns"), expected


def history(run: str, key: str) -> list[list[Any]]:
    """Return the points of a metric as MLflow's own were written down."""
    found = ml.metric(run, key)
    rows = zip(found.steps.tolist(), found.times.tolist(), found.values.tolist(), strict=True)
    return sorted([step, time // 1000, repr(value)] for step, time, value in rows)


def test_every_value_is_what_mlflow_reads(place: tuple[str, dict[str, Any]]) -> None:
    where, expected = place
    moved = ml.import_runs("mlflow", where)
    assert (moved.runs, moved.left) == (len(expected["runs"]), ())
    for theirs in expected["runs"]:
        ours = ml.run(theirs["id"])
        assert (ours.experiment, ours.name) == (theirs["experiment"], theirs["name"])
        assert ours.status == STATUSES[theirs["status"]]
        assert ours.started.timestamp() * 1000 == theirs["start"]
        assert (ours.ended and ours.ended.timestamp() * 1000) == theirs["end"]
        assert (ours.archived is not None) == (theirs["lifecycle"] == "deleted")
        assert {key: str(value) for key, value in ours.params.items()} == theirs["params"]
        assert {key: history(ours.id, key) for key in ours.metrics} == theirs["metrics"]
        kept = {one.name: one.size for one in ours.artifacts}
        assert all(kept[name] == size for name, size in theirs["artifacts"])


def test_what_mlflow_means_by_its_tags_is_kept(place: tuple[str, dict[str, Any]]) -> None:
    ml.import_runs("mlflow", place[0])
    first = next(run for run in ml.runs(archived=None) if run.name == "first")
    child = next(run for run in ml.runs(archived=None) if run.name == "child")
    assert (first.note, first.created_by, child.parent) == ("# Note\n<b>bold</b>", "ada", first.id)
    first = ml.run(first.id)
    assert first.environment == {"git.sha": "a" * 40}
    assert (first.tags["team"], first.tags["mlflow.source.name"]) == ("vision", "train.py")
    assert (first.params["lr"], first.params["depth"], first.params["flag"]) == (0.01, 3, True)
    assert first.params["name"] == "résumé 日本語"
    assert ml.load_artifact(first, "raw.bin") == bytes(range(256))


def test_models_come_with_versions_stages_and_aliases(place: tuple[str, dict[str, Any]]) -> None:
    ml.import_runs("mlflow", place[0])
    (model,) = ml.registry.models()
    assert (model.name, model.description, model.tags) == ("net", "A *net*", {"task": "digits"})
    one, two = ml.registry.model_versions("net")
    assert (one.version, one.stage, one.description, one.tags) == (1, "production", "v1", {"good": "yes"})
    assert (two.version, two.stage, one.aliases) == (2, "staging", ("champion",))
    with zipfile.ZipFile(io.BytesIO(ml.load_artifact(one.run, one.artifact))) as packed:
        assert packed.read("MLmodel") == b"flavors: {}\n"


def test_doing_it_again_adds_only_what_is_new(place: tuple[str, dict[str, Any]]) -> None:
    where, expected = place
    count = len(expected["runs"])
    dry = ml.import_runs("mlflow", where, dry_run=True)
    assert (dry.runs, ml.count_runs(archived=None)) == (count, 0)
    first = ml.import_runs("mlflow", where)
    assert (dry.points, dry.artifacts, dry.versions) == (first.points, first.artifacts, first.versions)
    ours = next(run for run in ml.runs(archived=None) if run.name == "first")
    ml.rename(ours, "mine")
    ml.add_tag(ours, "team", "nlp")
    again = ml.import_runs("mlflow", where)
    assert (again.runs, again.unchanged, again.points, again.versions) == (0, count, 0, 0)
    assert (ml.run(ours.id).name, ml.run(ours.id).tags["team"]) == ("mine", "nlp")


def test_a_run_that_went_on_is_brought_up_to_date(folder: Path) -> None:
    path = database(folder)
    ml.import_runs("mlflow", path)
    with closing(sqlite3.connect(path)) as db, db:
        (live,) = db.execute("SELECT run_uuid FROM runs WHERE name = 'live'").fetchone()
        row = ("loss", 0.25, 1_700_000_600_100, live, -3, 0)
        columns = "key, value, timestamp, run_uuid, step, is_nan"
        db.execute(f"INSERT INTO metrics ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row)
        db.execute("INSERT INTO params VALUES ('late', '5', ?)", (live,))
        db.execute(
            "UPDATE runs SET status = 'FINISHED', end_time = 1700000700000 WHERE run_uuid = ?", (live,)
        )
    again = ml.import_runs("mlflow", path)
    assert (again.runs, again.points, again.params) == (0, 1, 1)
    run = ml.run(live)
    assert (run.status, run.params) == ("completed", {"late": 5})
    assert ml.metric(run, "loss").values.tolist() == [0.25, 1.0]


def test_a_run_that_names_no_place_has_no_artifacts(folder: Path) -> None:
    path = database(folder)
    Path("thesis.tex").write_text("not an artifact of any run")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET artifact_uri = NULL WHERE name = 'first'")
        db.execute("UPDATE runs SET artifact_uri = './' WHERE name = 'child'")
    ml.import_runs("mlflow", path)
    assert all(ml.run(run.id).artifacts == () for run in ml.runs(archived=None))


def test_a_damaged_folder_gives_what_can_be_read(folder: Path) -> None:
    shutil.copytree(FIXTURES / "mlruns", folder / "mlruns")
    metas = sorted((folder / "mlruns").glob("[1-9]*/*/meta.yaml"))
    first = next(meta for meta in metas if "run_name: first" in meta.read_text())
    with (first.parent / "metrics" / "loss").open("a") as file:
        file.write("17000000 0.1")
        file.write("\nhalf a li")
    other = next(meta for meta in metas if "run_name: killed" in meta.read_text())
    other.write_text(other.read_text()[:40])
    (first.parent / "params" / "odd").write_bytes(b"\xff\xfe")
    moved = ml.import_runs("mlflow", "mlruns")
    assert moved.runs == 4
    assert sorted((one.what, one.count) for one in moved.left) == [("param", 1), ("point", 1), ("run", 1)]
    assert math.isclose(ml.metric(first.parent.name, "loss").values[0], 0.1)


def test_what_is_no_mlflow_is_refused(folder: Path) -> None:
    Path("empty").mkdir()
    Path("text.db").write_text("no database, but text enough to be read as one")
    with closing(sqlite3.connect("other.db")) as db:
        db.execute("CREATE TABLE runs (id TEXT)")
    for where in ("empty", "text.db", "other.db", "nowhere"):
        with pytest.raises(BadValue):
            ml.import_runs("mlflow", where)
    with pytest.raises(StoreUnavailable):
        ml.import_runs("mlflow", "http://127.0.0.1:1")
    with pytest.raises(BadValue, match="nothing is known of"):
        ml.import_runs("nothing", "x")
    assert ml.count_runs() == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-0.5", -0.5), ("1e-05", 1e-05), ("007", "007"), ("1e3", "1e3"), ("nan", "nan"), ("", "")],
)
def test_a_text_becomes_a_number_if_it_reads_the_same_again(text: str, value: Any) -> None:
    assert typed(text) == value


def test_the_command_imports(folder: Path) -> None:
    database(folder)
    command = [sys.executable, "-m", "chachaml", "import", "mlflow", "mlflow.db"]
    dry = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True)
    assert dry.stdout.startswith("5 runs would be carried from")
    assert not Path("chachaml.db").exists()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["points"] == 52


def logged_database(folder: Path) -> Path:
    there = FIXTURES.with_name("mlflow_logged")
    shutil.copytree(there / "artifacts", folder / "artifacts")
    with closing(sqlite3.connect(folder / "logged.db")) as db:
        db.executescript((there / "mlflow.sql").read_text())
    return folder / "logged.db"


def logged_folder(folder: Path) -> Path:
    return Path(shutil.copytree(FIXTURES.with_name("mlflow_logged") / "mlruns", folder / "mlruns"))


@pytest.mark.parametrize("made", [logged_database, logged_folder])
def test_versions_of_logged_models_have_their_files(folder: Path, made: Any) -> None:
    there = made(folder)
    given = {"artifacts": str(folder)} if made is logged_database else {}
    dry = ml.import_runs("mlflow", there, dry_run=True, **given)
    moved = ml.import_runs("mlflow", there, **given)
    assert {one.what for one in moved.left} <= {"artifacts"}  # the run itself has none
    assert (moved.models, moved.versions, moved.artifacts) == (1, 2, 4)
    assert (dry.versions, dry.artifacts) == (2, 4)
    (run,) = ml.runs()
    names = [one.name for one in ml.run(run).artifacts]
    assert [name for name in names if name.startswith("net/")] == ["net/MLmodel"]
    for number in (1, 2):  # the second is a later model by the same name
        version = ml.registry.version("net", number)
        packed = zipfile.ZipFile(io.BytesIO(Path(ml.artifact_path(run, version.artifact)).read_bytes()))
        assert packed.read("MLmodel").decode().endswith(f"number: {number}\n")
    again = ml.import_runs("mlflow", there, **given)
    assert (again.unchanged, again.versions, again.artifacts) == (1, 0, 0)


def test_a_damaged_database_costs_what_is_damaged_alone(folder: Path) -> None:
    path = database(folder)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("UPDATE metrics SET value = 'abc' WHERE rowid = 3")
        db.execute("UPDATE metrics SET step = x'00ff' WHERE rowid = 4")
        db.execute("UPDATE runs SET start_time = 9223372036854775807 WHERE name = 'killed'")
        db.execute("UPDATE runs SET end_time = 'abc' WHERE name = 'live'")
        db.execute(
            "UPDATE tags SET value = CAST(x'780061eda080ff' AS TEXT) WHERE key = 'mlflow.note.content'"
        )
        db.execute("UPDATE model_versions SET creation_time = 'x'")
        points = db.execute("SELECT count(*) FROM metrics").fetchone()[0]
        lost = db.execute("SELECT run_uuid FROM runs WHERE name = 'live'").fetchone()[0]
        live = db.execute("SELECT count(*) FROM metrics WHERE run_uuid = ?", (lost,)).fetchone()[0]
    dry = ml.import_runs("mlflow", path, dry_run=True)
    moved = ml.import_runs("mlflow", path)
    assert (moved.runs, moved.versions) == (4, 2)
    assert moved.points == points - live - 2
    assert sorted(one.what for one in moved.left if one.what != "artifacts") == ["point", "point", "run"]
    assert (dry.points, dry.versions, dry.left) == (moved.points, moved.versions, moved.left)


def test_versions_without_their_run_are_told_and_not_counted(folder: Path) -> None:
    path = database(folder)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET run_uuid = 'elsewhere' || rowid")
    for dry in (True, False, False):
        moved = ml.import_runs("mlflow", path, dry_run=dry)
        assert (moved.models, moved.versions) == (0, 0)
        assert sum(one.count for one in moved.left if one.what in ("version", "change")) == 2
