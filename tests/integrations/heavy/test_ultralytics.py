"""Ultralytics: a classifier with random weights, on a few squares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integrations.heavy.without_operators import load

load()

import numpy as np
import pytest
from PIL import Image
from ultralytics import YOLO

import chachaml as ml
from chachaml.integrations import ultralytics
from tests.integrations.heavy import names, whole


@pytest.fixture
def data(folder: Path) -> Path:
    made = folder / "squares"
    for part in ("train", "val"):
        for kind, colour in (("dark", 20), ("light", 220)):
            place = made / part / kind
            place.mkdir(parents=True)
            for number in range(4):
                pixels = np.full((32, 32, 3), colour + number, np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return made


def train(model: Any, data: Path, folder: Path) -> None:
    quiet = {"verbose": False, "plots": False, "workers": 0, "device": "cpu", "amp": False}
    model.train(data=str(data), epochs=2, imgsz=32, batch=4, project=str(folder), name="yolo", **quiet)


def judge(run: Any) -> None:
    found = whole(run)
    assert found.status == "completed"
    assert (found.params["epochs"], found.params["imgsz"]) == (2, 32)
    assert found.params["model.parameters"] > 1000
    assert ml.metric(run, "train/loss").steps.tolist() == [0, 1]
    assert "metrics/accuracy_top1" in found.metrics
    assert "results/results.csv" in names(run)


def test_a_training_is_logged(data: Path, folder: Path) -> None:
    model = YOLO("yolo11n-cls.yaml")
    ultralytics.add_to(model, log_model=True)
    train(model, data, folder)
    (run,) = ml.runs()
    judge(run)
    assert "weights/best.pt" in names(run)


def test_autolog_of_a_training(data: Path, folder: Path) -> None:
    ml.autolog()
    with ml.start_run("mine") as run:
        train(YOLO("yolo11n-cls.yaml"), data, folder)
    assert ml.count_runs() == 1
    judge(run)
