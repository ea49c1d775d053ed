"""Putting right, archiving and deleting, as people do it."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, Conflict, NotFound, ParamConflict
from chachaml.results import Run

pytestmark = pytest.mark.usefixtures("folder")


def done(experiment: str = "iris", **fields: object) -> str:
    with ml.start_run(experiment, **fields) as run:  # type: ignore[arg-type]
        run.log_params({"lr": 0.1, "seed": 7})
        run.log_metrics({"acc": 0.5, "loss": 1.0})
    return run.id


def long_ago(run: str, days: float) -> None:
    """Make a run look as if it had started so many days ago."""
    ml.flush()
    with closing(sqlite3.connect("chachaml.db")) as db:
        db.execute("UPDATE runs SET started = started - ? WHERE id = ?", (int(days * 86_400_000_000), run))
        db.commit()


# corrections --------------------------------------------------------------------------------------


def test_a_name_a_param_and_an_experiment_are_put_right() -> None:
    run = done(name="tpyo")
    assert ml.rename(run, "typo").name == "typo"
    with pytest.raises(ParamConflict, match="force=True"):
        ml.set_param(run, "lr", 0.01)
    assert ml.set_param(run, "lr", 0.01, force=True).params == {"lr": 0.01, "seed": 7}
    assert ml.set_param(run, "lr", 0.01).params["lr"] == 0.01
    assert ml.set_param(run, "late", [1, 2]).params["late"] == [1, 2]
    assert "seed" not in ml.delete_param(run, "seed").params
    assert ml.move_runs(run, experiment="flowers").runs == (run,)
    assert ml.run(run).experiment == "flowers"
    told = repr(ml.history(run)).splitlines()
    assert len(told) == 5
    assert re.search(rf"{ml.current_user()}  run {run[-8:]}: param lr: 0.1 -> 0.01$", told[-2])
    with pytest.raises(NotFound, match="it has: late, lr"):
        ml.delete_param(run, "seed")
    with pytest.raises(BadValue):
        ml.rename(run, " ")


def test_undo_walks_back_one_call_at_a_time() -> None:
    one, two = done(name="a"), done(name="b")
    ml.rename(one, "x")
    ml.move_runs([one, two], experiment="both")
    assert len(ml.undo()) == 2
    assert {ml.run(run).experiment for run in (one, two)} == {"iris"}
    ml.undo()
    assert ml.run(one).name == "a"
    with pytest.raises(NotFound, match="nothing of"):
        ml.undo()


def test_undo_takes_one_correction_back_and_says_why_it_cannot() -> None:
    run = done(name="a")
    ml.rename(run, "b")
    ml.rename(run, "c")
    second, first = ml.history(run)
    with pytest.raises(Conflict, match="undo that first"):
        ml.undo(first)
    ml.undo(second.no)
    ml.undo(first)
    assert ml.run(run).name == "a"
    with pytest.raises(Conflict, match="undone before"):
        ml.undo(first)
    with pytest.raises(NotFound, match="no correction 99"):
        ml.undo(99)


def test_a_deleted_metric_comes_back_with_all_its_points() -> None:
    with ml.start_run() as run:
        for step in range(500):
            run.log_metric("loss", step / 2, step)
    assert "loss" not in ml.delete_metric(run, "loss").metrics
    assert ml.best_run(metric="loss") is None
    ml.undo()
    assert ml.metric(run, "loss").values.tolist() == [step / 2 for step in range(500)]


def test_a_run_that_is_being_logged_agrees_with_its_correction() -> None:
    with ml.start_run(name="a") as run:
        run.log_params({"lr": 1, "x": 1})
        ml.set_param(run, "lr", 2, force=True)
        ml.delete_param(run, "x")
        ml.rename(run, "b")
        run.log_params({"lr": 2, "x": 5})
        assert run.name == "b"
    found = ml.run(run)
    assert (found.params, found.conflicts, found.name) == ({"lr": 2, "x": 5}, (), "b")


# experiments --------------------------------------------------------------------------------------


def test_experiments_are_described_listed_and_counted() -> None:
    """Undeclared ones too; nothing is erased."""
    made = ml.create_experiment("iris", "Flowers", owner="maria")
    assert (made.description, made.owner, made.runs) == ("Flowers", "maria", 0)
    again = ml.create_experiment("iris", description="Flowers again")
    assert (again.owner, again.created) == ("maria", made.created)
    done("iris")
    done("undeclared")
    assert [(one.name, one.runs) for one in ml.experiments()] == [("iris", 1), ("undeclared", 1)]
    assert ml.experiment("iris").description == "Flowers again"
    assert "of maria" in repr(ml.experiments())
    with pytest.raises(NotFound, match="'iris'"):
        ml.experiment("irsi")
    with pytest.raises(BadValue):
        ml.create_experiment("")


# archiving ----------------------------------------------------------------------------------------


def test_runs_are_archived_by_age_and_experiment_and_come_back() -> None:
    """Those older than so many days, within an experiment, with a dry run."""
    old, older, other, new = done(), done(), done("else"), done()
    for run, days in ((old, 40), (older, 50), (other, 60)):
        long_ago(run, days)
    would = ml.archive_runs(experiment="iris", older_than_days=30, dry_run=True)
    assert set(would.runs) == {old, older}
    assert "2 runs would be archived" in repr(would)
    assert len(ml.runs()) == 4
    assert set(ml.archive_runs(experiment="iris", older_than_days=30).runs) == {old, older}
    assert {run.id for run in ml.runs()} == {other, new}
    assert ml.run(old).status == "completed"
    assert ml.restore_runs(old).runs == (old,)
    assert {run.id for run in ml.runs()} == {other, new, old}
    ml.undo()
    ml.undo()
    assert len(ml.runs()) == 4


def test_archived_runs_hide_from_every_default_query() -> None:
    """Hidden from runs, search, best, last and counts; found by id, and when asked for."""
    hidden, shown = done(), done()
    ml.archive_runs(hidden)
    assert [run.id for run in ml.runs()] == [shown]
    assert [run.id for run in ml.search_runs("metrics.acc > 0")] == [shown]
    assert (ml.count_runs(), ml.count_runs(archived=None)) == (1, 2)
    assert [run.id for run in ml.runs(archived=True)] == [hidden]
    assert [run.id for run in ml.runs("status = 'archived'")] == [hidden]
    assert {run.id for run in ml.runs("archived = true or params.lr > 0")} == {hidden, shown}
    assert [run.id for run in ml.runs("params.lr > 0 and status in ('archived', 'completed')")] == [
        shown,
        hidden,
    ]
    assert [run.id for run in ml.runs("tags.status != 'archived' or params.lr > 0")] == [shown]
    ml.archive_runs(shown)
    assert (ml.last_run(), ml.best_run(metric="acc")) == (None, None)
    assert isinstance(ml.run(hidden), Run)
    assert ml.run(hidden).archived


def test_running_runs_are_left_alone_and_nothing_means_nothing() -> None:
    finished = done()
    with ml.start_run() as run:
        for act in (ml.archive_runs, ml.delete_runs):
            result = act([run, finished], dry_run=True)
            assert result.runs == (finished,)
            assert [(one.run, one.why) for one in result.skipped] == [(run.id, "it is running")]
            assert "left as it is: it is running" in repr(result)
        ml.archive_runs([run, finished])
        assert [found.id for found in ml.runs()] == [run.id]
    for call in (ml.archive_runs, ml.restore_runs, ml.delete_runs):
        with pytest.raises(BadValue, match="which runs"):
            call()
    with pytest.raises(BadValue, match="not both"):
        ml.delete_runs(finished, filter="metrics.acc > 0")
    with pytest.raises(NotFound):
        ml.delete_runs("feedfeed")


# deleting -----------------------------------------------------------------------------------------


def test_deleting_archived_runs_gives_their_bytes_back(folder: Path) -> None:
    """All data and the artifacts' files go; what other runs have stays."""
    shared, own = b"s" * 5_000, b"o" * 3_000
    with ml.start_run() as gone:
        gone.log_artifact("shared.bin", shared)
        gone.log_artifact("own.bin", own)
        gone.log_metric("loss", 1.0)
    with ml.start_run() as kept:
        kept.log_artifact("shared.bin", shared)
    ml.archive_runs(gone)
    would = ml.delete_archived(dry_run=True)
    result = ml.delete_archived()
    assert would.runs == result.runs == (gone.id,)
    assert would.bytes == result.bytes == 3_000
    assert (result.artifacts, result.points) == (2, 1)
    assert "came back" in repr(result)
    with pytest.raises(NotFound):
        ml.run(gone.id)
    assert ml.load_artifact(kept, "shared.bin") == shared
    kept_bytes = [path for path in (folder / "chachaml-artifacts").rglob("*") if path.is_file()]
    assert {path.stat().st_size for path in kept_bytes} == {5_000}
    assert ml.doctor().well
    assert ml.delete_archived().runs == ()


