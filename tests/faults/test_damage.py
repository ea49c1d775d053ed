"""A store's file with flipped bits, lost pages or a lost log: reads are right or say so, training goes on."""

from __future__ import annotations

import random
import shutil
import struct
import warnings
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core.errors import StoreDamaged, StoreError
from tests.faults.processes import run
from tests.seeds import SOAK, seed

pytestmark = pytest.mark.usefixtures("folder")

PAGE = 4096
RUNS = 30

# Reads all there is. Typed errors are fine; any other exception, a crash or a hang is not.
READER = """
import sys, faulthandler, warnings
import chachaml as ml
from chachaml.core.errors import ChachamlError
faulthandler.dump_traceback_later(25, exit=True)
warnings.simplefilter("ignore")

def attempt(call):
    try:
        return call()
    except ChachamlError as error:
        print(error.code, error.message)

for path in sys.argv[1:]:
    ml.connect(path)
    attempt(ml.doctor)
    for found in attempt(lambda: ml.runs(limit=1000)) or []:
        attempt(lambda: ml.run(found.id))
        for key in found.metrics:
            series = attempt(lambda: ml.metric(found, key))
            attempt(lambda: ml.metric(found, key, max_points=100))
    attempt(lambda: ml.best_run(metric="loss"))
print("read")
"""

TRAINING = """
import sys
import chachaml as ml
ml.connect(sys.argv[1])
with ml.start_run("goes-on", name="training") as run:
    for step in range(5000):
        ml.log_metric("loss", step, step)
sys.exit(7)
"""


@pytest.fixture
def store(folder: Path) -> Path:
    """A store of some hundred pages, in one file."""
    dice = random.Random(1)
    for number in range(RUNS):
        with ml.start_run("real", name=f"n{number}") as made:
            ml.log_params({f"p{n}": dice.random() for n in range(10)})
            for step in range(3000 if number % 10 == 0 else 20):
                ml.log_metrics({"loss": dice.random(), "accuracy": dice.random()}, step)
            made.set_note("x" * 500)
    path = ml.connect().path
    ml.connect().close()
    assert not path.with_name("chachaml.db-wal").exists()
    return path


def flip(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 10, 1000))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def truncate(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def zero(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 20))):
        at = dice.randrange(len(data) // PAGE) * PAGE
        data[at : at + PAGE] = bytes(PAGE)


DAMAGES = [flip, truncate, zero]


def damaged(store: Path, folder: Path, number: int, dice: random.Random) -> Path:
    data = bytearray(store.read_bytes())
    DAMAGES[number % len(DAMAGES)](data, dice)
    path = folder / f"damaged-{number}" / "chachaml.db"
    path.parent.mkdir()
    path.write_bytes(data)
    return path


def test_reading_a_damaged_store_is_right_or_says_so(folder: Path, store: Path) -> None:
    start = seed()
    print(f"seed {start}")
    dice = random.Random(start)
    for _ in range(50 if SOAK else 2):
        paths = [damaged(store, folder, number, dice) for number in range(20)]
        ended = run(READER, *paths, cwd=folder, within=60)
        assert ended.code == 0 and ended.out.endswith("read\n"), f"seed {start}: {ended}"
        for path in paths:
            shutil.rmtree(path.parent)


def test_training_on_a_damaged_store_goes_on(folder: Path, store: Path) -> None:
    start = seed()
    print(f"seed {start}")
    dice = random.Random(start)
    for number in range(200 if SOAK else 8):
        path = damaged(store, folder, number, dice)
        ended = run(TRAINING, path, cwd=folder)
        assert ended.code in (7, 1), f"seed {start}: {ended}"
        if ended.code == 1:  # the damage hides whose file it is: then it must not be touched
            assert "ForeignFile" in ended.err or "SchemaTooNew" in ended.err, f"seed {start}: {ended}"
        else:
            assert "Traceback" not in ended.err and len(ended.said) <= 1, f"seed {start}: {ended}"
            assert points_of_the_training(path, store) in (list(range(5000)), "damaged"), f"seed {start}"
        shutil.rmtree(path.parent)


def points_of_the_training(path: Path, sound: Path) -> list[float] | str:
    """Return what was logged: from its journal, put beside a sound store, else from the damaged store."""
    if any(path.parent.glob("chachaml-journal/*/*.seg")):
        for rest in path.parent.glob("chachaml.db*"):
            rest.unlink()
        shutil.copy(sound, path)
    ml.connect(path)
    try:
        (found,) = ml.runs(experiment="goes-on")
        return ml.metric(found, "loss").values.tolist()
    except StoreDamaged:
        return "damaged"
    finally:
        ml.connect(path).close()


FRAME = struct.Struct(">II16x4096s")
"""A page in the write-ahead log: its number, the size of the database after it, salt and checksum, bytes."""


def test_a_checkpoint_that_was_cut_short_is_finished_by_the_next(folder: Path) -> None:
    ended = run(
        "import os, chachaml as ml\n"
        "for n in range(20):\n"
        "    with ml.start_run(name='before'): ml.log_metrics({f'm{k}': 1.0 for k in range(100)})\n"
        "ml.flush()\n"
        "os._exit(0)",
        cwd=folder,
    )
    assert ended.code == 0
    store, log = folder / "chachaml.db", folder / "chachaml.db-wal"
    pages = {number: page for number, _, page in FRAME.iter_unpack(log.read_bytes()[32:])}
    assert max(pages) * PAGE > store.stat().st_size
    with store.open("r+b") as file:
        file.write(pages[1])  # which counts pages that are still in the log alone
    ml.connect(store)
    assert len(ml.runs(name="before")) == 20
    assert ml.doctor().well


@pytest.mark.parametrize("lost", ["-wal", "-shm", "-wal and -shm"])
def test_a_lost_log_costs_what_was_in_it_and_no_more(folder: Path, lost: str) -> None:
    ended = run(
        "import os, chachaml as ml\n"
        "with ml.start_run(name='before'): ml.log_metrics({'loss': 1.0, 'accuracy': 0.5})\n"
        "ml.flush()\n"
        "os._exit(0)",
        cwd=folder,
    )
    assert ended.code == 0
    for name in lost.split(" and "):
        (folder / f"chachaml.db{name}").unlink()
    try:
        ml.runs()
    except StoreError as error:
        assert "chachaml.db" in str(error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ml.start_run(name="after") as after:
            ml.log_metric("loss", 2.0)
    if lost == "-shm":
        assert {found.name for found in ml.runs()} == {"before", "after"}
    assert ml.metric(after, "loss").values.tolist() == [2.0]


def test_the_log_of_another_store_is_not_taken(folder: Path, store: Path) -> None:
    other = folder / "other"
    other.mkdir()
    ended = run(
        "import os, chachaml as ml\n"
        "with ml.start_run(name='other'): ml.log_metric('loss', 1.0)\n"
        "ml.flush()\n"
        "os._exit(0)",
        cwd=other,
    )
    assert ended.code == 0
    shutil.copy(other / "chachaml.db-wal", store.with_name("chachaml.db-wal"))
    ended = run(READER, store, cwd=folder)
    assert ended.code == 0 and ended.out.endswith("read\n"), ended
