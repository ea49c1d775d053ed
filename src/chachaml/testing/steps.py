"""The contract of pipelines' steps: how each stands, and whose result another may take."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from typing import Any

from chachaml.core.changes import Batch, RunDeleted, StepLogged, StepStatus
from chachaml.core.ids import new_id
from chachaml.core.model import StepRow
from chachaml.store.protocol import Store
from chachaml.testing.material import Fixtures, Writer, ended

__all__ = ["StepContract"]


def step(run: str, name: str, order: int = 0, status: StepStatus = "completed", **fields: Any) -> StepLogged:
    """Return the word about a step."""
    return StepLogged(run, 5, name, order, status, **fields)


class StepContract(Fixtures):
    """What was said last of each step of a pipeline is kept."""

    def test_steps_are_listed_in_their_order_as_they_stand_now(self, store: Store, writer: Writer) -> None:
        """A later word replaces an earlier one."""
        run, other = writer.start(), writer.start()
        writer.write(
            step(run, "b", 1, "pending", needs=("a", "日本")),
            step(run, "a", 0, "pending"),
            step(other, "a", 0, "failed"),
        )
        writer.write(step(run, "a", 0, "completed", step_run=other, started=1, ended=2, attempts=3, key="k"))
        assert store.steps(run) == [
            StepRow("a", 0, "completed", (), other, 1, 2, 3, "k"),
            StepRow("b", 1, "pending", ("a", "日本"), "", None, None, 0, ""),
        ]
        assert [row.status for row in store.steps(other)] == ["failed"]
        assert store.steps("f" * 32) == []

    def test_the_last_result_of_a_key_is_found(self, store: Store, writer: Writer) -> None:
        """Of steps that completed, and whose run is still there."""
        run, first, second = writer.start(), writer.start(), writer.start()
        writer.write(
            step(run, "a", key="k", step_run=first, ended=1),
            step(run, "b", key="k", step_run=second, ended=2),
            step(run, "c", status="failed", key="k", step_run=first, ended=3),
            step(run, "d", status="cached", key="k", step_run=first, ended=4),
            step(run, "e", step_run=first, ended=5),
        )
        found = store.step_by_key("k")
        assert found is not None
        assert found.step_run == second
        assert store.step_by_key("other") is store.step_by_key("") is None
        writer.write(ended(second))
        store.apply(Batch((RunDeleted(second, 6, "bob"),), command=new_id()))
        found = store.step_by_key("k")
        assert found is not None
        assert found.step_run == first

    def test_steps_go_with_their_pipeline(self, store: Store, writer: Writer) -> None:
        """And nothing of them is found any more."""
        run, done = writer.start(), writer.start()
        writer.write(step(run, "a", key="k", step_run=done, ended=1), ended(run))
        store.apply(Batch((RunDeleted(run, 6, "bob"),), command=new_id()))
        assert (store.steps(run), store.step_by_key("k")) == ([], None)
