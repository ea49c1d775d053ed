"""fastai: the callback, alone and by autolog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integrations.heavy.without_operators import load

load()

import torch
from fastai.callback.schedule import *  # noqa: F403 - it teaches learners fit_one_cycle and lr_find
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.metrics import mae

import chachaml as ml
from chachaml.integrations.fastai import ChachamlCallback
from tests.integrations.heavy import names, whole


def learner(folder: Path, **more: Any) -> Any:
    torch.manual_seed(0)
    x = torch.randn(32, 3)
    rows = [(each, each.sum(0, keepdim=True)) for each in x]
    dls = DataLoaders(DataLoader(rows, bs=8), DataLoader(rows, bs=8), device="cpu")
    return Learner(dls, torch.nn.Linear(3, 1), torch.nn.MSELoss(), metrics=mae, path=folder, **more)


def test_the_callback_logs_epochs_and_batches(folder: Path) -> None:
    with ml.start_run() as run:
        learn = learner(folder, cbs=ChachamlCallback(log_model=True))
        learn.fit_one_cycle(2, 0.1)
    values = learn.recorder.values
    for place, name in enumerate(("train_loss", "valid_loss", "mae")):
        assert ml.metric(run, name).values.tolist() == pytest.approx([row[place] for row in values])
    assert len(ml.metric(run, "batch/loss").values) == 8
    found = whole(run)
    assert (found.params["epochs"], found.params["model"], found.params["batch_size"]) == (2, "Linear", 8)
    assert {"model", "model.txt"} <= names(run)


def test_autolog_adds_it_and_looking_for_a_rate_is_not_logged(folder: Path) -> None:
    ml.autolog()
    learn = learner(folder)
    learn.fit(1, 0.1)
    (run,) = ml.runs()
    assert run.status == "completed"
    assert len(ml.metric(run, "valid_loss").values) == 1
    learn.lr_find(show_plot=False)
    learn.get_preds()
    assert ml.count_runs() == 1
    ml.autolog(disable=True)
    learn.fit(1, 0.1)
    assert ml.count_runs() == 1
