"""Sacred: an observer that makes each run of an experiment a run here.

experiment.observers.append(ChachamlObserver())
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from chachaml.integrations.guarding import base_of, guarded
from chachaml.integrations.recording import log_params
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun

__all__ = ["ChachamlObserver"]


class ChachamlObserver(base_of("sacred.observers", "RunObserver")):  # type: ignore[misc]
    """Keeps what Sacred tells of a run: configuration, metrics, files, output, result, and how it ended.

    The experiment's name is the experiment's; the configuration becomes params, ``_run.log_scalar`` metrics,
    ``info`` the artifact ``info.json``, what was printed ``output.txt``, sources ``sources/...``,
    resources data sets, and the result the metric ``result`` if it is a number.

    Args:
        experiment: Default: the name of Sacred's experiment.
    """

    def __init__(self, experiment: str | None = None) -> None:
        self._experiment = experiment
        self._run: LiveRun | None = None
        self._info: dict[str, Any] = {}
        self._printed = ""

    @guarded("sacred")
    def started_event(
        self,
        ex_info: Mapping[str, Any],
        command: str,
        host_info: Mapping[str, Any],
        start_time: Any,
        config: Mapping[str, Any],
        meta_info: Mapping[str, Any],
        _id: Any,
    ) -> Any:
        """Start the run; its id becomes Sacred's."""
        run = self._run = start_run(
            self._experiment or ex_info["name"], _id and str(_id), tags={"command": command}
        )
        log_params(run, "config", config)
        if comment := (meta_info.get("options") or {}).get("--comment"):
            run.set_note(comment)
        for name, _ in ex_info.get("sources") or ():
            path = Path(ex_info["base_dir"], name)
            if path.is_file():
                run.log_file(path, f"sources/{Path(name).name}", overwrite=True)
        return _id or run.id

    @guarded("sacred")
    def heartbeat_event(
        self, info: Mapping[str, Any], captured_out: str, beat_time: Any, result: Any
    ) -> None:
        """Keep what there is so far."""
        self._info, self._printed = dict(info or {}), captured_out or ""

    @guarded("sacred")
    def log_metrics(self, metrics_by_name: Mapping[str, Any], info: Any) -> None:
        """Log the values that came since the last time."""
        if self._run is None:
            return
        for name, points in metrics_by_name.items():
            for step, value in zip(points["steps"], points["values"], strict=True):
                self._run.log_metric(name, value, step)

    @guarded("sacred")
    def resource_event(self, filename: str) -> None:
        """Keep what identifies a file that was read."""
        if self._run is not None:
            self._run.log_dataset(filename, role="resource")

    @guarded("sacred")
    def artifact_event(
        self, name: str, filename: str, metadata: Any = None, content_type: str | None = None
    ) -> None:
        """Keep a file."""
        if self._run is not None:
            self._run.log_file(filename, name, content_type=content_type, overwrite=True)

    @guarded("sacred")
    def completed_event(self, stop_time: Any, result: Any) -> None:
        """Log the result, and end the run."""
        if self._run is not None and isinstance(result, Real):
            self._run.log_metric("result", result)
        self._end("completed")

    @guarded("sacred")
    def interrupted_event(self, interrupt_time: Any, status: str) -> None:
        """End the run as interrupted."""
        self._end("interrupted", status)

    @guarded("sacred")
    def failed_event(self, fail_time: Any, fail_trace: Any) -> None:
        """End the run as failed, with the end of the traceback as its error."""
        self._end("failed", str(fail_trace[-1]).strip() if fail_trace else "failed")

    def _end(self, status: str, error: str | None = None) -> None:
        run, self._run = self._run, None
        if run is None or run.ended:
            return
        try:
            if self._info:
                run.log_artifact("info.json", self._info, format="json", overwrite=True)
            if self._printed:
                run.log_text("output.txt", self._printed, overwrite=True)
        finally:
            run.end(status, error)
