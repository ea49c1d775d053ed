"""Many runs with all that belongs to them but points: what copies of a store are made of."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import Conflicted
from chachaml.core.model import ArtifactRow, ConsoleRow, DatasetRow, StepRow, WholeRun
from chachaml.store.engine import Db
from chachaml.store.reads import filled
from chachaml.store.rows import RUN, run_of

__all__ = ["whole_runs"]

_T = TypeVar("_T")


def whole_runs(db: Db, runs: Sequence[str]) -> list[WholeRun]:
    """Return the runs of some ids, in that order."""
    query = f"SELECT {RUN} FROM runs WHERE id IN (SELECT value FROM json_each(?))"
    found = {row.id: (no, row) for no, row in map(run_of, db.execute(query, (_array(runs),)))}
    wanted = [found[run] for run in dict.fromkeys(runs) if run in found]
    numbers = [no for no, _ in wanted]

    def belonging(table: str, columns: str, order: str, make: Callable[..., _T]) -> dict[int, list[_T]]:
        which = "WHERE run IN (SELECT value FROM json_each(?))"
        of_runs: dict[int, list[_T]] = {no: [] for no in numbers}
        query = f"SELECT run, {columns} FROM {table} {which} ORDER BY run, {order}"
        for no, *row in db.execute(query, (_array(numbers),)):
            of_runs[no].append(make(*row))
        return of_runs

    about = "name, digest, size, content_type, format, signature, logged"
    artifacts = belonging("artifacts", about, "name", ArtifactRow)
    about = "name, role, rows, columns, features, digest, source, logged"
    datasets = belonging("datasets", about, "no", _dataset)
    about = "step, place, status, needs, step_run, started, ended, attempts, key"
    steps = belonging("steps", about, "place, step", _step)
    console = belonging("console", "no, time, stream, line, text", "no", ConsoleRow)
    conflicts = belonging("conflicts", "what", "no", str)
    return [
        WholeRun(
            replace(
                row,
                conflicts=tuple(Conflicted(row.id, what) for what in conflicts[no]),
                artifacts=tuple(artifacts[no]),
                datasets=tuple(datasets[no]),
            ),
            tuple(steps[no]),
            tuple(console[no]),
        )
        for no, row in zip(numbers, filled(db, wanted, with_values=True), strict=True)
    ]


def _array(values: Sequence[str] | Sequence[int]) -> str:
    return msgspec.json.encode(values).decode()


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _dataset(name: str, role: str, rows: Any, columns: Any, features: str, *rest: Any) -> DatasetRow:
    return DatasetRow(name, role, rows, columns, _names(features), *rest)


def _step(step: str, order: int, status: Any, needs: str, *rest: Any) -> StepRow:
    return StepRow(step, order, status, _names(needs), *rest)