def test_children_stay_unless_asked_for() -> None:
    """A run with children is deleted with them or not at all."""
    with ml.start_run(name="sweep") as parent:
        for _ in range(2):
            with ml.start_run() as child:
                with ml.start_run() as grandchild:
                    pass
    refused = ml.delete_runs(parent)
    assert refused.runs == ()
    assert "2 child runs: cascade=True" in refused.skipped[0].why
    assert len(ml.runs()) == 5
    assert len(ml.delete_runs([child, grandchild]).runs) == 2
    assert len(ml.delete_runs(parent, cascade=True).runs) == 3
    assert len(ml.runs()) == 0


def test_a_deleted_run_is_for_good_and_known_as_such() -> None:
    run = done(name="mine")
    ml.delete_runs(run)
    (entry,) = ml.history(run)
    assert "deleted (mine)" in repr(entry)
    with pytest.raises(BadValue, match="for good"):
        ml.undo(entry)
    with pytest.raises(NotFound):
        ml.start_run(resume=run)


def test_a_killed_clean_up_is_done_again() -> None:
    """A clean-up that dies half-way leaves whole runs or none, and is done again."""
    script = """if True:
        import chachaml as ml, sys
        for _ in range(3000):
            run = ml.start_run("many"); run.log_params({"a": 1, "b": 2}); run.log_metric("m", 1.0); run.end()
        ml.flush()
        print("ready", flush=True)
        sys.stdin.readline()
        ml.delete_runs(experiment="many")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    while ml.count_runs() == 3000:
        assert process.poll() is None, "it ended without deleting anything"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    left = ml.runs(limit=3000)
    assert all(run.params == {"a": 1, "b": 2} and run.metrics == {"m": 1.0} for run in left)
    assert ml.doctor().well
    assert len(ml.delete_runs(experiment="many").runs) == len(left)
    assert ml.count_runs() == 0
