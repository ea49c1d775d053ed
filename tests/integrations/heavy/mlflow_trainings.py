"""Trainings that MLflow itself logs: python -m tests.integrations.heavy.mlflow_trainings WHAT URL [TOKEN].

MLflow changes the libraries that it logs, so each training has a process to itself. What the server answers
is judged here; what has become of it there, by the test that starts this. The last line names the run.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from tests.integrations.heavy.without_operators import load

load()

if len(sys.argv) > 3:
    os.environ["MLFLOW_TRACKING_TOKEN"] = sys.argv[3]
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
os.environ["MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT"] = "1"  # it loads the model again to see imports
warnings.filterwarnings("ignore")

import mlflow
import numpy as np
import torch
from mlflow.tracking import MlflowClient


def history(run: str, key: str) -> list[tuple[int, float]]:
    """Return steps and values of a metric."""
    return [(one.step, one.value) for one in MlflowClient().get_metric_history(run, key)]


def same(found: list[tuple[int, float]], steps: list[int], values: Any) -> None:
    assert [step for step, _ in found] == steps, found
    assert np.allclose([value for _, value in found], values), (found, values)


def only_run() -> Any:
    (found,) = mlflow.search_runs(output_format="list")
    assert found.info.status == "FINISHED"
    return found


def files(run: str, path: str = "") -> set[str]:
    return {one.path for one in MlflowClient().list_artifacts(run, path or None)}


def keras() -> str:
    """Fit, with autologging: epochs, data sets, and the model with its metrics."""
    import keras

    x = np.random.default_rng(0).normal(size=(32, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    mlflow.keras.autolog(extra_tags={"team": "a"}, registered_model_name="net")
    done = model.fit(x, x.sum(1), epochs=3, batch_size=8, verbose=0, validation_split=0.25)
    found = only_run()
    run = found.info.run_id
    for key in ("loss", "mae", "val_loss"):
        same(history(run, key), [0, 1, 2], done.history[key])
    params = found.data.params
    assert (params["epochs"], params["batch_size"], params["optimizer_name"]) == ("3", "8", "adam")
    assert abs(float(params["optimizer_learning_rate"]) - 0.01) < 1e-6
    assert (found.data.tags["team"], found.data.tags["mlflow.autologging"]) == ("a", "keras")
    (used,) = found.inputs.dataset_inputs
    assert (used.dataset.source_type, [tag.value for tag in used.tags]) == ("code", ["train"])
    assert {"model_summary.txt", "model"} <= files(run)
    (logged,) = mlflow.search_logged_models(output_format="list")
    assert {one.key for one in logged.metrics} >= {"loss", "val_loss"}
    assert logged.source_run_id == run
    for uri in (f"runs:/{run}/model", logged.model_uri, "models:/net/1"):
        loaded = mlflow.keras.load_model(uri)
        assert np.allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    return str(run)


def _lines(logged: Any) -> Any:
    """Return a module to fit lines with, and its data; `logged` gets the losses of the epochs."""
    import lightning.pytorch as pl

    class Lines(pl.LightningModule):
        def __init__(self, lr: float = 0.05) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.mse_loss(self(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            self.log("val_loss", torch.nn.functional.mse_loss(self(batch[0]), batch[1]))

        def on_train_epoch_end(self) -> None:
            logged.append(float(self.trainer.callback_metrics["train_loss"]))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    torch.manual_seed(0)
    x = torch.randn(32, 3)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    return Lines(), torch.utils.data.DataLoader(data, batch_size=8), x


def _trainer(**more: Any) -> Any:
    import lightning.pytorch as pl

    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(max_epochs=3, log_every_n_steps=1, **quiet, **more)


def lightning() -> str:
    """Fit, with autologging: epochs, checkpoints, and the model."""
    losses: list[float] = []
    module, loader, x = _lines(losses)
    mlflow.pytorch.autolog(checkpoint_save_best_only=False, checkpoint_monitor="val_loss")
    _trainer(logger=False, enable_checkpointing=False).fit(module, loader, loader)
    found = only_run()
    run = found.info.run_id
    same(history(run, "train_loss"), [0, 1, 2], losses)
    assert [step for step, _ in history(run, "val_loss")] == [0, 1, 2]
    assert (found.data.params["epochs"], found.data.params["optimizer_name"]) == ("3", "SGD")
    assert found.data.params["lr"] == "0.05"
    assert {"model_summary.txt", "model", "checkpoints"} <= files(run)
    assert len(files(run, "checkpoints")) == 3
    loaded = mlflow.pytorch.load_model(f"runs:/{run}/model")
    assert torch.allclose(loaded(x), module(x))
    return str(run)


def lightning_logger() -> str:
    """Fit, with Lightning's own logger for MLflow, which sends checkpoints too."""
    from lightning.pytorch.loggers import MLFlowLogger

    losses: list[float] = []
    module, loader, _ = _lines(losses)
    about = {"tracking_uri": mlflow.get_tracking_uri(), "tags": {"team": "a"}, "log_model": True}
    logger = MLFlowLogger("Default", run_name="by its logger", **about)
    _trainer(logger=logger).fit(module, loader, loader)
    found = only_run()
    run = found.info.run_id
    assert (run, found.info.run_name, found.data.tags["team"]) == (logger.run_id, "by its logger", "a")
    assert np.allclose([value for _, value in history(run, "train_loss")], losses)
    assert found.data.params["lr"] == "0.05"
    kept = mlflow.artifacts.download_artifacts(run_id=run, artifact_path="epoch=2-step=12")
    assert set(os.listdir(kept)) == {"epoch=2-step=12.ckpt", "metadata.yaml", "aliases.txt"}
    return str(run)


