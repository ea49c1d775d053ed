"""The example pipeline on real data: killed in the middle, resumed, and its model used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

import chachaml as ml

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipeline.py"


def statuses() -> dict[str, str]:
    return {step.name: step.status for step in ml.pipeline.list()[0].steps}


def test_a_killed_pipeline_resumes_and_puts_the_best_model_into_production(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path / "pipeline.py")
    command = [sys.executable, "pipeline.py"]
    hanging = {**os.environ, "PIPELINE_HANGS": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=hanging, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    ml.connect(tmp_path / "chachaml.db")
    deadline = time.monotonic() + 120
    while [statuses()[name] for name in ("logistic", "forest")] != ["completed", "completed"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.wait()
    process.stdout.close()
    while ml.pipeline.list()[0].status != "crashed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert statuses() == {
        "data": "completed",
        "features": "completed",
        "logistic": "completed",
        "forest": "completed",
        "svm": "crashed",
        "evaluate": "skipped",
        "deploy": "skipped",
    }
    before = {step.name: step.run for step in ml.pipeline.list()[0].steps}

    done = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (pipeline,) = ml.pipeline.list()
    after = {step.name: step.run for step in pipeline.steps}
    assert set(statuses().values()) == {"completed"}
    assert {name for name in before if before[name] == after[name]} == {
        "data",
        "features",
        "logistic",
        "forest",
    }

    version = ml.registry.version("digits-classifier")
    assert (version.version, version.description, version.run) == (1, "svm", after["svm"])
    lineage = ml.registry.lineage("digits-classifier")
    assert lineage.pipeline is not None
    assert lineage.pipeline.id == pipeline.id
    # The features made anew, as somebody would who uses the model: it reads what it never saw.
    x, y = load_digits(return_X_y=True)
    x_train, x_test, _, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
    projection = PCA(30, random_state=0).fit(x_train)
    assert (version.load().predict(projection.transform(x_test)) == y_test).mean() > 0.97
