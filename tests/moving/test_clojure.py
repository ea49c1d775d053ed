"""The store of the Clojure library: its own tables, EDN, and artifacts that only the JVM can read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue
from chachaml.moving.sources.edn import NotEdn, read_edn

TABLES = (Path(__file__).parent / "fixtures" / "clojure" / "tables.sql").read_text()
ONE, TWO, THREE = (f"0a1b2c3d-0000-4000-8000-00000000000{no}" for no in (1, 2, 3))
T = 1_700_000_000_000


@pytest.fixture
def store(folder: Path) -> Path:
    (folder / "theirs").mkdir()
    path = folder / "theirs" / "chachaml.db"
    files = {
        "model": (b"NPY\x00\xff", "application/x-nippy"),
        "conf": (b'{:layers [64 32] :act "relu" :on? true}', "application/edn"),
        "confusion": (b"{:headers [:a :b] :rows [[1 2] [3 4]]}", "application/x-chachaml-table"),
        "notes.md": (b"# hi", "text/markdown"),
        "plots/roc.png": (b"\x89PNG\r\n\x1a\n", "application/octet-stream"),
        "gone": (None, "application/edn"),
    }
    rows: list[tuple[str, tuple[Any, ...]]] = [
        ("runs", (ONE, "iris", "base", "completed", T, T + 5000, None, '{:team "a" :n 1}',
                  '{:git {:sha "abc" :branch "main" :dirty? false} :os {:name "Linux"}}', None, "ada")),
        ("runs", (TWO, "iris", None, "failed", T + 9, T + 10, "Division by zero", None, "{:broken", ONE, None)),
        ("runs", (THREE, "iris", "old", "archived", T + 20, T + 30, None, None, None, None, None)),
        *(("params", (ONE, key, value)) for key, value in
          (("lr", "0.01"), ("opt", ":adam"), ("net/deep", "{:a [1 nil] :b #{:x}}"), ("text", '"h\\"i"'), ("bad", "[1"))),
        *(("metrics", (ONE, "loss", 1 / (no + 1), no, T + no)) for no in range(50)),
        ("metrics", (ONE, "acc", 0.5, 0, T + 60)),
        *(("artifacts", (f"art-{name}", ONE, name, f"{ONE}/{name}", kind, 1, "", T)) for name, (_, kind) in files.items()),
        ("artifacts", ("art-evil", ONE, "evil", "../../secret", "application/edn", 1, "", T)),
        ("models", ("net", "A net", T)),
        ("model_versions", ("net", 1, ONE, "art-conf", "archived", "first", T)),
        ("model_versions", ("net", 2, ONE, "art-model", "production", "second", T + 1)),
        ("tags", (ONE, "note", "look")),
        ("tags", (ONE, "team", "b")),
        ("datasets", ("d1", ONE, "test", 150, 4, '["w" "h"]', "abc", "iris.csv", T)),
        ("pipelines", ("0a1b2c3d-0000-4000-8000-0000000000ff", "train", "nightly", "failed", None, T, T + 9)),
        ("pipeline_steps", ("s1", "0a1b2c3d-0000-4000-8000-0000000000ff", "load", 0, ONE, "completed", T, T + 1)),
        ("pipeline_steps", ("s2", "0a1b2c3d-0000-4000-8000-0000000000ff", "fit", 1, None, "running", T + 1, None)),
        ("alerts", ("a1", "high", None, "loss", ">", 1.0, 1, None, None, None, T)),
    ]  # fmt: skip
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(TABLES)
        for table, row in rows:
            db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    for name, (data, _) in files.items():
        if data is not None:
            place = folder / "theirs" / "chachaml-artifacts" / ONE / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    (folder / "secret").write_text('"not yours"')
    return path


def test_everything_that_can_be_read_comes(store: Path) -> None:
    moved = ml.import_runs("clojure", store)
    assert (moved.runs, moved.points, moved.versions) == (4, 51, 2)
    run = ml.run(ONE.replace("-", ""))
    assert (run.experiment, run.name, run.status, run.created_by) == ("iris", "base", "completed", "ada")
    assert (run.started.timestamp() * 1000, run.duration) == (T, 5.0)
    assert run.params == {
        "lr": 0.01, "opt": "adam", "net/deep": {"a": [1, None], "b": ["x"]}, "text": 'h"i', "bad": "[1",
    }  # fmt: skip
    assert (run.note, run.tags) == ("look", {"note": "look", "team": "b", "n": "1"})
    facts = {"git.sha": "abc", "git.branch": "main", "git.dirty": False, "os.name": "Linux"}
    assert run.environment == facts
    loss = ml.metric(run, "loss")
    assert loss.values.tolist() == [1 / (no + 1) for no in range(50)]
    assert loss.times.tolist() == [(T + no) * 1000 for no in range(50)]
    (data,) = run.datasets
    assert (data.role, data.rows, data.columns, data.features, data.digest) == (
        "test",
        150,
        4,
        ("w", "h"),
        "abc",
    )


def test_failed_archived_and_child_runs_are_told_apart(store: Path) -> None:
    ml.import_runs("clojure", store)
    two, three = ml.run(TWO.replace("-", "")), ml.run(THREE.replace("-", ""))
    assert (two.status, two.parent, two.name) == ("failed", ONE.replace("-", ""), TWO[:8])
    assert two.error is not None and two.error.message == "Division by zero"
    assert (three.status, three.archived is not None) == ("completed", True)


def test_artifacts_open_with_plain_tools_where_that_is_possible(store: Path) -> None:
    moved = ml.import_runs("clojure", store)
    run = ml.run(ONE.replace("-", ""))
    assert ml.load_artifact(run, "conf") == {"layers": [64, 32], "act": "relu", "on?": True}
    assert ml.load_artifact(run, "confusion") == {"headers": ["a", "b"], "rows": [[1, 2], [3, 4]]}
    assert ml.load_artifact(run, "notes.md") == "# hi"
    assert next(one for one in run.artifacts if one.name == "plots/roc.png").content_type == "image/png"
    assert ml.load_artifact(run, "model") == b"NPY\x00\xff"
    assert {one.name for one in run.artifacts}.isdisjoint({"gone", "evil"})
    assert sorted((one.what, one.name.split(" ")[0]) for one in moved.left) == [
        ("alert", "high"), ("artifact", "evil"), ("artifact", "gone"), ("environment", "of"), ("value", "model"),
    ]  # fmt: skip


def test_models_and_pipelines_come_too(store: Path) -> None:
    ml.import_runs("clojure", store)
    one, two = ml.registry.model_versions("net")
    assert (one.stage, one.artifact, two.stage, two.description) == (
        "archived",
        "conf",
        "production",
        "second",
    )
    steps = ml.connect().store().steps("0a1b2c3d000040008000" + "0" * 10 + "ff")
    assert [(step.step, step.status, step.needs) for step in steps] == [
        ("load", "completed", ()), ("fit", "failed", ("load",)),
    ]  # fmt: skip


def test_doing_it_again_adds_nothing_and_the_file_is_untouched(store: Path) -> None:
    before = store.read_bytes()
    ml.import_runs("clojure", store)
    again = ml.import_runs("clojure", store)
    assert (again.runs, again.unchanged, again.points, again.versions) == (0, 4, 0, 0)
    assert store.read_bytes() == before


def test_what_is_no_such_store_is_refused(folder: Path) -> None:
    with ml.start_run("x"):
        pass
    ml.flush()
    Path("text.db").write_text("no database at all, only text that is long enough")
    for where in ("nowhere.db", "text.db"):
        with pytest.raises(BadValue):
            ml.import_runs("clojure", where)
    with pytest.raises(BadValue, match="is no store of the Clojure library"):
        ml.import_runs("clojure", "chachaml.db")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{:a 1, "b" [1 2.5 nil true], 3 :c/d}', {"a": 1, "b": [1, 2.5, None, True], "3": "c/d"}),
        ('"a\\n\\u00e9\\""', 'a\né"'),
        ("(1 #_2 #_ [3] 4)", [1, 4]),
        ("[1/2 12N 3.5M ##Inf -7]", [0.5, 12, 3.5, float("inf"), -7]),
        ('#inst "2024-01-01" ; when', "2024-01-01"),
        ("[\\a \\newline sym]", ["a", "\n", "sym"]),
    ],
)
def test_edn_is_read_as_plain_data(text: str, value: Any) -> None:
    assert read_edn(text) == value


@pytest.mark.parametrize("text", ["", "1 2", "[1", "}", "{:a}", '"open', "[" * 300 + "]" * 300])
def test_what_is_no_edn_is_refused(text: str) -> None:
    with pytest.raises(NotEdn):
        read_edn(text)
