"""The distributed example: four processes, one run, and every point of each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import chachaml as ml

EXAMPLE = Path(__file__).parents[2] / "examples" / "distributed.py"


def test_four_ranks_log_to_one_run_and_learn_as_one(folder: Path) -> None:
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = ml.runs()
    run = ml.run(found.id)
    assert run.status == "completed"
    assert run.conflicts == ()
    losses = [ml.metric(run, f"loss/rank-{rank}") for rank in range(4)]
    assert [loss.steps.tolist() for loss in losses] == [list(range(30))] * 4
    assert all(loss.values[-1] < loss.values[0] / 2 for loss in losses)
    assert len({tuple(loss.values) for loss in losses}) == 4, "each trains on digits of its own"
    assert run.metrics["accuracy"] > 0.85
