"""MLflow's own autologging, of large libraries, into a server of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from tests.integrations.heavy import names, whole
from tests.served import SESSION, served

ROOT = Path(__file__).parents[3]


def trained(what: str, folder: Path) -> Any:
    """Train in a process of its own; return the run that it left here."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with served(folder / "chachaml.db") as server:
        module = "tests.integrations.heavy.mlflow_trainings"
        command = [sys.executable, "-m", module, what, server.url, SESSION]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return whole(ml.run(done.stdout.split()[-1]))


@pytest.mark.parametrize(
    ("what", "metric", "params", "kept"),
    [
        ("keras", "val_loss", {"epochs": 3, "batch_size": 8}, "model/MLmodel"),
        ("lightning", "train_loss", {"epochs": 3, "lr": 0.05}, "model/MLmodel"),
        ("lightning_logger", "train_loss", {"lr": 0.05}, "epoch=2-step=12/"),
        ("transformers", "loss", {"learning_rate": 0.01, "vocab_size": 20}, "bert/MLmodel"),
    ],
)
def test_it_arrives_as_what_we_log_ourselves(
    what: str, metric: str, params: dict[str, Any], kept: str, folder: Path
) -> None:
    run = trained(what, folder)
    assert run.status == "completed"
    assert params.items() <= run.params.items()
    values = ml.metric(run, metric).values
    assert len(values) >= 3
    assert run.summaries[metric].last == values[-1]
    assert any(name.startswith(kept) for name in names(run))
    if what == "keras":
        assert [(data.role, data.digest != "") for data in run.datasets] == [("train", True)]
        assert [model.name for model in ml.registry.models()] == ["net"]
