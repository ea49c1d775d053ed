"""fastai: a callback for a `Learner`.

learn.fit_one_cycle(5, cbs=ChachamlCallback())
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.patching import Patches
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback", "patch"]


class ChachamlCallback(base_of("fastai.callback.core", "Callback")):  # type: ignore[misc]
    """Logs a training to one run: losses and metrics by epoch, loss and learning rate by batch.

    As params what is trained and how; the model as the text ``model.txt``. Looking for a learning rate
    and predicting are not logged.

    Args:
        run: The run. Default: the current one; without one, one of its own that ends with the fit.
        every_batch: After how many batches to log; 0: only epochs.
        log_model: Keep the model's weights at the end.
    """

    order = 60
    """After the recorder, whose values are logged."""

    def __init__(self, run: LiveRun | None = None, *, every_batch: int = 1, log_model: bool = False) -> None:
        super().__init__()
        self._recording = Recording("fastai", run)
        self._every_batch, self._log_model = every_batch, log_model
        self._silent = True

    @guarded("fastai")
    def before_fit(self) -> None:
        """Find or start the run, and log what is trained."""
        self._silent = hasattr(self.learn, "lr_finder") or hasattr(self, "gather_preds")
        if self._silent:
            return
        from chachaml.integrations.pytorch import log_model_text

        learn, run = self.learn, self._recording.run
        params = {"epochs": learn.n_epoch, "model": type(learn.model).__name__}
        params |= {"loss": str(learn.loss_func), "batch_size": getattr(learn.dls, "bs", None)}
        log_params(run, "fastai", {key: value for key, value in params.items() if value is not None})
        if learn.opt is not None:
            log_params(
                run, "fastai", {f"optimizer.{key}": value for key, value in learn.opt.hypers[-1].items()}
            )
        log_model_text(learn.model, graph=False, run=run)

    @guarded("fastai")
    def after_batch(self) -> None:
        """Log a batch of training."""
        learn = self.learn
        if (
            self._silent
            or not learn.training
            or not self._every_batch
            or learn.train_iter % self._every_batch
        ):
            return
        values = {"batch/loss": learn.loss, "batch/lr": learn.opt.hypers[-1]["lr"]}
        self._recording.run.log_metrics(numbers(values), learn.train_iter)

    @guarded("fastai")
    def after_epoch(self) -> None:
        """Log an epoch: what the recorder shows of it."""
        if self._silent:
            return
        recorder = self.learn.recorder
        shown = dict(zip(recorder.metric_names, recorder.log, strict=False))
        found = numbers({key: value for key, value in shown.items() if key not in ("epoch", "time")})
        self._recording.run.log_metrics(found, self.learn.epoch)

    @guarded("fastai")
    def after_fit(self) -> None:
        """Keep the model, and end a run of one's own."""
        if self._silent:
            return
        self._silent = True
        if self._log_model:
            with guard("fastai"):
                self._recording.run.log_model(self.learn.model, overwrite=True)
        self._recording.end()


def patch(patches: Patches, options: Options) -> None:
    """Add the callback to each `Learner` that is fitted."""
    from fastai.learner import Learner

    def around(fit: Callable[..., Any], learn: Any, *args: Any, **kwargs: Any) -> Any:
        callback = None
        with guard("fastai"):
            given = kwargs.get("cbs") or []
            given = list(given) if isinstance(given, (list, tuple)) else [given]
            if not any(isinstance(one, ChachamlCallback) for one in (*learn.cbs, *given)):
                callback = ChachamlCallback(log_model=options.models)
                kwargs = {**kwargs, "cbs": [*given, callback]}
        if callback is None:
            return fit(learn, *args, **kwargs)
        with callback._recording.ending():
            return fit(learn, *args, **kwargs)

    patches.wrap(Learner, "fit", around)
