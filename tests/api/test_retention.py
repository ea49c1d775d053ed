"""Old runs go by rules, for good reasons and no others; who uses how much is told."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import fresh_url
from tests.served import SESSION, served

import chachaml as ml
from chachaml.connection import connection
from chachaml.core.changes import RunEdited
from chachaml.core.errors import BadQuery, BadValue, NotFound
from chachaml.core.ids import new_id
from chachaml.retaining import Sweeper, let_go
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.scoped import Scoped
from chachaml.testing import Writer, ended, points, started

pytestmark = pytest.mark.usefixtures("folder")

DAY = 86_400_000_000


def now() -> int:
    return time.time_ns() // 1000


def old(days: float, experiment: str = "iris", *, loss: float | None = None, **fields: Any) -> str:
    """Make a run that ended so many days ago; return its id."""
    store = connection().store(create=True)
    writer, run, at = Writer(store), new_id(), now() - int(days * DAY)
    status = fields.pop("status", "completed")
    writer.write(started(run, at - 1000, experiment=experiment, **fields))
    if loss is not None:
        writer.write(points(run, "loss", [loss]))
    if status != "running":
        writer.write(ended(run, at, status))
    return run


def archived(run: str, days: float) -> str:
    """Archive a run, so many days ago."""
    edit = RunEdited(run, now() - int(days * DAY), "ada", "archived", "yes")
    assert not connection().command(edit).conflicts
    return run


def whys(report: ml.retention.Report) -> dict[str, tuple[str, str]]:
    return {one.run: (one.action, one.why) for one in report.runs}


def test_runs_are_archived_then_deleted_in_their_time() -> None:
    ancient, young = old(100), old(80)
    gone, waits = archived(old(200), 40), archived(old(100), 20)
    ml.retention.set_rule("old", archive_after_days=90, delete_after_days=30)
    plan = ml.retention.preview()
    assert whys(plan) == {
        ancient: ("archive", "it ended more than 90 days ago"),
        gone: ("delete", "it was archived more than 30 days ago"),
    }
    assert (plan.archived, plan.deleted, plan.kept, plan.dry_run) == (1, 1, 0, True)
    assert ml.count_runs() == 2
    done = ml.retention.apply()
    assert (done.runs, done.dry_run) == (plan.runs, False)
    assert [run.id for run in ml.runs()] == [young]
    assert {run.id for run in ml.runs(archived=True)} == {ancient, waits}
    assert ml.retention.apply().runs == ()


def test_what_matters_stays_however_old_it_is() -> None:
    best, second, worse = (old(50, loss=loss) for loss in (0.1, 0.2, 0.3))
    running, pinned, parent = old(60, status="running"), old(70, tags={"pinned": ""}), old(80)
    child = old(85, parent=parent)
    with ml.start_run("iris") as trained:
        trained.log_text("weights.txt", "w")
    model = trained.id
    ml.registry.register_model("m", "weights.txt", run=model)
    for run in (model, parent):
        archived(run, 10)
    rule: dict[str, Any] = {"keep_best": 2, "metric": "loss", "direction": "min"}
    ml.retention.set_rule("hard", archive_after_days=0, delete_after_days=0, **rule)
    reasons = whys(ml.retention.preview())
    assert {run: why for run, (action, why) in reasons.items() if action == "keep"} == {
        best: "it is among the 2 best of 'iris' by 'loss'",
        second: "it is among the 2 best of 'iris' by 'loss'",
        running: "it is running",
        pinned: "it is pinned",
        model: "version 1 of model 'm' comes from it",
        parent: "it has 1 child run",
    }
    assert {run for run, (action, _) in reasons.items() if action == "archive"} == {worse, child}
    ml.retention.apply()
    ml.retention.apply()  # the child goes now, and its parent with it
    left = {run.id for run in ml.runs()} | {run.id for run in ml.runs(archived=True)}
    assert left == {best, second, running, pinned, model}


def test_a_run_that_was_brought_back_is_left_alone_for_as_long() -> None:
    run = old(100)
    ml.retention.set_rule("old", archive_after_days=90)
    assert ml.retention.apply().archived == 1
    ml.restore_runs(run)
    assert ml.retention.apply().archived == 0
    assert ml.runs()[0].id == run


def test_an_experiment_with_a_rule_of_its_own_goes_by_that() -> None:
    iris, wine, failed = old(50), old(50, "wine"), old(50, "wine", status="failed")
    ml.retention.set_rule("all", archive_after_days=10)
    ml.retention.set_rule("wine", experiment="wine", filter="status = failed", archive_after_days=20)
    assert {one.run: one.rule for one in ml.retention.preview().runs} == {iris: "all", failed: "wine"}
    assert repr(ml.retention.rules()).splitlines() == [
        "<rule all: all experiments without a rule of their own, archived 10 days after the end>",
        "<rule wine: wine, where status = failed, archived 20 days after the end>",
    ]
    assert [rule.name for rule in ml.retention.delete_rule("wine")] == ["all"]
    assert {one.run for one in ml.retention.preview().runs} == {iris, wine, failed}
    cut = ml.retention.preview(limit=1)
    assert (len(cut.runs), cut.more, cut.archived) == (1, True, 3)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, BadValue),
        ({"archive_after_days": -1}, BadValue),
        ({"archive_after_days": float("nan")}, BadValue),
        ({"delete_after_days": 10**9}, BadValue),
        ({"archive_after_days": 1, "keep_best": 3}, BadValue),
        ({"archive_after_days": 1, "metric": "loss"}, BadValue),
        ({"archive_after_days": 1, "keep_best": -1, "metric": "loss"}, BadValue),
        ({"archive_after_days": 1, "direction": "up"}, BadValue),
        ({"archive_after_days": 1, "filter": "params.lr <"}, BadQuery),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ml.retention.set_rule("r", **given)
    with pytest.raises(BadValue):
        ml.retention.set_rule(" ", archive_after_days=1)
    assert ml.retention.rules() == ()
    with pytest.raises(NotFound):
        ml.retention.delete_rule("r")


def test_what_rules_did_is_in_the_audit_log_and_the_history() -> None:
    run = old(5)
    ml.retention.set_rule("old", archive_after_days=1)
    ml.retention.apply()
    audit = [(row.by, row.action, row.target, row.details) for row in connection().ready().audit()]
    assert audit[0] == (ml.current_user(), "retention rule applied", "old", "1 archived, 0 deleted, 0 kept")
    assert [entry.aspect for entry in ml.history(run)] == ["archived"]


def test_a_server_applies_the_rules_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_RETENTION_EVERY", "0.05")
    ml.connect(tmp_path / "team.db")
    run = old(5)
    ml.retention.set_rule("old", archive_after_days=1)
    with served(tmp_path / "team.db") as server:
        request = urllib.request.Request(
            f"{server.url}/api/retention", headers={"Authorization": f"Bearer {SESSION}"}
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)[0]["name"] == "old"
        deadline = time.monotonic() + 20
        while ml.run(run).archived is None and time.monotonic() < deadline:
            time.sleep(0.05)
    assert ml.run(run).archived is not None
    assert ml.history(run)[0].by == "retention"


def store_of(backend: str, tmp_path: Path) -> str:
    return str(tmp_path / "team.db") if backend == "sqlite" else fresh_url()


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_of_several_servers_one_applies_the_rules(backend: str, tmp_path: Path) -> None:
    ml.connect(store_of(backend, tmp_path))
    run = old(5)
    ml.retention.set_rule("old", archive_after_days=1)
    where = connection()
    sweepers = [Sweeper(where, where.store(), 3600.0) for _ in range(3)]
    try:
        assert [sweeper._is_mine() for sweeper in sweepers] == [True, False, False]
        assert sweepers[0]._is_mine()
    finally:
        for sweeper in sweepers:
            sweeper.close(5)
    assert ml.run(run).archived is None  # nobody looked yet


def test_what_is_pinned_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between deciding and doing, too."""
    first, second = old(5), old(6)
    ml.retention.set_rule("old", archive_after_days=1)
    asked = []

    def until() -> bool:
        if not asked:
            ml.add_tag(first, "pinned", "yes")
        asked.append(1)
        return False

    where = connection()
    done = let_go(where, where.ready(), dry_run=False, until=until)
    assert {one.run: (one.action, one.why) for one in done.decisions}[first] == ("keep", "it is pinned")
    assert ml.run(first).archived is None
    assert ml.run(second).archived is not None


