"""Lightning: the logger, alone and by autolog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integrations.heavy.without_operators import load

load()

import lightning.pytorch as pl
import pytest
import torch

import chachaml as ml
from chachaml.integrations.lightning import ChachamlLogger
from tests.integrations.heavy import names, whole


class Regression(pl.LightningModule):
    def __init__(self, lr: float = 0.1, fails: bool = False) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(3, 1)

    def _loss(self, batch: Any) -> Any:
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def training_step(self, batch: Any, _: int) -> Any:
        if self.hparams["fails"]:
            raise RuntimeError("out of ideas")
        loss = self._loss(batch)
        self.log("train_loss", loss, on_step=True)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", self._loss(batch))

    def test_step(self, batch: Any, _: int) -> None:
        self.log("test_loss", self._loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


def data() -> Any:
    torch.manual_seed(0)
    x = torch.randn(32, 3)
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8
    )


def trainer(**more: Any) -> Any:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(max_epochs=2, log_every_n_steps=1, **quiet, **more)


def test_the_logger_logs_a_fit_and_the_test_after_it(folder: Path) -> None:
    logger = ChachamlLogger(experiment="lines", name="first", log_model=True)
    train = trainer(logger=logger)
    train.fit(Regression(0.05), data(), data())
    (run,) = ml.runs()
    assert (run.experiment, run.name, run.status) == ("lines", "first", "completed")
    train.test(train.model, data(), verbose=False)
    (run,) = ml.runs()
    found = whole(run)
    assert found.status == "completed"
    assert (found.params["lr"], found.params["fails"]) == (0.05, False)
    losses = ml.metric(run, "train_loss")
    assert losses.steps.tolist() == list(range(8))
    assert losses.values[-1] < losses.values[0]
    assert found.metrics["val_loss"] == pytest.approx(
        float(train.validate(train.model, data(), verbose=False)[0]["val_loss"])
    )
    assert "test_loss" in found.metrics
    (kept,) = names(run) - {"model.txt", "parameters"}
    assert kept.startswith("checkpoints/") and kept.endswith(".ckpt")
    assert (folder / "lines" / run.id / "checkpoints").is_dir()


def test_within_a_run_it_logs_to_that() -> None:
    with ml.start_run("mine") as run:
        trainer(logger=ChachamlLogger(), enable_checkpointing=False).fit(Regression(), data())
        ml.log_metric("after", 1)
    assert ml.count_runs() == 1
    assert {"train_loss", "epoch", "after"} <= set(whole(run).metrics)


def test_a_fit_that_fails_fails_its_run() -> None:
    with pytest.raises(RuntimeError, match="out of ideas"):
        trainer(logger=ChachamlLogger(), enable_checkpointing=False).fit(Regression(fails=True), data())
    assert [run.status for run in ml.runs()] == ["failed"]


def test_autolog_adds_the_logger() -> None:
    ml.autolog()
    trainer(logger=False, enable_checkpointing=False).fit(Regression(0.2), data())
    (run,) = ml.runs()
    found = whole(run)
    assert (found.status, found.params["lr"], found.params["max_epochs"]) == ("completed", 0.2, 2)
    assert len(ml.metric(run, "train_loss").values) == 8
    assert "model.txt" in names(run)
    with pytest.raises(RuntimeError, match="out of ideas"):
        trainer(logger=False, enable_checkpointing=False).fit(Regression(fails=True), data())
    assert whole(ml.runs()[0]).error.message == "out of ideas"
    ml.autolog(disable=True)
    trainer(logger=False, enable_checkpointing=False).fit(Regression(), data())
    assert ml.count_runs() == 2
