"""Hugging Face Accelerate: a tracker, known as ``log_with="chachaml"``.

import chachaml.integrations.accelerate

accelerator = Accelerator(log_with="chachaml")
accelerator.init_trackers("digits", config={"lr": 0.1})
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from chachaml.integrations.guarding import base_of, guarded
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.live import LiveRun

__all__ = ["ChachamlTracker", "register"]


class ChachamlTracker(base_of("accelerate.tracking", "GeneralTracker")):  # type: ignore[misc]
    """Logs what an `Accelerator` is told to log, to one run, from the main process.

    Args:
        run_name: The project, which names the experiment of a run of its own.
        run: The run. Default: the current one; without one, one of its own that `end_training` ends.
        name: Of a run of its own. Default: a generated one.
    """

    name = "chachaml"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, run_name: str, *, run: LiveRun | None = None, name: str | None = None) -> None:
        super().__init__()
        self._recording = Recording("accelerate", run, experiment=run_name, name=name)

    @property
    def tracker(self) -> LiveRun:
        """The run."""
        return self._recording.run

    @guarded("accelerate")
    def start(self) -> None:
        """Find the run, or start one."""
        if _is_main():
            _ = self._recording.run

    @guarded("accelerate")
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Log what the training was asked for, as params."""
        if _is_main():
            log_params(self._recording.run, "config", values)

    @guarded("accelerate")
    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Log numbers as metrics, and texts as tags."""
        if not _is_main():
            return
        if found := numbers(values):
            self._recording.run.log_metrics(found, step)
        for key, value in values.items():
            if isinstance(value, str):
                self._recording.run.add_tag(key, value)

    @guarded("accelerate")
    def log_images(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Log lists of images, as ``<key>/<step>/<number>.png``."""
        if _is_main():
            at = "" if step is None else f"/{step}"
            for key, images in values.items():
                for number, image in enumerate(images):
                    self._recording.run.log_image(f"{key}{at}/{number}.png", image, overwrite=True)

    @guarded("accelerate")
    def finish(self) -> None:
        """End a run of one's own."""
        if _is_main():
            self._recording.end()


def _is_main() -> bool:
    from accelerate.state import PartialState

    return bool(PartialState().is_main_process)


def register() -> None:
    """Let ``log_with="chachaml"`` name the tracker."""
    from accelerate import tracking

    if tracking.LOGGER_TYPE_TO_CLASS.get("chachaml") is not ChachamlTracker:
        tracking.register_tracker_class(ChachamlTracker)


with suppress(ImportError, AttributeError):  # older ones take an instance: log_with=ChachamlTracker("digits")
    register()
