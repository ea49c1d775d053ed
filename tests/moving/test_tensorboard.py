"""Event files are read as TensorBoard reads them, to the last bit; damaged ones as far as they go."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue
from chachaml.moving.sources.tfrecord import crc32c, masked

FIXTURES = Path(__file__).parent / "fixtures" / "tensorboard"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())


def by_name() -> dict[str, ml.Run]:
    return {run.name: ml.run(run.id) for run in ml.runs(archived=None)}


def scalars(run: ml.Run, key: str) -> list[list[Any]]:
    found = ml.metric(run, key)
    rows = zip(found.steps.tolist(), found.times.tolist(), found.values.tolist(), strict=True)
    return [[step, time, repr(value)] for step, time, value in rows]


def theirs(series: dict[str, Any]) -> dict[str, Any]:
    """Return what TensorBoard read, with times in microseconds."""
    return {
        key: [[step, round(time * 1e6), value] for step, time, value in rows] for key, rows in series.items()
    }


def test_scalars_are_what_tensorboard_reads(folder: Path) -> None:
    moved = ml.import_runs("tensorboard", FIXTURES)
    assert moved.left == ()
    runs = by_name()
    assert runs.keys() == EXPECTED.keys() - {"train/hp"}
    for name, run in runs.items():
        wanted = dict(EXPECTED[name]["scalars"])
        if name == "train":  # what the hparams added to the run
            wanted |= EXPECTED["train/hp"]["scalars"]
        if name == "tensors":
            assert scalars(run, "accuracy") == [
                [step, (1_700_000_300 + step) * 10**6, repr(value)]
                for step, value in enumerate(
                    [0.0, 0.10000000149011612, 0.20000000298023224, 0.30000001192092896, 0.4000000059604645]
                )
            ]
            continue
        assert {key: scalars(run, key) for key in run.metrics} == theirs(wanted)
        assert (run.status, run.experiment) == ("completed", "tensorboard")


def test_pictures_texts_histograms_and_hparams_come_too(folder: Path) -> None:
    ml.import_runs("tensorboard", FIXTURES)
    run = by_name()["train"]
    assert run.params == {"lr": 0.1, "name": "a", "deep": True}
    (step, picture) = EXPECTED["train"]["images"]["digits/first"][0]
    assert Path(ml.artifact_path(run, f"images/digits/first/{step}.png")).read_bytes() == base64.b64decode(
        picture
    )
    assert ml.load_artifact(run, "text/notes/1.md") == "# hello <b>world</b>"
    (_, edges, counts) = EXPECTED["train"]["histograms"]["weights"][0]
    found = ml.load_artifact(run, "histograms/weights/3.json")
    assert found["counts"] == counts
    assert found["edges"][1:-1] == edges[:-1]
    assert sum(found["counts"]) == 1000


def test_doing_it_again_adds_what_was_written_since(folder: Path) -> None:
    shutil.copytree(FIXTURES / "train", "logs/train")
    (events,) = Path("logs/train").glob("*tfevents*")
    whole = events.read_bytes()
    events.write_bytes(whole[:700])
    first = ml.import_runs("tensorboard", "logs")
    assert [one.why for one in first.left] == ["its last record is not whole"]
    events.write_bytes(whole)
    again = ml.import_runs("tensorboard", "logs")
    assert (again.runs, again.left) == (0, ())
    assert 0 < first.points < first.points + again.points == 33
    assert len(ml.metric(by_name()["train"], "loss")) == 30


def test_damage_costs_what_comes_behind_it_and_is_named(folder: Path) -> None:
    shutil.copytree(FIXTURES / "train", "logs/train")
    shutil.copytree(FIXTURES / "eval", "logs/eval")
    (events,) = Path("logs/train").glob("*tfevents*")
    data = bytearray(events.read_bytes())
    data[700] ^= 0xFF
    events.write_bytes(data)
    Path("logs/eval/events.out.tfevents.1.junk").write_bytes(b"this is no event file, but somebody's notes")
    moved = ml.import_runs("tensorboard", "logs")
    assert sorted(one.what for one in moved.left) == ["event file", "event file"]
    assert all("damaged from byte" in one.why for one in moved.left)
    assert scalars(by_name()["train"], "loss") == theirs(EXPECTED["train"]["scalars"])["loss"][:15]
    assert set(by_name()) == {"train", "eval", "eval/both/a", "eval/both/b"}


def test_event_files_are_followed_live(folder: Path) -> None:
    (events,) = (FIXTURES / "train").glob("*tfevents*")
    whole = events.read_bytes()
    Path("logs/train").mkdir(parents=True)
    copy = Path("logs/train") / events.name
    seen: list[int] = []
    written, looked = threading.Event(), threading.Event()

    def write() -> None:
        with copy.open("ab", buffering=0) as file:
            for at in range(0, 1600, 400):  # some numbers in each
                file.write(whole[at : at + 400])
                looked.wait(10)
                looked.clear()
            file.write(whole[1600:])
        written.set()

    def progress(runs: int, _: int | None, points: int) -> None:
        seen.append(points)
        looked.set()

    writer = threading.Thread(target=write)
    writer.start()
    moved = ml.watch_tensorboard("logs", every=0.02, idle=1.0, progress=progress)
    assert (moved.metrics, moved.unchanged) == (sum(len(run.metrics) for run in by_name().values()), 0)
    writer.join()
    assert written.is_set()
    assert moved.points == 32
    assert len(seen) > 2
    run = by_name()["train"]
    assert {key: scalars(run, key) for key in run.metrics} == theirs(EXPECTED["train"]["scalars"])
    assert run.status == "completed"
    assert ml.import_runs("tensorboard", "logs").unchanged == 1


def test_a_folder_without_events_is_refused(folder: Path) -> None:
    Path("empty").mkdir()
    for where in ("empty", "nowhere"):
        with pytest.raises(BadValue):
            ml.import_runs("tensorboard", where)


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert masked(b"") == 0xA282EAD8


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def record(data: bytes) -> bytes:
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked(head)) + data + struct.pack("<I", masked(data))


def event(time: float, value: bytes) -> bytes:
    return record(b"\x09" + struct.pack("<d", time) + field(5, field(1, value)))


LOSS = field(1, b"loss") + b"\x15" + struct.pack("<f", 0.5)


def test_odd_events_cost_themselves_alone(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "runs" / name).mkdir(parents=True)
    sound = field(1, b"sound") + field(6, b"\xff\xff\xff")
    odd = [event(1e300, LOSS), event(1.7e9, sound), event(1.7e9 + 1, LOSS)]
    (folder / "runs" / "a" / "events.tfevents.1").write_bytes(b"".join(odd))
    (folder / "runs" / "a" / "half.tfevents.2").write_bytes(struct.pack("<Q", 99))
    (folder / "runs" / "a" / "gone.tfevents.3").symlink_to("/nowhere")
    (folder / "runs" / "b" / "events.tfevents.1").write_bytes(event(1.7e9, LOSS))
    moved = ml.import_runs("tensorboard", "runs")
    assert (moved.runs, moved.points) == (2, 2)
    assert sorted(one.what for one in moved.left) == ["artifact", "event", "event file", "link"]
