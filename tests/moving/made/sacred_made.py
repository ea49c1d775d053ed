"""Makes runs with Sacred's file observer: python sacred_made.py FOLDER."""

import sys

import numpy as np
from sacred import Experiment
from sacred.observers import FileStorageObserver

FOLDER = sys.argv.pop(1)
experiment = Experiment("digits", save_git_info=False)
experiment.observers.append(FileStorageObserver(FOLDER))


@experiment.config
def config():
    lr = 0.01  # noqa: F841
    layers = [1, 2]  # noqa: F841
    deep = {"a": True, "name": "résumé"}  # noqa: F841
    weights = np.array([1.0, 2.0])  # noqa: F841
    fails = False  # noqa: F841


@experiment.automain
def main(_run, fails):
    for step in range(12):
        _run.log_scalar("loss", 1 / (step + 1), step)
    _run.log_scalar("odd", float("nan"), 3)
    _run.log_scalar("counted", np.float64(2.5))
    _run.info["seen"] = {"rows": 7}
    with open("notes.txt", "w") as file:
        file.write("an artifact")
    _run.add_artifact("notes.txt", "notes.txt")
    print("printed by the run")
    if fails:
        raise ValueError("it failed")
    return 0.75
