"""W&B's files are read as W&B's own messages say; damaged and half-written ones as far as they go."""

from __future__ import annotations

import json
import math
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue

FIXTURES = Path(__file__).parent / "fixtures" / "wandb"
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((FIXTURES / "expected.json").read_text())


def runs() -> dict[str, ml.Run]:
    return {run.name: ml.run(run.id) for run in ml.runs()}


def history(run: ml.Run) -> dict[str, list[list[Any]]]:
    """Return all points, as the history has them: step, time, value."""
    found = {}
    for key in run.metrics:
        one = ml.metric(run, key)
        rows = zip(one.steps.tolist(), one.times.tolist(), one.values.tolist(), strict=True)
        found[key] = [[step, time, repr(value)] for step, time, value in rows]
    return found


def wanted(rows: list[dict[str, Any]]) -> dict[str, list[list[Any]]]:
    """Return the numbers that W&B's messages hold, but for what belongs to pictures and the like."""
    found: dict[str, list[list[Any]]] = {}
    for row in rows:
        step, time = int(float(row["_step"])), round(float(row["_timestamp"]) * 1e6)
        for key, value in row.items():
            media = key.split(".")[0] in ("img", "hist", "table")
            if key[0] != "_" and not media and value != "hello":
                found.setdefault(key, []).append([step, time, "nan" if value == "NaN" else value])
    return found


def test_every_number_is_what_wandb_wrote(folder: Path) -> None:
    moved = ml.import_runs("wandb", FIXTURES)
    assert moved.runs == 2
    for name, rows in EXPECTED.items():
        run = next(one for one in runs().values() if one.tags["imported.id"] in name)
        found = history(run)
        found.pop("best", None)  # of the summary alone
        assert found == wanted(rows)
        assert len(found["loss"]) in (1, 31)


def test_all_else_that_a_run_has_comes_too(folder: Path) -> None:
    moved = ml.import_runs("wandb", FIXTURES)
    run = runs()["first"]
    assert (run.experiment, run.status, runs()["failed"].status) == ("digits", "completed", "failed")
    assert run.params == {"lr": 0.01, "deep": {"a": [1, None, "x"]}, "flag": True, "late": 3}
    assert run.note == "# why\n<b>"
    assert {"a", "b"} <= run.tags.keys()
    assert (run.tags["wandb.group"], run.tags["wandb.job_type"]) == ("g1", "train")
    assert run.metrics["best"] == 0.5
    assert math.isnan(run.metrics["loss"])
    names = [one.name for one in run.artifacts]
    (picture,) = [name for name in names if name.endswith(".png")]
    assert ml.load_artifact(run, picture)[:4] == b"\x89PNG"
    assert any(name.endswith(".table.json") for name in names)
    assert sum(ml.load_artifact(run, "histograms/hist/51.json")["counts"]) == 3
    left = {(one.what, one.name.split(" ")[0].split("-")[0]) for one in moved.left}
    assert left == {("artifact", "run"), ("value", "text")}


def test_doing_it_again_adds_nothing(folder: Path) -> None:
    ml.import_runs("wandb", FIXTURES)
    again = ml.import_runs("wandb", FIXTURES)
    assert (again.runs, again.unchanged, again.points, again.artifacts) == (0, 2, 0, 0)
    one = next(FIXTURES.glob("*/*.wandb"))
    assert ml.import_runs("wandb", one).unchanged == 1


