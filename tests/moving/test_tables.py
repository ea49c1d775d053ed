"""CSV files and JSON lines: rows of steps and rows of runs, told or guessed, whole or damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue
from chachaml.moving.sources.times import microseconds


def runs() -> dict[str, ml.Run]:
    return {run.name: ml.run(run.id) for run in ml.runs()}


def test_a_row_is_a_step(folder: Path) -> None:
    Path("logs").mkdir()
    Path("logs/one.csv").write_text(
        "step,time,loss,acc,model\n1,1700000000,0.5,,cnn\n2,1700000001.5,nan,0.75,cnn\n"
    )
    moved = ml.import_runs("csv", "logs")
    run = runs()["one"]
    assert (moved.runs, moved.points, moved.left) == (1, 3, ())
    assert (run.experiment, run.status, run.params) == ("logs", "completed", {"model": "cnn"})
    loss = ml.metric(run, "loss")
    assert (loss.steps.tolist(), loss.times.tolist()) == (
        [1, 2],
        [1_700_000_000_000_000, 1_700_000_001_500_000],
    )
    assert repr(loss.values.tolist()) == "[0.5, nan]"
    assert ml.metric(run, "acc").steps.tolist() == [2]


def test_a_column_tells_runs_apart_and_others_are_named(folder: Path) -> None:
    Path("all.csv").write_text("who;it;lr;loss\na;0;0.1;1\nb;0;0.2;2\na;5;0.1;3\n")
    ml.import_runs("csv", "all.csv", run="who", step="it", params="lr", experiment="x")
    found = runs()
    assert {name: run.params for name, run in found.items()} == {"a": {"lr": 0.1}, "b": {"lr": 0.2}}
    assert ml.metric(found["a"], "loss").steps.tolist() == [0, 5]
    assert found["a"].experiment == "x"


def test_a_row_is_a_run(folder: Path) -> None:
    with ml.start_run("digits", name="mine", tags={"team": "vision"}) as run:
        ml.log_params({"lr": 0.1, "model": "cnn"})
        ml.log_metric("loss", 0.25)
    ml.export_runs(path="runs.csv")
    ml.connect("other.db")
    ml.import_runs("csv", "runs.csv", rows="runs", params="lr")
    found = runs()["mine"]
    assert (found.id, found.experiment, found.started) == (run.id, "digits", ml.run(run.id).started)
    assert (found.params, found.metrics) == ({"lr": 0.1, "model": "cnn"}, {"loss": 0.25})
    assert found.tags["team"] == "vision"


def test_json_lines_keep_types_and_nest(folder: Path) -> None:
    lines = [{"step": 3, "train": {"loss": 1.5, "ok": True}, "note": "x"}, {"step": 4, "train": {"loss": 2}}]
    text = "\n".join(map(json.dumps, lines))
    Path("one.jsonl").write_text(text + '\n{"step": 5, "train": {"lo')
    moved = ml.import_runs("jsonl", "one.jsonl")
    run = runs()["one"]
    assert run.metrics == {"train.loss": 2.0, "train.ok": 1.0}
    assert run.params == {"note": "x"}
    (left,) = moved.left
    assert left.name == "3 of one.jsonl"


def test_damaged_rows_are_told_and_the_rest_comes(folder: Path) -> None:
    Path("a.csv").write_bytes(b"\xef\xbb\xbfstep,loss\n1,0.5\n2\n3,0.25,9\n4,0.125\n\xff\xfe,7\n")
    moved = ml.import_runs("csv", "a.csv")
    assert [(one.what, one.name) for one in moved.left] == [("row", "2 of a.csv"), ("row", "3 of a.csv")]
    assert ml.metric(runs()["a"], "loss").values.tolist() == [0.5, 7.0, 0.125]


def test_doing_it_again_adds_rows_that_are_new(folder: Path) -> None:
    path = Path("a.csv")
    path.write_text("step,time,loss\n1,2024-01-01T00:00:00,0.5\n")
    ml.import_runs("csv", path)
    path.write_text(path.read_text() + "2,2024-01-01T00:00:01Z,0.25\n")
    again = ml.import_runs("csv", path)
    assert (again.runs, again.points) == (0, 1)
    assert ml.metric(runs()["a"], "loss").values.tolist() == [0.5, 0.25]


def test_what_cannot_be_is_refused(folder: Path) -> None:
    Path("empty").mkdir()
    for where, options in (
        ("empty", {}),
        ("nowhere.csv", {}),
        ("empty", {"rows": "x"}),
        ("empty", {"colour": "red"}),
    ):
        with pytest.raises(BadValue):
            ml.import_runs("csv", where, **options)


@pytest.mark.parametrize(
    "time",
    [
        1_700_000_000,
        "1700000000",
        1_700_000_000_000,
        1.7e15,
        1.7e18,
        "2023-11-14T22:13:20",
        "2023-11-14T23:13:20+01:00",
    ],
)
def test_times_are_told_apart_by_their_size(time: object) -> None:
    assert microseconds(time, 0) == 1_700_000_000_000_000
    assert microseconds("2023-11-14T23:13:20+01:00", 0) == 1_700_000_000_000_000
    assert microseconds("soon", 7) == microseconds(3, 7) == microseconds(None, 7) == 7


def test_a_table_without_times_that_grows_adds_its_new_rows_alone(folder: Path) -> None:
    path = Path("losses.csv")
    path.write_text("step,loss\n0,1.0\n1,0.5\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    ml.import_runs("csv", path)
    with path.open("a") as file:
        file.write("2,0.25\n")
    assert ml.import_runs("csv", path).points == 1
    (run,) = ml.runs()
    assert ml.metric(run, "loss").values.tolist() == [1.0, 0.5, 0.25]


def test_files_of_one_name_are_runs_of_their_own(folder: Path) -> None:
    for version in ("version_0", "version_1"):
        Path("logs", version).mkdir(parents=True)
        Path("logs", version, "metrics.csv").write_text("step,loss\n0,1.0\n")
        assert ml.import_runs("csv", f"logs/{version}/metrics.csv").runs == 1
    assert ml.import_runs("csv", "logs/version_0").unchanged == 1
    assert ml.import_runs("csv", "logs").runs == 2  # known by longer paths now


def test_what_swallows_rows_is_told(folder: Path) -> None:
    Path("open.csv").write_text('run,loss,loss\na,1,2\nb,"3,4\na,5,6\n')
    moved = ml.import_runs("csv", "open.csv")
    assert (moved.runs, moved.points) == (1, 1)
    assert [one.why for one in moved.left] == [
        "there are several columns 'loss'; the last one counts",
        "unexpected end of data",
    ]
