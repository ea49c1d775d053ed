"""Lightning: a logger for the `Trainer`.

trainer = Trainer(logger=ChachamlLogger(experiment="digits"))
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.patching import Patches
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.live import LiveRun

__all__ = ["ChachamlLogger", "patch"]

_HOME = (
    "pytorch_lightning"
    if find_spec("lightning") is None and find_spec("pytorch_lightning")
    else "lightning.pytorch"
)
_STATUSES = {"success": "completed", "failed": "failed"}


class ChachamlLogger(base_of(f"{_HOME}.loggers", "Logger", "lightning")):  # type: ignore[misc]
    """Logs what a `LightningModule` logs, its hyperparameters and its checkpoints to one run.

    Only the process of rank 0 logs. A run of its own ends with the fit, and goes on for a test after it.

    Args:
        experiment: Of a run of its own. Default: "default".
        name: Of a run of its own. Default: a generated one.
        run: The run. Default: the current one; without one, one of its own.
        log_model: Keep the best checkpoint, or the last one, as ``checkpoints/<file>``.
    """

    def __init__(
        self,
        experiment: str | None = None,
        name: str | None = None,
        *,
        run: LiveRun | None = None,
        log_model: bool = False,
    ) -> None:
        super().__init__()
        self._recording = Recording("lightning", run, experiment=experiment, name=name, goes_on=True)
        self._log_model = log_model
        self._checkpoints: Any = None
        self._called: tuple[str, str] | None = None

    @property
    def experiment(self) -> LiveRun | None:
        """The run; None in processes of other ranks than 0."""
        return self._recording.run if _is_first() else None

    @property
    def name(self) -> str:
        """The experiment's name, for folders of checkpoints."""
        return self._names()[0]

    @property
    def version(self) -> str:
        """The run's id, for folders of checkpoints."""
        return self._names()[1]

    @guarded("lightning", instead=("chachaml", "0"))
    def _names(self) -> tuple[str, str]:
        if self._called is None:
            run = self.experiment
            self._called = (run.experiment, run.id) if run is not None else ("chachaml", "0")
        return self._called

    @guarded("lightning")
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers at a step."""
        if _is_first() and (found := numbers(metrics)):
            self._recording.run.log_metrics(found, step)

    @guarded("lightning")
    def log_hyperparams(self, params: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Log hyperparameters, a mapping or namespace, and the metrics that go with them."""
        if not _is_first():
            return
        given = params if isinstance(params, Mapping) else vars(params)
        log_params(self._recording.run, "hparams", given)
        self.log_metrics(metrics or {})

    @guarded("lightning")
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Log what the model is made of."""
        from chachaml.integrations.pytorch import log_model_text

        if _is_first():
            log_model_text(model, graph=False, run=self._recording.run)

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Remember where checkpoints are."""
        self._checkpoints = checkpoint_callback

    @guarded("lightning")
    def finalize(self, status: str) -> None:
        """Keep the checkpoint, and end a run of one's own."""
        if not _is_first() or not self._recording.open:
            return
        path = getattr(self._checkpoints, "best_model_path", "")
        path = path or getattr(self._checkpoints, "last_model_path", "")
        if self._log_model and path:
            self._recording.run.log_file(
                path, f"checkpoints/{path.replace(chr(92), '/').rpartition('/')[2]}", overwrite=True
            )
        error = sys.exc_info()[1]  # what Lightning is handling while it says so
        self._recording.end(_STATUSES.get(status, "interrupted"), error)


def _is_first() -> bool:
    """Tell whether this is the process of rank 0, as far as Lightning knows by now."""
    from lightning_utilities.core.rank_zero import rank_zero_only

    return not getattr(rank_zero_only, "rank", 0)


def patch(patches: Patches, options: Options) -> None:
    """Add a logger to each `Trainer` that fits a model."""

    def around(fit: Callable[..., Any], trainer: Any, *args: Any, **kwargs: Any) -> Any:
        logger = None
        with guard("lightning"):
            if not any(isinstance(one, ChachamlLogger) for one in trainer.loggers):
                logger = ChachamlLogger(log_model=options.models)
                trainer.loggers = [*trainer.loggers, logger]
                _log_trainer(trainer, logger)
        if logger is None:
            return fit(trainer, *args, **kwargs)
        with logger._recording.ending():
            return fit(trainer, *args, **kwargs)

    for home in ("lightning.pytorch", "pytorch_lightning"):
        if (module := sys.modules.get(f"{home}.trainer.trainer")) is not None:
            patches.wrap(module.Trainer, "fit", around)


def _log_trainer(trainer: Any, logger: ChachamlLogger) -> None:
    """Log how is trained."""
    about = ("max_epochs", "max_steps", "accumulate_grad_batches", "gradient_clip_val", "precision")
    logger.log_hyperparams({name: getattr(trainer, name, None) for name in about})