def test_half_a_file_gives_half_a_run(folder: Path) -> None:
    source = next(path for path in FIXTURES.glob("*/*.wandb") if path.stat().st_size > 3000)
    data = source.read_bytes()
    Path("run-1").mkdir()
    copy = Path("run-1") / source.name
    copy.write_bytes(data[: len(data) // 2])
    first = ml.import_runs("wandb", ".")
    assert [one.why for one in first.left] == ["its last record is not whole"]
    (run,) = ml.runs()
    assert run.status == "running"  # it was written a moment ago
    assert 0 < first.points < 65
    copy.write_bytes(data)
    again = ml.import_runs("wandb", ".")
    assert again.runs == 0
    assert ml.run(run.id).status == "completed"
    assert history(ml.run(run.id))["loss"] == wanted(EXPECTED[source.name])["loss"]


def test_damage_costs_its_block_and_is_named(folder: Path) -> None:
    source = next(path for path in FIXTURES.glob("*/*.wandb") if path.stat().st_size > 3000)
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shutil.copytree(source.parent, "run-1")
    (Path("run-1") / source.name).write_bytes(data)
    Path("run-1/other.wandb").write_text("no log at all")
    moved = ml.import_runs("wandb", "run-1")
    assert moved.runs == 1
    whys = sorted(one.why for one in moved.left if one.what in ("file", "run"))
    assert "is no .wandb file" in whys[0]
    assert whys[1].startswith("about ")
    assert 0 < len(history(ml.runs()[0])["loss"]) < 31


def test_a_folder_without_runs_is_refused(folder: Path) -> None:
    with pytest.raises(BadValue, match="there are no .wandb files"):
        ml.import_runs("wandb", ".")


def field(number: int, data: bytes) -> bytes:
    return (
        bytes([number << 3 & 127 | 2 | (128 if number > 15 else 0)])
        + (bytes([number >> 4]) if number > 15 else b"")
        + bytes([len(data) & 127 | 128, len(data) >> 7])
        + data
    )


def item(key: str, value: object) -> bytes:
    return field(1, field(1, key.encode()) + field(16, json.dumps(value).encode()))


def log(path: Path, *messages: bytes) -> None:
    """Write a file of records, each whole in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b":W&B\x3e\xbf\0")
        for data in messages:
            file.write(zlib.crc32(b"\1" + data).to_bytes(4, "little") + len(data).to_bytes(2, "little"))
            file.write(b"\1" + data)
    os.utime(path, (1, 1))


RUN = field(17, field(1, b"abc") + field(3, b"project") + field(8, b"odd"))


def test_what_a_summary_nests_is_carried_or_told(folder: Path) -> None:
    history = field(2, item("a", {"b": 1.0}) + item("_step", 0) + item("_timestamp", 1.7e9))
    summary = item("a", {"b": 1.0}) + item("best", {"acc": 0.9, "by": "me"}) + item("ranks", [1, 2])
    alert = field(10, field(1, b"loss is high"))
    log(folder / "w" / "run-abc.wandb", RUN, history, field(3, summary), alert)
    moved = ml.import_runs("wandb", "w")
    (run,) = ml.runs()
    assert run.metrics == {"a.b": 1.0, "best.acc": 0.9}
    assert run.tags["summary.best.by"] == "me"
    assert sorted(one.what for one in moved.left) == ["alert", "value"]


def test_times_and_texts_that_cannot_be_cost_themselves_alone(folder: Path) -> None:
    odd = item("loss", 1.0) + item("_step", 0) + item("_timestamp", 1e300)
    config = field(5, item("name", "x\0\ud800") + item("lr", 0.1))
    log(
        folder / "w" / "run-abc.wandb",
        RUN,
        config,
        field(2, odd),
        field(26, field(12, b"host\0\xed\xa0\x80")),
    )
    moved = ml.import_runs("wandb", "w")
    run = ml.run(ml.last_run())
    assert (moved.runs, moved.points, run.params["lr"]) == (1, 1, 0.1)
    assert run.params["name"].startswith("x\N{REPLACEMENT CHARACTER}")


def test_links_and_pipes_are_told_and_never_read(folder: Path) -> None:
    log(folder / "w" / "run-abc.wandb", RUN)
    Path("w/other.wandb").symlink_to("/etc/hostname")
    os.mkfifo("w/pipe.wandb")
    Path("w/files").mkdir()
    os.mkfifo("w/files/pipe")
    moved = ml.import_runs("wandb", "w")
    assert moved.runs == 1
    assert sorted(one.what for one in moved.left) == ["file", "file", "link"]
