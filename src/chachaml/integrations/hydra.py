"""Hydra: a callback that makes each job a run.

In the configuration::

    hydra:
      callbacks:
        chachaml:
          _target_: chachaml.integrations.hydra.ChachamlCallback
"""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import Any

from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.recording import log_params
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback"]


class ChachamlCallback(base_of("hydra.experimental.callback", "Callback", "hydra-core")):  # type: ignore[misc]
    """Makes each job a run, current while its function runs, and the jobs of a multirun children of one.

    The configuration as params and as ``hydra/...``; the overrides as the tag ``overrides``; the
    function's return value as the metric ``return_value`` if it is a number. A job that fails fails its
    run. Within an open run jobs are its children.

    Args:
        experiment: Default: the job's name.
    """

    def __init__(self, experiment: str | None = None) -> None:
        self._experiment = experiment
        self._sweep: LiveRun | None = None
        self._job: LiveRun | None = None

    @guarded("hydra")
    def on_multirun_start(self, config: Any, **_: Any) -> None:
        """Start the run of which the jobs are children."""
        name = config.hydra.job.name
        self._sweep = start_run(self._experiment or name, f"{name} multirun")

    @guarded("hydra")
    def on_multirun_end(self, config: Any, **_: Any) -> None:
        """End it."""
        if self._sweep is not None:
            self._sweep.end()

    @guarded("hydra")
    def on_job_start(self, config: Any, **_: Any) -> None:
        """Start a job's run."""
        job = config.hydra.job
        run = self._job = start_run(self._experiment or job.name, _title(job))
        log_params(run, job.name, _plain(config))
        run.add_tag("overrides", " ".join(config.hydra.overrides.task))
        run.add_tag("hydra.output_dir", config.hydra.runtime.output_dir)

    @guarded("hydra")
    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        """Log what a job returned, and end its run as it went."""
        run, self._job = self._job, None
        if run is None or run.ended:
            return
        value = job_return._return_value
        failed = isinstance(value, BaseException)
        with guard("hydra"):
            if isinstance(value, Real):
                run.log_metric("return_value", value)
            kept = Path(config.hydra.runtime.output_dir, config.hydra.output_subdir or "")
            if config.hydra.output_subdir and kept.is_dir():
                run.log_dir(kept, "hydra", overwrite=True)
        run.end("failed" if failed else "completed", value if failed else None)


def _plain(config: Any) -> dict[str, Any]:
    """Return the configuration without Hydra's own, of which not all can be known yet."""
    from omegaconf import OmegaConf

    found = {}
    for key in config:
        if key != "hydra":
            value = "???" if OmegaConf.is_missing(config, key) else config[key]
            found[str(key)] = (
                OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            )
    return found


def _title(job: Any) -> str:
    return f"{job.name} {job.num}" if "num" in job and job.num is not None else str(job.name)
