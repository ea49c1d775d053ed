"""Steps of pipelines in SQL: how each stands, and whose result another may take."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from typing import Any

import msgspec

from chachaml.core.changes import StepLogged
from chachaml.core.model import StepRow
from chachaml.store.engine import Db
from chachaml.store.rows import replacing

__all__ = ["set_step", "step_by_key", "steps"]

_STEP = "step, place, status, needs, step_run, started, ended, attempts, key"
_SET = replacing("steps", f"run, {_STEP}", "run, step")


def set_step(db: Db, run: int, new: StepLogged) -> None:
    """Keep how a step stands now."""
    needs = msgspec.json.encode(new.needs).decode()
    about = (new.step_run, new.started, new.ended, new.attempts, new.key)
    db.execute(_SET, (run, new.step, new.order, new.status, needs, *about))


def steps(db: Db, run: str) -> list[StepRow]:
    """Return the steps of a pipeline, in their order."""
    query = f"""SELECT {_STEP} FROM steps WHERE run = (SELECT no FROM runs WHERE id = ?)
        ORDER BY place, step"""
    return [_step(row) for row in db.execute(query, (run,))]


def step_by_key(db: Db, key: str) -> StepRow | None:
    """Return the step that completed last with this key and whose run is still there."""
    query = f"""SELECT {_STEP} FROM steps WHERE key = ? AND key != '' AND status = 'completed'
        AND EXISTS (SELECT 1 FROM runs WHERE id = step_run) ORDER BY ended DESC, step_run DESC LIMIT 1"""
    found = db.execute(query, (key,)).fetchone()
    return None if found is None else _step(found)


def _step(row: tuple[Any, ...]) -> StepRow:
    step, order, status, needs, *rest = row
    return StepRow(step, order, status, msgspec.json.decode(needs, type=tuple[str, ...]), *rest)
