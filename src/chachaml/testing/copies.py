"""The contract of copies: rows of another store are kept as they were there, and runs are read whole."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chachaml.core.changes import (
    AlertRule,
    AlertSet,
    Batch,
    Change,
    Conflicted,
    ConsoleWritten,
    DatasetLogged,
    EnvironmentCaptured,
    ParamsLogged,
    RowsCopied,
    RunCopied,
    RunDeleted,
    RunError,
    StepLogged,
)
from chachaml.core.ids import new_id
from chachaml.core.model import (
    AccountRow,
    AlertRow,
    AuditRow,
    DeliveryRow,
    EventRow,
    ExperimentRow,
    HistoryRow,
    ModelRow,
    MoveRow,
    RunRow,
    TokenRow,
    VersionRow,
)
from chachaml.store.protocol import Store
from chachaml.testing.artifacts import artifact
from chachaml.testing.material import ODD_FLOATS, Fixtures, Writer, bits, points

__all__ = ["CopyContract"]


def _apply(store: Store, *changes: Change) -> list[str]:
    return [one.what for one in store.apply(Batch(changes, command=new_id())).conflicts]


def _run(**fields: Any) -> RunRow:
    row = RunRow(id=new_id(), experiment="old", name="a", status="crashed", started=10, ended=20)
    return replace(row, **fields)


def _version(number: int, **fields: Any) -> VersionRow:
    kept: tuple[Any, ...] = ("m", "f" * 64, 3, "text/plain", "text", "", "none", "", {}, {}, 5, "ada")
    return replace(VersionRow("net", number, f"{number:032x}", new_id(), *kept), **fields)


def _model(**fields: Any) -> ModelRow:
    return replace(ModelRow("net", "about", "note", {"a": "b"}, 1, "ada", 7, 0, None, {}), **fields)


def _entry(no: int, run: str, aspect: str = "name", **fields: Any) -> HistoryRow:
    return replace(HistoryRow(no, 50 + no, "ada", run, aspect, "", "a", "b"), **fields)


class CopyContract(Fixtures):
    """What is copied reads as it did where it was."""

    def test_a_run_becomes_what_it_was_elsewhere(self, store: Store) -> None:
        """With what no log record could say: that it crashed, is archived, and what contradicted itself."""
        error = RunError("ValueError", "no", "trace")
        row = _run(created_by="ada", duration=9, parent=new_id(), error=error, archived=30)
        there = replace(row, owner=new_id(), tags={"a": "b"}, conflicts=(Conflicted(row.id, "twice"),))
        assert _apply(store, RunCopied(row.id, 40, there)) == []
        found = store.get_run(row.id)
        assert found == replace(row, conflicts=there.conflicts)
        later = replace(there, name="b", status="completed", archived=None)
        _apply(store, RunCopied(row.id, 50, later), ParamsLogged(row.id, 50, {"lr": "1"}))
        found = store.get_run(row.id)
        assert (found.name, found.status, found.archived, found.params) == ("b", "completed", None, {"lr": 1})
        assert found.conflicts == there.conflicts

    def test_a_run_that_goes_on_here_or_was_deleted_stays_so(self, store: Store, writer: Writer) -> None:
        """A copy is no reason to take somebody's run away, or to bring one back."""
        run = writer.start(name="mine")
        assert _apply(store, RunCopied(run, 1, _run(id=run))) == ["the run goes on here, and stays as it is"]
        assert store.get_run(run).name == "mine"
        gone = _run()
        _apply(store, RunCopied(gone.id, 1, gone), RunDeleted(gone.id, 2, "ada"))
        assert _apply(store, RunCopied(gone.id, 3, gone)) == ["the run was deleted"]

    def test_runs_are_read_whole(self, store: Store, writer: Writer) -> None:
        """Several at once, in the order asked for, each as it is read by itself."""
        one, two = writer.start(tags={"a": "b"}), writer.start()
        writer.write(
            ParamsLogged(one, 1, {"lr": "0.5"}),
            points(one, "loss", [1.0, 2.0]),
            artifact(one, "m"),
            DatasetLogged(one, 5, "mnist", "train", 60, None, ("x", "y")),
            EnvironmentCaptured(one, 5, {"python": "3.12"}),
            ConsoleWritten(one, 5, "out", 1, "hello\n"),
            ConsoleWritten(two, 6, "err", 1, "oh\n"),
            StepLogged(one, 7, "fit", 1, "completed", ("load",), two, 1, 2, 1, "k"),
            StepLogged(one, 6, "load", 0, "running"),
        )
        whole = store.whole_runs([two, "0" * 32, one])
        assert [each.row for each in whole] == [store.get_run(two), store.get_run(one)]
        assert [list(each.console) for each in whole] == [store.console(two), store.console(one)]
        assert [list(each.steps) for each in whole] == [[], store.steps(one)]
        assert store.whole_runs([]) == []

    def test_points_of_several_series_are_read_at_once(self, store: Store, writer: Writer) -> None:
        """In their order, to the bit; what is not there is left out."""
        one, two = writer.start(), writer.start()
        many = [float(no) for no in range(40)]
        writer.write(points(one, "odd", ODD_FLOATS), points(two, "long", many, range(40, 0, -1)))
        found = store.read_points([(two, "long"), (one, "long"), ("0" * 32, "odd"), (one, "odd"), (one, "?")])
        assert found == [points(two, "long", many[::-1], range(1, 41), range(39, -1, -1)), found[1]]
        assert (found[1].run, found[1].key) == (one, "odd")
        series = store.read_series(one, "odd")
        assert found[1].values == series.values.tobytes()
        assert bits(series.values) == bits(ODD_FLOATS)
        assert store.read_points([]) == []

    @pytest.mark.parametrize("count", [1, 16, 40, 9000])
    def test_series_are_copied_as_they_are_packed(self, store: Store, writer: Writer, count: int) -> None:
        """Points in the order of arrival, and what is known without them; one that is here stays."""
        one, two = writer.start(), writer.start()
        values = [*ODD_FLOATS, *(float(no % 7) for no in range(count))][-count:]
        writer.write(points(one, "odd", values, [no // 2 for no in range(count)], [7] * count))
        (packed,) = store.read_packed([(one, "odd"), (one, "?"), ("0" * 32, "odd")])
        assert _apply(store, replace(packed, run=two)) == []
        there, here = store.whole_runs([one, two])
        assert msgspec.msgpack.encode(here.row.metrics) == msgspec.msgpack.encode(there.row.metrics)
        assert store.read_points([(two, "odd")]) == [replace(store.read_points([(one, "odd")])[0], run=two)]
        assert store.info().points == 2 * count
        assert store.check() == []
        writer.write(points(two, "odd", [5.0], [10**6]))
        assert store.read_series(two, "odd").values[-1] == 5.0
        assert _apply(store, replace(packed, run=two)) == ["metric 'odd' is here already"]

    def test_corrections_are_copied_once(self, store: Store) -> None:
        """By their numbers; another correction of a number stays, and a deleted run stays deleted."""
        row, gone = _run(), new_id()
        _apply(store, RunCopied(row.id, 1, row))
        first, last = _entry(3, row.id, undone=8), _entry(8, row.id, before="b", after="a")
        dead = _entry(9, gone, "deleted", after=None)
        assert _apply(store, RowsCopied(1, history=(replace(first, undone=None), dead))) == []
        assert _apply(store, RowsCopied(1, history=(first, last, dead))) == []
        assert store.history() == [dead, last, first]
        assert _apply(store, RowsCopied(1, history=(_entry(3, row.id, "experiment"),))) == [
            "correction 3 is another one here"
        ]
        assert _apply(store, RunCopied(gone, 1, _run(id=gone))) == ["the run was deleted"]

    def test_experiments_keep_what_is_said_of_them_here(self, store: Store) -> None:
        """And are as old as the older one."""
        _apply(store, RowsCopied(1, experiments=(ExperimentRow("e", "", "ada", 7),)))
        _apply(store, RowsCopied(1, experiments=(ExperimentRow("e", "new", "bob", 5),)))
        assert store.experiments() == [ExperimentRow("e", "new", "ada", 5)]

    def test_models_are_copied_with_their_versions_and_moves(self, store: Store) -> None:
        """Stages and aliases become what they are there; a version of another origin stays."""
        one, two = _version(1, stage="production"), _version(7, tags={"k": "v"}, about={"x": 1})
        move = MoveRow(4, 5, "ada", "net", 1, "stage", "", "none", "production", "well")
        rows = RowsCopied(1, models=(_model(aliases={"best": 7}),), versions=(one, two), moves=(move,))
        assert _apply(store, rows) == _apply(store, rows) == []
        assert store.models() == [_model(aliases={"best": 7}, versions=2, production=1)]
        assert store.versions() == [one, replace(two, aliases=("best",))]
        assert store.moves("net") == [replace(move, no=1)]
        swapped = (replace(two, stage="production"), replace(one, stage="archived"))
        assert _apply(store, RowsCopied(2, models=(_model(),), versions=swapped)) == []
        assert [row.stage for row in store.versions()] == ["archived", "production"]
        assert store.models()[0].aliases == {}
        stranger = _version(7, id=new_id())
        assert _apply(store, RowsCopied(3, versions=(stranger,))) == [
            "version 7 of model 'net' is another one here"
        ]
        renamed = replace(_model(), name="nets"), replace(one, model="nets")
        assert _apply(store, RowsCopied(3, models=renamed[:1], versions=renamed[1:])) == [
            "version 1 of model 'nets' is one of model 'net' here"
        ]
        third = _version(8, stage="production")
        assert _apply(store, RowsCopied(3, versions=(third,))) == [
            "version 7 of model 'net' is in production here, and not 8"
        ]

    def test_alerts_are_copied_with_what_they_told(self, store: Store) -> None:
        """What waited to be delivered is dropped, and they do not fire for the same run again."""
        run = new_id()
        rule = AlertRule("threshold", metric="loss")
        alert = AlertRow("a", rule, ("http://x",), "auto", "s", False, 7, 20, "ada", 30, run)
        ways = (DeliveryRow(0, "http://x", "delivered", 1, "200"), DeliveryRow(1, "http://y", "pending"))
        about: tuple[Any, ...] = (
            "a",
            run,
            30,
            "a",
            "loss > 0",
            "warning",
            float("inf"),
            False,
            "auto",
            "s",
            ways,
        )
        event = EventRow(5, new_id(), *about)
        earlier = replace(event, no=2, id=new_id(), time=10)
        rows = RowsCopied(1, alerts=(alert,), events=(earlier, event))
        assert _apply(store, rows) == _apply(store, rows) == []
        assert store.alerts() == [alert]
        dropped = (ways[0], replace(ways[1], status="dropped", outcome="left where it was told"))
        assert store.events() == [
            replace(event, no=2, deliveries=dropped),
            replace(earlier, no=1, deliveries=dropped),
        ]
        assert store.due_events(2**60) == []
        _apply(store, AlertSet(40, "a", "bob", rule))
        assert _apply(store, rows) == ["alert 'a' is another one here"]

    def test_who_may_what_is_copied_and_what_is_here_stays(self, store: Store) -> None:
        """Nobody gains a role by a copy of a store in which they had one."""
        ada = AccountRow("ada", "user", "reader", {"iris": "writer"}, True, 1, "root")
        token = TokenRow("t1", "ada", "e" * 64, "laptop", "", False, 3, 9, None, 4)
        told = (AuditRow(3, 1, "root", "account set", "ada", ""), AuditRow(9, 2, "ada", "signed in", "", ""))
        rows = RowsCopied(1, accounts=(ada,), tokens=(token,), audit=told)
        assert _apply(store, rows) == _apply(store, rows) == []
        higher = (replace(ada, role="admin"), replace(ada, name="eve"))
        assert _apply(store, RowsCopied(1, accounts=higher)) == []
        assert store.access().accounts == (ada, replace(ada, name="eve"))
        assert store.access().tokens == (token,)
        assert store.audit() == [replace(told[1], no=2), replace(told[0], no=1)]
