"""Hydra's callback and Sacred's observer, in scripts as people write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from tests.integrations.heavy import names, whole

APP = """
import hydra
import chachaml as ml

@hydra.main(version_base=None, config_path="conf", config_name="config")
def train(config):
    if config.lr > 1:
        raise ValueError("too fast")
    for step in range(3):
        ml.log_metric("loss", config.lr / (step + 1), step)
    return config.lr

train()
"""
CONFIG = """
lr: 0.1
net: {layers: 2, sizes: [3, 4]}
hydra:
  callbacks:
    chachaml:
      _target_: chachaml.integrations.hydra.ChachamlCallback
"""


def hydra(folder: Path, *arguments: str) -> Any:
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf" / "config.yaml").write_text(CONFIG)
    (folder / "train.py").write_text(APP)
    command = [sys.executable, "train.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_job_of_hydra_is_a_run(folder: Path) -> None:
    done = hydra(folder, "lr=0.2")
    assert done.returncode == 0, done.stderr
    (run,) = ml.runs()
    found = whole(run)
    assert (run.experiment, run.name, run.status) == ("train", "train", "completed")
    assert (found.params["lr"], found.params["net.layers"], found.params["net.sizes"]) == (0.2, 2, [3, 4])
    assert found.tags["overrides"] == "lr=0.2"
    assert (found.metrics["return_value"], len(ml.metric(run, "loss").values)) == (0.2, 3)
    assert names(run) == {"hydra/config.yaml", "hydra/hydra.yaml", "hydra/overrides.yaml"}


def test_jobs_of_a_multirun_are_children_and_one_that_fails_has_failed(folder: Path) -> None:
    done = hydra(folder, "--multirun", "lr=0.1,0.2,3")
    assert done.returncode != 0
    assert "too fast" in done.stderr
    (above,) = ml.runs(name="train multirun")
    jobs = {run.params["lr"]: run for run in map(whole, ml.children(above.id))}
    assert {lr: run.status for lr, run in jobs.items()} == {0.1: "completed", 0.2: "completed", 3: "failed"}
    assert jobs[3].error.message == "too fast"


def test_a_run_of_sacred_is_a_run(folder: Path) -> None:
    from sacred import Experiment

    from chachaml.integrations.sacred import ChachamlObserver

    (folder / "data.txt").write_text("1 2 3")
    experiment = Experiment("lines", save_git_info=False)
    experiment.add_config({"lr": 0.1, "net": {"layers": 2}})
    experiment.observers.append(ChachamlObserver())

    @experiment.main
    def train(_run: Any, lr: float) -> float:
        for step in range(3):
            _run.log_scalar("loss", lr / (step + 1), step)
        experiment.open_resource("data.txt")
        experiment.add_artifact("data.txt", "copy.txt")
        _run.info["note"] = "fine"
        if lr > 1:
            raise ValueError("too fast")
        return lr

    done = experiment.run(config_updates={"lr": 0.5})
    (run,) = ml.runs()
    found = whole(run)
    assert done._id == run.id
    assert (run.experiment, run.status) == ("lines", "completed")
    assert (found.params["lr"], found.params["net.layers"]) == (0.5, 2)
    assert (found.metrics["result"], ml.metric(run, "loss").steps.tolist()) == (0.5, [0, 1, 2])
    assert found.datasets[0].name == "data.txt"
    assert {"copy.txt", "info.json"} <= names(run)
    with pytest.raises(ValueError, match="too fast"):
        experiment.run(config_updates={"lr": 3})
    assert "too fast" in whole(ml.runs()[0]).error.message
