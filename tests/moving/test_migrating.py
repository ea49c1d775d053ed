"""Moving a store: what arrives is what was there, however often, however broken off, while it is written."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from tests.served import SESSION, served

import chachaml as ml
from chachaml.artifacts.blobs import LocalBlobs
from chachaml.connection import Connection
from chachaml.core.changes import AccountSet, Batch, RunDeleted, TokenIssued
from chachaml.core.errors import AccessDenied, BadValue, StoreUnavailable
from chachaml.core.ids import new_id
from chachaml.core.model import RunQuery
from chachaml.moving import points as pieces_of_points
from chachaml.moving.account import Tally
from chachaml.moving.mirror import Mirror
from chachaml.moving.points import missing
from chachaml.moving.verifying import verify
from chachaml.store.protocol import Store
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import points, started

EVERYTHING = 1_000_000


@pytest.fixture
def source(folder: Path) -> Path:
    """A store with something of everything in it."""
    with ml.start_run("digits", name="one", tags={"team": "vision"}) as run:
        ml.log_params({"lr": 0.1, "deep": {"a": [1, None]}, "big": 10**30, "nan": float("nan")})
        for step in range(50):
            ml.log_metrics({"loss": 1 / (step + 1), "acc": step / 50}, step)
        ml.log_metrics({"odd": float("nan"), "gone": 3.0})
        ml.log_artifact("model", {"w": [1, 2]})
        ml.log_text("notes/why.md", "to see")
        ml.log_dataset(name="mnist", hash="abc", role="train")
    with pytest.raises(ValueError), ml.start_run("digits", name="two"):
        raise ValueError("no")
    with ml.start_run("other", name="three"), ml.start_run(name="child"):
        pass
    ml.rename(run.id, "uno")
    ml.set_param(run.id, "lr", 0.2, force=True)
    ml.undo()
    ml.delete_metric(run.id, "gone")
    ml.archive_runs(experiment="other")
    with ml.start_run("doomed") as doomed:
        pass
    ml.delete_runs(doomed.id)
    ml.create_experiment("digits", description="Handwritten", owner="ada")
    ml.registry.register_model("net", run=run.id, artifact="model", stage="production")
    ml.registry.set_alias("net", "best", 1)
    ml.alerts.set_alert("high", metric="loss", op=">", threshold=10)
    admin = AccountSet(5, "root", "ada", role="admin")
    command(admin, TokenIssued(6, "ada", "t1", "ada", "e" * 64, 2**50))
    return folder / "chachaml.db"


def command(*changes: Any) -> None:
    ml.connect().ready().apply(Batch(changes, command=new_id()))


def content(store: Store) -> dict[str, Any]:
    """Return all that a store holds, but for numbers that count where something is kept."""
    ids = sorted(row.id for row in store.find_runs(RunQuery(archived=None, limit=EVERYTHING)).runs)
    whole = store.whole_runs(ids)
    series = [(one.row.id, key) for one in whole for key in sorted(one.row.metrics)]
    return {
        "runs": [repr(replace(one, row=replace(one.row, owner=None))) for one in whole],
        "points": store.read_points(series),
        "experiments": store.experiments(),
        "history": store.history(limit=EVERYTHING),
        "models": store.models(),
        "versions": store.versions(),
        "moves": [store.moves(model.name) for model in store.models()],
        "alerts": store.alerts(),
        "events": store.events(),
        "access": store.access(),
        "audit": store.audit(limit=EVERYTHING),
        "digests": store.digests(),
    }


def test_all_that_a_store_holds_arrives(source: Path) -> None:
    moved = ml.migrate(source, "copy.db")
    assert moved.verified
    assert (moved.runs, moved.unchanged, moved.artifacts, moved.models) == (4, 0, 2, 1)
    (left,) = moved.left
    assert (left.what, left.why) == ("deleted metric", "its points stay; undo it first")
    there, here = ml.connect(source).store(), ml.connect("copy.db").store()
    assert content(here) == content(there)
    assert here.check() == []
    run = ml.runs("name = 'uno'")[0]
    assert ml.load_artifact(run, "model") == {"w": [1, 2]}
    assert Path("copy-artifacts", run.id, "notes", "why.md").read_text() == "to see"
    assert ml.doctor("copy.db").well
    # What was corrected can be undone there, and what was deleted does not come back.
    ml.undo(next(one for one in ml.history(run) if one.aspect == "name"))
    assert ml.run(run.id).name == "one"
    gone = next(row.run for row in here.history(limit=99) if row.aspect == "deleted")
    assert here.apply(Batch((started(gone),), command=new_id())).conflicts


def test_doing_it_again_brings_only_what_is_new(source: Path) -> None:
    first = ml.migrate(source, "copy.db")
    again = ml.migrate(source, "copy.db")
    assert (again.runs, again.unchanged, again.points, again.bytes) == (0, first.runs, 0, 0)
    assert again.verified
    ml.connect(source)
    with ml.start_run("digits", name="new") as run:
        ml.log_metric("loss", 1.0)
    ml.set_note(run.id, "look")
    ml.registry.rename_model("net", "between")
    ml.registry.rename_model("between", "nets")
    more = ml.migrate(source, "copy.db")
    assert (more.runs, more.unchanged, more.points) == (1, first.runs, 1)
    assert more.verified
    assert content(ml.connect("copy.db").store()) == content(ml.connect(source).store())


def test_a_server_is_a_source_and_a_target(source: Path, tmp_path: Path) -> None:
    with served(tmp_path / "team.db") as server:
        up = ml.migrate(source, server.url, target_token=SESSION)
        assert up.verified, up
        down = ml.migrate(server.url, "back.db", source_token=SESSION)
        assert down.verified, down
    assert content(ml.connect("back.db").store()) == content(ml.connect(source).store())
    assert ml.load_artifact(ml.runs("name = 'uno'")[0], "model") == {"w": [1, 2]}


def test_only_an_admin_may_bring_what_others_did(source: Path, tmp_path: Path) -> None:
    with served(tmp_path / "team.db", team=True, keep=False) as server:
        server.where.store().apply(
            Batch(
                (
                    AccountSet(1, "", "root", role="admin"),
                    AccountSet(1, "", "bob", role="writer"),
                    TokenIssued(2, "", "t9", "bob", _digest("chm_bob"), 2**60),
                ),
                command=new_id(),
            )
        )
        with pytest.raises(AccessDenied):
            ml.migrate(source, server.url, target_token="chm_bob")


def _digest(token: str) -> str:
    from chachaml.core.access import digest_of

    return digest_of(token)


def test_two_stores_come_together_in_one(source: Path) -> None:
    ml.connect("other.db")
    with ml.start_run("digits", name="here") as run:
        ml.log_metric("loss", 5.0)
    ml.rename(run.id, "there")
    ml.rename(run.id, "where")
    moved = ml.migrate(source, "other.db")
    assert moved.verified, moved
    store = ml.connect("other.db").store()
    assert [row.after for row in store.history(run.id)] == ["where", "there"]
    uno = ml.runs("name = 'uno'")[0]
    theirs = ml.connect(source).store().history(uno.id)
    ours = store.history(uno.id)
    assert [row.after for row in ours] == [row.after for row in theirs]
    numbers = {row.no: row for row in ours}
    assert all(numbers[row.undone].aspect == row.aspect for row in ours if row.undone)
    assert ml.migrate(source, "other.db").verified
    assert len(store.history(limit=EVERYTHING)) == 2 + len(ml.connect(source).store().history(limit=99))


def test_what_was_broken_off_is_taken_up(source: Path) -> None:
    from_, to = ml.connect(source), Connection(Path("copy.db").absolute())
    to.store(create=True)
    ids = [run.id for run in ml.runs(archived=None)]
    Mirror(from_, to, Tally()).runs(ids[:2])
    half = from_.store().whole_runs(ids[2:3])[0]
    # Broken off within a run: it is there, with a part of one series.
    from chachaml.core.changes import RunCopied

    series = from_.store().read_points([(half.row.id, key) for key in half.row.metrics])
    cut = [replace(one, **{c: getattr(one, c)[:24] for c in ("steps", "times", "values")}) for one in series]
    to.store().apply(Batch((RunCopied(half.row.id, 1, half.row), *cut[:1]), command=new_id()))
    to.close()
    moved = ml.migrate(source, "copy.db")
    assert moved.verified, moved
    assert content(ml.connect("copy.db").store()) == content(ml.connect(source).store())


WRITER = """
import sys, time
import chachaml as ml
with ml.start_run("live", name="live") as run:
    ml.log_metric("loss", 0.0, 0)
    print("up", flush=True)
    sys.stdin.readline()
    for step in range(1, 200):
        ml.log_metric("loss", float(step), step)
    ml.log_artifact("last", [1])
