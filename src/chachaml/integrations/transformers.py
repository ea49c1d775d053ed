"""Hugging Face Transformers: a callback for the `Trainer`, known as ``report_to="chachaml"``.

import chachaml.integrations.transformers

TrainingArguments(..., report_to="chachaml")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from tempfile import TemporaryDirectory
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.patching import Patches
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback", "patch", "register"]

_ALWAYS = {
    "learning_rate",
    "lr_scheduler_type",
    "max_steps",
    "num_train_epochs",
    "optim",
    "per_device_train_batch_size",
    "seed",
    "weight_decay",
}
"""Arguments that are logged as params even if they are as they are by default."""

_GROUPS = {"eval_": "eval/", "test_": "test/", "predict_": "predict/"}


class ChachamlCallback(base_of("transformers.trainer_callback", "TrainerCallback")):  # type: ignore[misc]
    """Logs what a `Trainer` reports, and what it was asked for, to one run.

    Metrics as ``train/...`` and ``eval/...`` by global step. As params the arguments that are not as
    they are by default, and the most important ones; all of them as ``training_args.json``, and the
    model's configuration as ``model_config.json``. Only the first process logs. A run of its own ends
    with the training, and goes on for what is evaluated after it.

    Args:
        run: The run. Default: the current one; without one, one of its own.
        experiment: Of a run of its own. Default: "default".
        log_model: Keep the trained model and its tokenizer as ``model/...``.
    """

    def __init__(
        self, run: LiveRun | None = None, *, experiment: str | None = None, log_model: bool = False
    ) -> None:
        self._recording = Recording("transformers", run, experiment=experiment, goes_on=True)
        self._log_model, self._trained = log_model, False

    @guarded("transformers")
    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Find or start the run, and log what was asked for."""
        if not state.is_world_process_zero:
            return
        self._trained = False
        self._recording.forget()
        run = self._recording.run
        log_params(run, "args", _telling(args))
        run.log_artifact("training_args.json", args.to_json_string().encode(), overwrite=True)
        config = getattr(model, "config", None)
        if config is not None:
            run.log_artifact("model_config.json", config.to_json_string().encode(), overwrite=True)
        if model is not None:
            size = sum(weight.numel() for weight in model.parameters())
            log_params(run, "args", {"model": type(model).__name__, "model.parameters": size})

    @guarded("transformers")
    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Log what the trainer reports."""
        if state.is_world_process_zero and (found := numbers(logs or {})):
            self._recording.run.log_metrics(
                {_named(key): value for key, value in found.items()}, state.global_step
            )
            self._end_if_trained()

    @guarded("transformers")
    def on_predict(self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any], **_: Any) -> None:
        """Log the metrics of a prediction."""
        if state.is_world_process_zero and (found := numbers(metrics)):
            self._recording.run.log_metrics(
                {_named(key): value for key, value in found.items()}, state.global_step
            )
            self._end_if_trained()

    @guarded("transformers")
    def on_train_end(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        processing_class: Any = None,
        **_: Any,
    ) -> None:
        """Keep the model, and end a run of one's own."""
        if not state.is_world_process_zero or not self._recording.open:
            return
        if self._log_model and model is not None:
            with guard("transformers"), TemporaryDirectory() as folder:
                model.save_pretrained(folder)
                if processing_class is not None:
                    processing_class.save_pretrained(folder)
                self._recording.run.log_dir(folder, "model", overwrite=True)
        self._trained = True
        self._recording.end()

    def _end_if_trained(self) -> None:
        """End a run that was resumed for what came after the training."""
        if self._trained:
            self._recording.end()


def _telling(args: Any) -> dict[str, Any]:
    """Return the arguments that tell this training from others."""
    defaults = {field.name: field.default for field in fields(args)}
    factories = {
        field.name: field.default_factory for field in fields(args) if field.default_factory is not MISSING
    }
    given = {name: getattr(args, name) for name in defaults}
    different = {
        name: getattr(value, "value", value)
        for name, value in given.items()
        if name in _ALWAYS or (name not in factories and value != defaults[name])
    }
    return {name: value for name, value in different.items() if value is not None and "token" not in name}


def _named(key: str) -> str:
    for start, group in _GROUPS.items():
        if key.startswith(start):
            return group + key.removeprefix(start)
    return f"train/{key}"


def register() -> None:
    """Let ``report_to="chachaml"`` name the callback."""
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    INTEGRATION_TO_CALLBACK["chachaml"] = ChachamlCallback


with suppress(ImportError):  # without transformers there is nothing to register with
    register()


def patch(patches: Patches, options: Options) -> None:
    """Add the callback to each `Trainer` that trains."""
    from transformers.trainer import Trainer

    register()

    def around(train: Callable[..., Any], trainer: Any, *args: Any, **kwargs: Any) -> Any:
        callback = None
        with guard("transformers"):
            if not any(isinstance(one, ChachamlCallback) for one in trainer.callback_handler.callbacks):
                callback = ChachamlCallback(log_model=options.models)
                trainer.add_callback(callback)
        if callback is None:
            return train(trainer, *args, **kwargs)
        with callback._recording.ending():
            return train(trainer, *args, **kwargs)

    patches.wrap(Trainer, "train", around)
