"""What Aim, Trackio, Neptune, DVCLive and Sacred recorded is read value by value, and once."""

from __future__ import annotations

import base64
import json
import math
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, MissingExtra

FIXTURES = Path(__file__).parent / "fixtures"


def aim(folder: Path) -> Path:
    shutil.copy(FIXTURES / "aim" / "runs.jsonl", folder)
    return folder / "runs.jsonl"


def trackio(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "digits.db")) as db:
        db.executescript((FIXTURES / "trackio" / "digits.sql").read_text())
    shutil.copytree(FIXTURES / "trackio" / "media", folder / "media")
    return folder / "digits.db"


def aged(folder: Path) -> Path:
    """Let nothing in a folder look as if it were still written."""
    for path in folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def dvclive(folder: Path) -> Path:
    return aged(Path(shutil.copytree(FIXTURES / "dvclive", folder / "training")))


def sacred(folder: Path) -> Path:
    return aged(Path(shutil.copytree(FIXTURES / "sacred", folder / "observed")))


NEPTUNE = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", pa.timestamp("ms", tz="UTC")),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct(
                [("type", pa.string()), ("edges", pa.list_(pa.float64())), ("values", pa.list_(pa.float64()))]
            ),
        ),
    ]
)
"""As neptune-exporter documents it: the service that it exports from is no more."""

BEGAN = datetime(2025, 3, 1, 12, tzinfo=UTC)


def neptune(folder: Path, place: str = "w_p/model.txt") -> Path:
    def row(path: str, kind: str, column: str, value: Any, step: str | None = None) -> dict[str, Any]:
        about = {"project_id": "w/p", "run_id": "RUN-1", "attribute_path": path, "attribute_type": kind}
        when = None if step is None else BEGAN
        return {**about, "step": None if step is None else Decimal(step), "timestamp": when, column: value}

    rows = [
        row("sys/name", "string", "string_value", "baseline"),
        row("sys/owner", "string", "string_value", "ada"),
        row("sys/creation_time", "datetime", "datetime_value", BEGAN),
        row("sys/failed", "bool", "bool_value", True),
        row("sys/tags", "string_set", "string_set_value", ["good"]),
        row("sys/description", "string", "string_value", "why"),
        row("params/lr", "float", "float_value", 0.01),
        row("params/depth", "int", "int_value", 3),
        *(row("loss", "float_series", "float_value", 1 / (i + 1), f"{i}") for i in range(20)),
        row("loss", "float_series", "float_value", math.nan, "20"),
        row("halves", "float_series", "float_value", 1.0, "0.5"),
        row("stdout", "string_series", "string_value", "epoch 1", "0"),
        row(
            "weights", "histogram_series", "histogram_value", {"edges": [0.0, 1, 2], "values": [3.0, 4]}, "5"
        ),
        row("model", "file", "file_value", {"path": place}),
        row("odd", "tensor", "string_value", "?"),
    ]
    data, files = folder / "exports" / "data" / "w_p-1", folder / "exports" / "files"
    data.mkdir(parents=True)
    (files / "w_p").mkdir(parents=True)
    (files / "w_p" / "model.txt").write_text("weights")
    for part, some in enumerate((rows[:20], rows[20:])):
        pq.write_table(pa.Table.from_pylist(some, NEPTUNE), data / f"RUN-1-1_part_{part}.parquet")
    return folder / "exports" / "data"


MAKERS = {"aim": aim, "trackio": trackio, "neptune": neptune, "dvclive": dvclive, "sacred": sacred}


def by_name() -> dict[str, ml.Run]:
    return {run.name: ml.run(run.id) for run in ml.runs()}


def points(run: ml.Run, key: str) -> list[tuple[int, str]]:
    one = ml.metric(run, key)
    return [(int(step), repr(float(value))) for step, value in zip(one.steps, one.values, strict=True)]


@pytest.mark.parametrize("tool", MAKERS)
def test_a_dry_run_counts_and_doing_it_again_adds_nothing(folder: Path, tool: str) -> None:
    there = MAKERS[tool](folder)
    dry = ml.import_runs(tool, there, dry_run=True)
    assert not ml.runs()
    first = ml.import_runs(tool, there)
    counted = ("runs", "params", "metrics", "points", "artifacts", "left")
    assert [getattr(dry, name) for name in counted] == [getattr(first, name) for name in counted]
    assert first.runs > 0 and first.points > 0
    again = ml.import_runs(tool, there)
    assert (again.runs, again.unchanged, again.params, again.points, again.artifacts) == (
        0,
        first.runs,
        0,
        0,
        0,
    )


