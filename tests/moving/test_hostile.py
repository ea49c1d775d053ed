"""Sources that are damaged, cut off or made to do harm give an account, and what can be read."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.moving.test_other_tools import MAKERS
from tests.seeds import SOAK

import chachaml as ml
from chachaml.core.errors import ChachamlError

FIXTURES = Path(__file__).parent / "fixtures"
ROUNDS = 400 if SOAK else 10


def wandb(folder: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "wandb", folder / "wandb"))


def tensorboard(folder: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "tensorboard", folder / "events"))


def mlflow(folder: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "mlflow" / "mlruns", folder / "mlruns"))


def jsonl(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps({"run": "a", "step": i, "loss": 1 / (i + 1), "n": {"b": "x"}}) + "\n"
            for i in range(20)
        )
    )
    return path


def csv(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text(
        "run,step,loss,name\n" + "".join(f"a,{i},{i / 3},é\n" for i in range(20)), encoding="utf-8"
    )
    return path


def database(folder: Path) -> Path:
    return of_sql(folder / "mlflow.db", FIXTURES / "mlflow" / "mlflow.sql")


def clojure(folder: Path) -> Path:
    path = of_sql(folder / "theirs.db", FIXTURES / "clojure" / "tables.sql")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO runs (id, status, start_time) VALUES ('r', 'completed', 1)")
        db.execute("INSERT INTO metrics VALUES ('r', 'loss', 0.5, 1, 1)")
        db.execute("INSERT INTO params VALUES ('r', 'lr', '[0.1 {:a 1}]')")
    return path


def of_sql(path: Path, script: Path) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script.read_text())
    return path


ALL = {
    **MAKERS,
    "wandb": wandb,
    "tensorboard": tensorboard,
    "mlflow": mlflow,
    "mlflow-database": database,
    "clojure": clojure,
    "jsonl": jsonl,
    "csv": csv,
}


def files_of(there: Path) -> list[Path]:
    return [there] if there.is_file() else sorted(path for path in there.rglob("*") if path.is_file())


def damages(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Yield data as a disk, a network or somebody else might leave it."""
    at = chance.randrange(len(data) + 1)
    yield data[:at]
    flipped = bytearray(data)
    for _ in range(8):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    yield bytes(flipped)
    yield data[:at] + chance.randbytes(60) + data[at:]
    yield data.replace(b"1", b"9" * 40)
    yield data.replace(b'"', b'["' * 3, 5)
    yield data.decode(errors="replace").encode("utf-16")
    yield b"[" * 100_000
    yield b""


@pytest.mark.parametrize("tool", ALL)
def test_damage_never_stops_an_import(folder: Path, tool: str) -> None:
    there = ALL[tool](folder)
    chance = random.Random(tool)
    for number in range(ROUNDS):
        path = chance.choice([one for one in files_of(there) if one.stat().st_size])
        whole = path.read_bytes()
        bad = list(damages(whole, chance))
        path.write_bytes(bad[number % len(bad)])
        try:
            ml.import_runs(tool.partition("-")[0], there, store=folder / "target.db", dry_run=number % 2 == 0)
        except ChachamlError as refused:
            assert refused.hint or str(refused)
        finally:
            path.write_bytes(whole)
    assert ml.import_runs(tool.partition("-")[0], there, store=folder / "clean.db").runs > 0


HUGE = {"run": "a", "step": 10**30, "time": 10**300, "loss": 10**400, "big": 1e308, "deep": {"x": -(10**400)}}


def test_numbers_of_any_size_are_told_or_kept(folder: Path) -> None:
    Path("huge.jsonl").write_text(json.dumps(HUGE) + "\n" + json.dumps({"run": "a", "loss": 1.0}) + "\n")
    ml.import_runs("jsonl", "huge.jsonl")
    (run,) = ml.runs()
    assert ml.metric(run, "loss").values.tolist() == [float("inf"), 1.0]
    line = {"points": "loss", "context": {}, "steps": [10**30, 1], "times": [1.0, 1.0], "values": [1.0, 2.0]}
    Path("aim.jsonl").write_text(json.dumps({"run": "x"}) + "\n" + json.dumps(line) + "\n")
    moved = ml.import_runs("aim", "aim.jsonl")
    assert "more than 64 bits" in str(moved.left)