def transformers() -> str:
    """Train with the Trainer's own report to MLflow, log the model, and load it back."""
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    about = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=20, **about))
    rows = [
        {"input_ids": torch.tensor([1, 5 + number % 7, 2]), "labels": torch.tensor(number % 2)}
        for number in range(16)
    ]
    how = {"max_steps": 4, "logging_steps": 1, "per_device_train_batch_size": 4, "learning_rate": 0.01}
    quiet = {"use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "report_to": "mlflow"}
    os.environ.update(MLFLOW_FLATTEN_PARAMS="TRUE", MLFLOW_TAGS='{"team": "a"}')
    mlflow.transformers.autolog()
    with mlflow.start_run() as active:
        args = TrainingArguments("out", **how, **quiet)
        trainer = Trainer(model, args, train_dataset=rows, eval_dataset=rows)
        trainer.train()
        trainer.evaluate()
        kept = mlflow.transformers.log_model(
            {"model": model, "tokenizer": _tokenizer()}, name="bert", task="text-classification"
        )
    run = active.info.run_id
    found = only_run()
    assert found.info.run_id == run
    told = [line for line in trainer.state.log_history if "loss" in line]
    same(history(run, "loss"), [1, 2, 3, 4], [line["loss"] for line in told])
    assert "eval_loss" in found.data.metrics
    params = found.data.params
    assert (params["learning_rate"], params["vocab_size"], params["max_steps"]) == ("0.01", "20", "4")
    assert len(params) > 100
    loaded = mlflow.transformers.load_model(kept.model_uri, return_type="components")
    ids = torch.tensor([[1, 5, 2]])
    assert torch.allclose(loaded["model"](ids).logits, model(ids).logits, atol=1e-5)
    return str(run)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "good", "bad"])}
    words |= {f"w{number}": number for number in range(6, 20)}
    plain = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="[UNK]", pad_token="[PAD]")


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[2])
    trainings = {one.__name__: one for one in (keras, lightning, lightning_logger, transformers)}
    print(trainings[sys.argv[1]]())
