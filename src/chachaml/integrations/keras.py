"""Keras 3: a callback for `fit`, with any backend.

model.fit(x, y, epochs=5, callbacks=[ChachamlCallback()])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.patching import Patches, arguments
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback", "patch"]


class ChachamlCallback(base_of("keras.callbacks", "Callback")):  # type: ignore[misc]
    """Logs each epoch of a training to one run.

    Metrics by epoch, those of validation as ``val_...``, and the learning rate; as params the
    optimizer's configuration, the number of epochs and of weights; the model's summary as ``model.txt``
    and its architecture as ``model.json``.

    Args:
        run: The run. Default: the current one; without one, one of its own that ends with the training.
        every_batch: Log ``batch/...`` too, after so many batches; 0: not.
        log_model: Keep the model at the end.
    """

    def __init__(self, run: LiveRun | None = None, *, every_batch: int = 0, log_model: bool = False) -> None:
        super().__init__()
        self._recording = Recording("keras", run)
        self._every_batch, self._log_model = every_batch, log_model
        self._batches = 0

    @guarded("keras")
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Find or start the run, and log what is trained and how."""
        run, model = self._recording.run, self.model
        self._batches = 0
        params = {key: value for key, value in (self.params or {}).items() if key in ("epochs", "steps")}
        params |= {"model": model.name, "model.parameters": model.count_params() if model.built else None}
        if model.optimizer is not None:
            params["optimizer"] = model.optimizer.get_config()
        log_params(run, "keras", {key: value for key, value in params.items() if value is not None})
        lines: list[str] = []
        model.summary(print_fn=lines.append)
        run.log_text("model.txt", "\n".join(lines) + "\n", overwrite=True)
        with guard("keras"):
            run.log_artifact("model.json", model.to_json().encode(), overwrite=True)

    @guarded("keras")
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log a batch, if asked for."""
        self._batches += 1
        if self._every_batch and self._batches % self._every_batch == 0:
            found = {f"batch/{key}": value for key, value in numbers(logs or {}).items()}
            self._recording.run.log_metrics(found, self._batches)

    @guarded("keras")
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log an epoch."""
        found = numbers(logs or {})
        found |= numbers({"learning_rate": _learning_rate(self.model)})
        self._recording.run.log_metrics(found, epoch)

    @guarded("keras")
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Keep the model, and end a run of one's own."""
        if self._log_model:
            with guard("keras"):
                self._recording.run.log_model(self.model, overwrite=True)
        self._recording.end()


def _learning_rate(model: Any) -> float | None:
    rate = getattr(model.optimizer, "learning_rate", None)
    return None if rate is None else float(rate)


def patch(patches: Patches, options: Options) -> None:
    """Add the callback to each training."""
    import keras

    def around(fit: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        callback = None
        with guard("keras"):
            given = arguments(fit, (model, *args), kwargs)
            callbacks = given.get("callbacks") or []
            ours = isinstance(callbacks, list) and not any(
                isinstance(one, ChachamlCallback) for one in callbacks
            )
            if ours and ("callbacks" in kwargs or not given.get("callbacks")):
                callback = ChachamlCallback(log_model=options.models)
                kwargs = {**kwargs, "callbacks": [*callbacks, callback]}
        if callback is None:
            return fit(model, *args, **kwargs)
        with callback._recording.ending():
            return fit(model, *args, **kwargs)

    patches.wrap(keras.Model, "fit", around)