def test_trackio_is_what_trackio_reads(folder: Path) -> None:
    moved = ml.import_runs("trackio", trackio(folder))
    expected = json.loads((FIXTURES / "trackio" / "expected.json").read_text())
    for name, run in by_name().items():
        wanted: dict[str, list[tuple[int, str]]] = {}
        for row in expected[name]["logs"]:
            flat = {**row, **{f"train.{key}": value for key, value in row.get("train", {}).items()}}
            for key, value in flat.items():
                if isinstance(value, (int, float)) and key != "step":
                    wanted.setdefault(key, []).append((row["step"], repr(float(value))))
        assert {key: points(run, key) for key in run.metrics} == wanted
        assert run.params == {key: v for key, v in expected[name]["config"].items() if key[0] != "_"}
    first = by_name()["first"]
    assert (first.experiment, first.status, first.tags["trackio.group"]) == ("digits", "completed", "g1")
    assert ml.load_artifact(first, "images/img/41.png")[:4] == b"\x89PNG"
    assert ml.load_artifact(first, "histograms/hist/43.json")["counts"] == [2, 1, 0, 1]
    assert {(one.what, one.name) for one in moved.left} == {
        ("alerts", "1 of digits"),
        ("value", "words of first"),
    }
    stamp = datetime.fromisoformat(expected["first"]["logs"][0]["timestamp"])
    assert first.summaries["loss"].first_time == round(stamp.timestamp() * 1e6)


def test_trackio_of_before_runs_had_ids(folder: Path) -> None:
    with closing(sqlite3.connect("old.db")) as db:
        db.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp, run_name, step, metrics)")
        db.execute("INSERT INTO metrics VALUES (1, '2025-01-01T00:00:00', 'a', 3, '{\"loss\": 0.5}')")
        db.commit()
    assert ml.import_runs("trackio", "old.db").points == 1
    assert points(by_name()["a"], "loss") == [(3, "0.5")]


def test_aim_is_what_aim_reads(folder: Path) -> None:
    ml.import_runs("aim", aim(folder))
    first = by_name()["first"]
    assert (first.experiment, first.status, first.note) == ("digits", "completed", "why")
    assert first.params["hparams.lr"] == 0.01
    assert first.params["hparams.deep.a"] is True
    train = [(step, repr(1 / (step + 1))) for step in range(25)]
    assert points(first, "loss {subset=train}") == train
    assert points(first, "loss {subset=val}") == [(3, "0.5")]
    assert points(first, "odd") == [(0, "nan"), (1, "inf")]
    lines = [json.loads(line) for line in (FIXTURES / "aim" / "runs.jsonl").read_text().splitlines()]
    (picture,) = [line["data"] for line in lines if line.get("file") == "picture/2"]
    assert ml.load_artifact(first, "images/picture/2.png") == base64.b64decode(picture)
    assert ml.load_artifact(first, "text/words/1.md") == "hello <b>"
    assert ml.load_artifact(first, "histograms/weights/5.json")["counts"] == [3, 0, 0, 1]
    (archived,) = ml.runs(status="archived")
    assert archived.experiment == "other"


def test_aim_says_where_it_has_to_be(folder: Path) -> None:
    Path("repo/.aim").mkdir(parents=True)
    with pytest.raises(MissingExtra, match="has no Aim") as refused:
        ml.import_runs("aim", "repo", python=sys.executable)
    assert "-o python=PATH" in refused.value.hint
    with pytest.raises(BadValue, match="cannot be started"):
        ml.import_runs("aim", "repo", python="/no/such/python")
    with pytest.raises(BadValue, match="there is no Aim repository"):
        ml.import_runs("aim", "elsewhere")


def test_neptune_is_what_its_exporter_wrote(folder: Path) -> None:
    moved = ml.import_runs("neptune", neptune(folder))
    run = by_name()["baseline"]
    assert (run.experiment, run.status, run.created_by, run.note) == ("w/p", "failed", "ada", "why")
    assert run.params == {"params/lr": 0.01, "params/depth": 3}
    assert points(run, "loss") == [*((i, repr(1 / (i + 1))) for i in range(20)), (20, "nan")]
    assert run.started == BEGAN
    assert ml.load_artifact(run, "histograms/weights/5.json") == {"counts": [3, 4], "edges": [0, 1, 2]}
    assert ml.artifact_path(run, "model").read_text() == "weights"
    assert "epoch 1" in str(ml.load_artifact(run, "series/stdout.json"))
    assert {one.what for one in moved.left} == {"fraction of steps", "attribute"}
    assert "good" in run.tags
    exact = ml.import_runs("neptune", "exports/data", step_multiplier="1000", store="other.db")
    assert {one.what for one in exact.left} == {"attribute"}


