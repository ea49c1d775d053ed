"""Ultralytics: callbacks for the training of a `YOLO` and its like.

model = YOLO("yolo11n.yaml")
ultralytics.add_to(model)
model.train(data="coco8.yaml", epochs=3)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import guard, guarded
from chachaml.integrations.patching import Patches
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.live import LiveRun

__all__ = ["add_to", "patch"]


class _Training:
    """The training of one model, or several after each other."""

    def __init__(self, run: LiveRun | None, *, log_model: bool) -> None:
        self._recording = Recording("ultralytics", run)
        self._log_model = log_model

    def callbacks(self) -> dict[str, Callable[[Any], None]]:
        return {
            "on_pretrain_routine_end": self.begin,
            "on_train_epoch_end": self.epoch,
            "on_fit_epoch_end": self.judged,
            "on_train_end": self.trained,
            "teardown": self.end,
        }

    @guarded("ultralytics")
    def begin(self, trainer: Any) -> None:
        """Find or start the run, and log what was asked for."""
        if not _is_first():
            return
        run = self._recording.run
        log_params(
            run, "args", {key: value for key, value in vars(trainer.args).items() if value is not None}
        )
        size = sum(weight.numel() for weight in trainer.model.parameters())
        log_params(run, "args", {"model.parameters": size})

    @guarded("ultralytics")
    def epoch(self, trainer: Any) -> None:
        """Log an epoch's losses and learning rates."""
        if self._recording.open:
            losses = trainer.label_loss_items(trainer.tloss, prefix="train")
            self._recording.run.log_metrics(numbers({**losses, **trainer.lr}), trainer.epoch)

    @guarded("ultralytics")
    def judged(self, trainer: Any) -> None:
        """Log what an epoch's validation found."""
        if self._recording.open and (found := numbers(trainer.metrics or {})):
            names = {key: key.replace("(B)", "").replace("(M)", "_mask") for key in found}
            self._recording.run.log_metrics(
                {names[key]: value for key, value in found.items()}, trainer.epoch
            )

    @guarded("ultralytics")
    def trained(self, trainer: Any) -> None:
        """Keep figures and results, and the best weights if asked for, and end a run of one's own."""
        if not self._recording.open:
            return
        run, folder = self._recording.run, Path(trainer.save_dir)
        for path in sorted((*folder.glob("*.png"), *folder.glob("*.jpg"), *folder.glob("results.csv"))):
            run.log_file(path, f"results/{path.name}", overwrite=True)
        if self._log_model and Path(trainer.best).exists():
            run.log_file(trainer.best, "weights/best.pt", overwrite=True)
        self._recording.end()

    @guarded("ultralytics")
    def end(self, trainer: Any) -> None:
        """End what was not ended by the end of its training."""
        self._recording.end("failed", "the training was broken off")


def _is_first() -> bool:
    from ultralytics.utils import RANK

    return RANK in (-1, 0)


def add_to(model: Any, run: LiveRun | None = None, *, log_model: bool = False) -> None:
    """Log the trainings of a model: params, losses, learning rates and metrics by epoch, figures.

    Args:
        model: The model, or its trainer.
        run: The run. Default: the current one; without one, one for each training.
        log_model: Keep the best weights.
    """
    for event, call in _Training(run, log_model=log_model).callbacks().items():
        model.add_callback(event, call)


def patch(patches: Patches, options: Options) -> None:
    """Log the training of each model."""
    from ultralytics.utils import callbacks

    def around(add: Callable[..., Any], instance: Any) -> Any:
        done = add(instance)
        with guard("ultralytics"):
            known = [getattr(each, "__self__", None) for each in instance.callbacks["on_train_end"]]
            if "Trainer" in type(instance).__name__ and not any(isinstance(one, _Training) for one in known):
                add_to(instance, log_model=options.models)
        return done

    patches.wrap(callbacks, "add_integration_callbacks", around)
