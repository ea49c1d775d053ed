"""Transformers and Accelerate, with a model of a few random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integrations.heavy.without_operators import load

load()

import pytest
import torch
from accelerate import Accelerator
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import chachaml as ml
import chachaml.integrations.accelerate
import chachaml.integrations.transformers
from chachaml.integrations.accelerate import ChachamlTracker
from chachaml.integrations.transformers import ChachamlCallback
from tests.integrations.heavy import names, whole

ROWS = [
    {"input_ids": torch.tensor([1, 5 + number % 7, 2]), "labels": torch.tensor(number % 2)}
    for number in range(16)
]


def trainer(folder: Path, *callbacks: Any, **more: Any) -> Any:
    torch.manual_seed(0)
    about = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=20, **about))
    args = TrainingArguments(
        str(folder / "out"),
        max_steps=4,
        logging_steps=1,
        per_device_train_batch_size=4,
        learning_rate=0.01,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        **more,
    )
    return Trainer(model, args, train_dataset=ROWS, eval_dataset=ROWS, callbacks=list(callbacks))


def judge(run: Any) -> None:
    found = whole(run)
    assert found.status == "completed"
    assert (found.params["learning_rate"], found.params["per_device_train_batch_size"]) == (0.01, 4)
    assert found.params["model"] == "BertForSequenceClassification"
    assert ml.metric(run, "train/loss").steps.tolist() == [1, 2, 3, 4]
    assert {"training_args.json", "model_config.json"} <= names(run)


def test_report_to_chachaml(folder: Path) -> None:
    done = trainer(folder, report_to="chachaml")
    done.train()
    found = done.evaluate()
    (run,) = ml.runs()
    judge(run)
    assert whole(run).metrics["eval/loss"] == pytest.approx(found["eval_loss"])
    assert len(whole(run).params) < 40
    done.train()
    assert [run.status for run in ml.runs()] == ["completed", "completed"]


def test_the_callback_within_a_run_keeps_the_model(folder: Path) -> None:
    with ml.start_run("mine") as run:
        trainer(folder, ChachamlCallback(log_model=True), report_to="none").train()
    assert ml.count_runs() == 1
    judge(run)
    assert {"model/config.json", "model/model.safetensors"} <= names(run)


def test_autolog_of_the_trainer(folder: Path) -> None:
    ml.autolog()
    trainer(folder, report_to="none").train()
    (run,) = ml.runs()
    judge(run)
    ml.autolog(disable=True)
    trainer(folder, report_to="none").train()
    assert ml.count_runs() == 1


def test_trouble_of_ours_does_not_stop_the_trainer(
    folder: Path, trouble: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chachaml.integrations.transformers, "numbers", lambda values: 1 / 0)
    with pytest.warns(ml.ChachamlWarning, match="not all that transformers does could be logged"):
        assert trainer(folder, report_to="chachaml").train().global_step == 4
    trouble.add("transformers")


@pytest.mark.parametrize("by_name", [True, False])
def test_accelerate(by_name: bool) -> None:
    accelerator = Accelerator(cpu=True, log_with="chachaml" if by_name else ChachamlTracker("digits"))
    accelerator.init_trackers("digits", config={"lr": 0.1, "layers": [3, 4]})
    model = torch.nn.Linear(2, 1)
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
    for step in range(3):
        loss = model(torch.ones(4, 2)).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        accelerator.log({"loss": loss, "stage": "first"}, step=step)
    accelerator.end_training()
    (run,) = ml.runs()
    found = whole(run)
    assert (run.experiment, run.status) == ("digits", "completed")
    assert found.params == {"lr": 0.1, "layers": [3, 4]}
    assert found.tags["stage"] == "first"
    assert ml.metric(run, "loss").steps.tolist() == [0, 1, 2]