def test_dvclive_is_what_its_tables_say(folder: Path) -> None:
    there = dvclive(folder)
    ml.import_runs("dvclive", there)
    (run,) = by_name().values()
    assert (run.experiment, run.name, run.status) == ("training", "dvclive", "completed")
    assert run.params == {"lr": 0.01, "name": "résumé", "layers": [1, 2], "deep.a": True}
    assert points(run, "loss") == [(step, repr(1 / (step + 1))) for step in range(12)]
    assert points(run, "train/acc") == [(step, repr(step / 10)) for step in range(12)]
    assert points(run, "test") == [(11, "0.75")]
    table = (FIXTURES / "dvclive" / "dvclive" / "plots" / "metrics" / "train" / "acc.tsv").read_text()
    stamps = [int(line.split("\t")[0]) * 1000 for line in table.splitlines()[1:]]
    assert ml.metric(run, "train/acc").times.tolist() == stamps
    assert ml.load_artifact(run, "plots/images/black.png")[:4] == b"\x89PNG"
    with (there / "dvclive" / "plots" / "metrics" / "loss.tsv").open("a") as file:
        file.write("12\t0.05\n13\t0.0")  # somebody is still writing
    more = ml.import_runs("dvclive", there)
    assert (points(ml.run(run.id), "loss")[12:], more.left[0].name) == (
        [(12, "0.05")],
        "the last of loss.tsv",
    )


def test_sacred_is_what_its_observer_wrote(folder: Path) -> None:
    ml.import_runs("sacred", sacred(folder))
    one, two = by_name()["digits 1"], by_name()["digits 2"]
    assert (one.status, two.status) == ("completed", "failed")
    assert (two.error.type, two.error.message) == ("ValueError", "it failed")  # type: ignore[union-attr]
    assert points(one, "loss") == [(step, repr(1 / (step + 1))) for step in range(12)]
    assert points(one, "odd") == [(3, "nan")]
    assert one.metrics["result"] == 0.75
    assert one.params["deep.name"] == "résumé"
    assert one.params["weights"] == [1.0, 2.0]
    assert "printed by the run" in ml.console(one)
    assert ml.artifact_path(one, "notes.txt").read_text() == "an artifact"
    assert "def main(_run, fails)" in ml.artifact_path(one, "sources/sacred_made.py").read_text()
    metrics = json.loads((FIXTURES / "sacred" / "1" / "metrics.json").read_text())
    stamps = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in metrics["loss"]["timestamps"]]
    wanted = [round(stamp.timestamp() * 1e6) for stamp in stamps]
    assert ml.metric(one, "loss").times.tolist() == wanted


def test_sacred_that_was_killed_was_interrupted_and_lives_while_its_heart_beats(folder: Path) -> None:
    there = sacred(folder)
    about = there / "1" / "run.json"
    alive = {**json.loads(about.read_text()), "status": "RUNNING", "stop_time": None}
    for ago, status in ((0, "running"), (600, "interrupted")):
        beat = datetime.fromtimestamp(datetime.now(UTC).timestamp() - ago, UTC).replace(tzinfo=None)
        about.write_text(json.dumps({**alive, "heartbeat": beat.isoformat()}))
        ml.import_runs("sacred", there, store=f"{status}.db")
        ml.connect(f"{status}.db")
        assert by_name()["digits 1"].status == status


def test_what_a_source_names_outside_of_it_is_not_read(folder: Path) -> None:
    secret = folder / "secret.txt"
    secret.write_text("a secret")
    sources = folder / "sources"
    sources.mkdir()
    there = sacred(sources)
    about = json.loads((there / "1" / "run.json").read_text())
    about["experiment"]["sources"] = [["../../x.py", "../../secret.txt"], ["y.py", str(secret)]]
    (there / "1" / "run.json").write_text(json.dumps(about))
    (there / "1" / "link.txt").symlink_to(secret)
    (there / "1" / "weights.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    live = dvclive(sources)
    (live / "dvclive" / "plots" / "link.txt").symlink_to(secret)
    database = trackio(sources)
    with closing(sqlite3.connect(database)) as db:
        name = '{"img": {"_type": "trackio.image", "file_path": "../../secret.txt"}}'
        db.execute(
            "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES ('x', '', 'x', 0, ?)",
            [name],
        )
        db.commit()
    left = ml.import_runs("trackio", database).left
    (live / "dvclive" / "plots" / "metrics" / "x.tsv").symlink_to(secret)
    for tool, place in (("sacred", there), ("dvclive", live)):
        links = [one for one in ml.import_runs(tool, place).left if one.what == "link"]
        assert links, "they are told"
    left += ml.import_runs("neptune", neptune(sources, "../../../secret.txt")).left
    assert sum("there is no" in one.why for one in left) == 2
    kept = [ml.artifact_path(run.id, each.name) for run in ml.runs() for each in ml.run(run.id).artifacts]
    assert not [path for path in kept if path.read_bytes() == b"a secret"]
    assert any(path.name == "weights.pkl" for path in kept)
    assert not Path("executed").exists()