"""


def test_a_run_that_is_written_is_followed_until_it_ends(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin and writer.stdout
        assert writer.stdout.readline() == "up\n"
        told: list[int] = []

        def progress(done: int, total: int | None, points: int) -> None:
            told.append(points)
            if len(told) == 1:  # it is at the target, and goes on at the source
                assert writer.stdin
                writer.stdin.write("\n")
                writer.stdin.flush()

        moved = ml.migrate("chachaml.db", "copy.db", progress=progress)
        assert writer.wait(60) == 0
    assert moved.verified, moved
    ml.connect("copy.db")
    (run,) = ml.runs()
    assert (run.status, len(ml.metric(run, "loss")), moved.points) == ("completed", 200, 200)
    assert ml.load_artifact(run, "last") == [1]
    assert len(told) > 1


def test_without_following_a_run_comes_as_it_is(folder: Path) -> None:
    store = ml.connect().store(create=True)
    run = new_id()
    store.apply(Batch((started(run), points(run, "loss", [1.0])), command=new_id()))
    assert ml.migrate("chachaml.db", "copy.db", follow=False).verified
    assert ml.connect("copy.db").store().get_run(run).status == "running"


def test_what_differs_at_the_target_is_named(source: Path) -> None:
    ml.migrate(source, "copy.db")
    from_, to = ml.connect(source), ml.connect("copy.db")
    runs = {run.name: run.id for run in ml.runs(archived=None)}
    store = to.store()
    store.apply(Batch((RunDeleted(runs["two"], 1, "eve"),), command=new_id()))
    to.blobs().delete(next(iter(store.digests())))
    tally = Tally()
    assert not verify(from_, to, tally)
    assert [(one.what, one.name) for one in tally.left()][:1] == [("run", runs["two"])]
    assert [one.what for one in tally.left()][-1] == "bytes"


def test_bytes_that_were_changed_at_the_target_are_named(source: Path) -> None:
    ml.migrate(source, "copy.db")
    from_, to = ml.connect(source), ml.connect("copy.db")
    blobs = to.blobs()
    assert isinstance(blobs, LocalBlobs)
    digest = next(iter(to.store().digests()))
    path = blobs.path(digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    tally = Tally()
    assert not verify(from_, to, tally)
    assert [(one.what, one.name, one.why) for one in tally.left()] == [
        ("bytes", digest[:12], "they are damaged at the target")
    ]


def test_bytes_that_are_gone_or_damaged_are_named_and_the_rest_comes(source: Path) -> None:
    blobs = ml.connect(source).blobs()
    digests = sorted(ml.connect(source).store().digests())
    blobs.path(digests[0]).unlink()
    blobs.path(digests[1]).chmod(0o600)
    blobs.path(digests[1]).write_bytes(b"something else")
    moved = ml.migrate(source, "copy.db")
    assert not moved.verified
    assert len([one for one in moved.left if one.what == "bytes"]) >= 2
    assert moved.runs == 4


def test_a_store_is_not_moved_onto_itself_nor_from_nowhere(source: Path) -> None:
    with pytest.raises(BadValue, match="is the source and the target"):
        ml.migrate(source, source)
    with pytest.raises(StoreUnavailable, match="there is no store"):
        ml.migrate("nowhere.db", "copy.db")
    assert not Path("nowhere.db").exists()


def test_long_series_come_in_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_of_points, "PACKED", 1000)
    monkeypatch.setattr(pieces_of_points, "PIECE", 700)
    rng = np.random.default_rng(3)
    values = rng.normal(size=5000)
    steps = rng.integers(0, 900, 5000)
    run = new_id()
    batch = Batch((started(run), points(run, "loss", values, steps.tolist())), command=new_id())
    ml.connect().store(create=True).apply(batch)
    assert ml.migrate("chachaml.db", "copy.db", follow=False).verified


@pytest.mark.parametrize(
    ("there", "here", "new"),
    [
        ([1.0, 2.0, 2.0], [2.0], [1.0, 2.0]),
        ([1.0, 1.0], [1.0, 1.0], None),
        ([float("nan"), 0.0], [-0.0], [float("nan"), 0.0]),
        ([3.0], [1.0, 2.0], [3.0]),
    ],
)
def test_only_points_that_are_not_there_are_brought(
    there: list[float], here: list[float], new: list[float] | None
) -> None:
    same = [0] * 9
    run = new_id()
    theirs, ours = (points(run, "k", some, same[: len(some)], same[: len(some)]) for some in (there, here))
    found = missing(theirs, ours)
    assert (None if found is None else found.values) == (None if new is None else np.array(new).tobytes())


# backups --------------------------------------------------------------------------------------------


def test_a_backup_is_a_store_and_comes_back_whole(source: Path) -> None:
    before = content(ml.connect(source).store())
    made = ml.backup("saved/monday", source)
    assert made.verified, made
    assert (made.runs, made.artifacts, made.versions) == (4, 2, 1)
    with closing(open_sqlite("saved/monday/chachaml.db")) as inside:
        assert content(inside) == before
    assert json.loads(Path("saved/monday/backup.json").read_text())["runs"] == 4
    back = ml.restore_backup("saved/monday", "again.db")
    assert (back.runs, back.points) == (made.runs, made.points)
    ml.connect("again.db")
    assert content(ml.connect("again.db").store()) == before
    assert ml.doctor().well
    assert ml.load_artifact(ml.runs("name = 'uno'")[0], "model") == {"w": [1, 2]}
    # Even the points of a deleted metric are there: it can be undone.
    deleted = next(one for one in ml.history() if one.aspect == "metric")
    ml.undo(deleted)
    assert ml.run(deleted.run).metrics["gone"] == 3.0


def test_a_backup_is_made_while_others_write(folder: Path) -> None:
    stop = threading.Event()
    with ml.start_run("busy") as run:

        def write() -> None:
            step = 0
            while not stop.is_set() and step < 100_000:  # or the backup has to run after it for ever
                run.log_metric("loss", float(step), step)
                step += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            made = [ml.backup("saved") for _ in range(3)]
        finally:
            stop.set()
            writer.join()
    assert all(one.verified for one in made)
    assert made[0].points <= made[2].points
    ml.restore_backup("saved", "again.db")
    ml.connect("again.db")
    assert len(ml.metric(ml.last_run(), "loss")) == made[2].points  # type: ignore[arg-type]


def test_a_backup_of_a_server_is_one_too(source: Path, tmp_path: Path) -> None:
    with served(tmp_path / "team.db") as server:
        ml.migrate(source, server.url, target_token=SESSION)
        assert ml.backup("saved", server.url, token=SESSION).verified
        assert ml.backup("saved", server.url, token=SESSION).bytes == 0
    ml.restore_backup("saved", "again.db")
    ours, theirs = content(ml.connect("again.db").store()), content(ml.connect(source).store())
    assert ours == theirs


def test_a_damaged_backup_is_told(source: Path) -> None:
    ml.backup("saved", source)
    blob = next(Path("saved/chachaml-artifacts/blobs").glob("??/*"))
    blob.chmod(0o600)
    blob.write_bytes(b"rot")
    again = ml.backup("saved", source)
    assert again.verified is False
    assert again.left[0].what == "bytes"
    for into in ("new.db", "new.db"):  # which is there the second time
        back = ml.restore_backup("saved", into)
        assert back.verified is False
        assert "bytes" in {one.what for one in back.left}


def test_what_is_no_backup_is_neither_restored_nor_overwritten(source: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years")
    with pytest.raises(BadValue, match="is not empty"):
        ml.backup("mine", source)
    with pytest.raises(BadValue, match="is no backup"):
        ml.restore_backup("mine", "again.db")
    ml.backup("saved", source)
    ml.connect("other.db")
    with ml.start_run("x"):
        pass
    with pytest.raises(BadValue, match="of another store"):
        ml.backup("saved", "other.db")


def test_a_backup_comes_into_a_store_that_is_there(source: Path) -> None:
    ml.backup("saved", source)
    ml.connect("other.db")
    with ml.start_run("x"):
        pass
    back = ml.restore_backup("saved", "other.db")
    assert back.runs == 4
    assert ml.count_runs(archived=None) == 5


# the command line -----------------------------------------------------------------------------------


def chachaml(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "chachaml", *arguments], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout


def test_commands_migrate_back_up_and_restore(source: Path) -> None:
    ml.connect().close()
    said = chachaml("migrate", str(source), "copy.db")
    assert said.startswith("4 runs carried from")
    assert "read again, and the same" in said
    assert json.loads(chachaml("migrate", str(source), "copy.db", "--json"))["unchanged"] == 4
    assert "4 runs" in chachaml("--store", "copy.db", "backup", "saved")
    assert "4 runs" in chachaml("restore", "--backup", "saved", "--store", "again.db")
    assert chachaml("--store", "again.db", "runs", "--json").count('"name": "uno"') == 1
    chachaml("restore", "--backup", "saved", "3f9a", "--store", "third.db", code=2)
    chachaml("restore", "-e", "digits", "--store", "nowhere.db", code=5)
