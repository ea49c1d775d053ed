"""Examples that need large libraries: ``make examples-heavy`` runs them, in their own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chachaml as ml

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "heavy").glob("*.py"))
HEAVY = bool(os.environ.get("CHACHAML_HEAVY"))


pytestmark = pytest.mark.skipif(not HEAVY, reason="make examples-heavy runs them")


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda example: example.stem)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param.stem)
    command = [sys.executable, str(request.param)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return request.param.stem, folder


def test_a_heavy_example_learns_and_keeps_its_weights(trained: tuple[str, Path]) -> None:
    name, folder = trained
    ml.connect(folder / "chachaml.db")
    (run,) = (ml.run(run.id) for run in ml.runs())
    assert run.status == "completed"
    key = {"pytorch_digits": "test/accuracy", "huggingface_tiny": "eval_accuracy"}[name]
    assert run.metrics[key] > 0.95
    assert run.summaries["loss"].count > 10
    assert run.summaries["loss"].last < run.summaries["loss"].first / 3
    kept = {artifact.name: artifact.format for artifact in ml.list_artifacts(run)}
    assert "safetensors" in kept.values()
    ml.connect(Path.cwd() / "chachaml.db")