def test_who_sees_one_experiment_sees_its_rules_and_usage_alone() -> None:
    old(5), old(5, "wine")
    for name, experiment in (("all", None), ("iris", "iris"), ("wine", "wine")):
        ml.retention.set_rule(name, experiment=experiment, archive_after_days=1)
    scoped = Scoped(connection().store(), Actor("bob", grants={"wine": 1}))
    assert [row.name for row in scoped.retention()] == ["wine"]
    assert [(row.experiment, row.runs) for row in scoped.usage()] == [("wine", 1)]


def test_rules_are_carried_to_another_store(folder: Path) -> None:
    old(5)
    ml.retention.set_rule("old", archive_after_days=1, keep_best=2, metric="loss")
    rules, audit = connection().ready().retention(), connection().ready().audit()
    ml.migrate("chachaml.db", "other.db")
    ml.connect("other.db")
    assert connection().ready().retention() == rules
    assert [row.action for row in connection().ready().audit()] == [row.action for row in audit]


# usage --------------------------------------------------------------------------------------------


def test_usage_says_who_uses_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    for user, experiment, count in (("ada", "iris", 100), ("bob", "iris", 10), ("ada", "wine", 1)):
        monkeypatch.setenv("CHACHA_USER", user)
        with ml.start_run(experiment) as run:
            for step in range(count):
                run.log_metric("loss", step / 3, step)
            run.log_text("notes.md", "x" * count)
    usage = ml.usage()
    assert [(one.name, one.runs, one.points, one.artifact_bytes) for one in usage.users] == [
        ("ada", 2, 101, 101),
        ("bob", 1, 10, 10),
    ]
    assert [(one.name, one.runs, one.points) for one in usage.experiments] == [
        ("iris", 2, 110),
        ("wine", 1, 1),
    ]
    total = usage.total
    assert total.bytes == total.point_bytes + total.artifact_bytes + total.console_bytes
    assert total.bytes == sum(one.bytes for one in usage.users) == sum(one.bytes for one in usage.experiments)
    assert "ada" in repr(usage)
    assert "wine" in repr(usage)
