"""One step done, wherever it is done: in a run of its own, its result kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chachaml.connection import at, using
from chachaml.core.errors import ChachamlError, ChachamlWarning
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun
from chachaml.pipelines.steps import Step, StepContext

__all__ = ["NOT_KEPT", "RESULT", "Outcome", "Task", "do"]

RESULT = "step-result"
"""The name of the artifact that a step's result is kept as."""

NOT_KEPT = "step-result-not-kept"
"""The tag of a step's run whose result could not be kept; without it, no artifact means None."""


@dataclass(frozen=True)
class Task:
    """A step to be done, with all that it takes; can be sent to other processes."""

    store: Path
    pipeline: LiveRun
    step: Step
    context: StepContext
    attempt: int


@dataclass
class Outcome:
    """What came of a step. ``digest`` is that of the kept result, '' if there is none to keep or find."""

    run: str = ""
    result: Any = None
    digest: str = ""
    error: BaseException | None = None
    kept: bool = field(default=True)
    """Whether the result can be found again; None needs no keeping."""


def do(task: Task, started: Callable[[LiveRun], object] | None = None) -> Outcome:
    """Do a step in a run of its own, in this process; never raises but what ends the process.

    Args:
        task: What to do.
        started: Called with the run once it is open.
    """
    outcome = Outcome()
    about = {"pipeline-id": task.pipeline.id, "step-order": task.context.step_order}
    if task.attempt > 1:
        about["attempt"] = task.attempt
    try:
        with (
            using(at(task.store)),
            start_run(task.pipeline.experiment, task.step.name, tags=about, parent=task.pipeline) as run,
        ):
            outcome.run = run.id
            if started is not None:
                started(run)
            outcome.result = task.step.do(task.context)
            _keep(run, task.step, outcome)
    except Exception as error:
        outcome.error = error
    return outcome


def _keep(run: LiveRun, step: Step, outcome: Outcome) -> None:
    if outcome.result is None or run.ended:
        return
    try:
        kept = run.log_artifact(RESULT, outcome.result)
    except ChachamlError as error:
        why = f"chachaml: the result of step {step.name!r} is not kept, for resuming: {error.message}"
        warnings.warn(why, ChachamlWarning, stacklevel=2)
        run.add_tag(NOT_KEPT, "yes")
        kept = None
    outcome.kept = kept is not None
    outcome.digest = kept.digest if kept else ""
