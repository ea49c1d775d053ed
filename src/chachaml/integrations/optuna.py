"""Optuna: trials as runs, by a callback, by a storage that finds them again, or by `chachaml.autolog`.

tracker = ChachamlCallback()
study.optimize(tracker.track(objective), n_trials=20, callbacks=[tracker])

study = optuna.create_study(storage=ChachamlStorage(), study_name="digits", load_if_exists=True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chachaml import current
from chachaml.artifact_calls import load_artifact
from chachaml.core.errors import NotFound
from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.patching import Patches
from chachaml.integrations.recording import Recording, log_params
from chachaml.lifecycle import current_run, start_run
from chachaml.live import LiveRun
from chachaml.results import Run
from chachaml.tracker import children, runs

__all__ = ["ChachamlCallback", "ChachamlStorage", "patch"]

_KEPT = "optuna_trial.json"
"""The artifact by which the storage finds a trial again."""

_ALL = 1_000_000

_STUDY, _DIRECTIONS = "optuna.study", "optuna.directions"
"""Tags of the run that a study of the storage is."""


class ChachamlCallback:
    """Makes each trial of a study a run: params, values, what it reported by step, attributes as tags.

    Trials are children of the current run, if there is one. `track` lets what the objective logs, or
    autologging for it, go to the trial's run as well.

    Args:
        run: The run whose children the trials are. Default: the current one.
        metric: What the value is called; several are called ``<metric>_0`` and so on, unless the study
            names them.
    """

    def __init__(self, run: LiveRun | None = None, *, metric: str = "value") -> None:
        self._parent, self._metric = run, metric
        self._open: dict[int, LiveRun] = {}

    def track(self, objective: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return an objective that runs within its trial's run."""

        def tracked(trial: Any) -> Any:
            run = None
            with guard("optuna"):
                run = self._open[trial.number] = self._started(trial.study, trial.number)
                current.enter(run)
            try:
                return objective(trial)
            except BaseException as error:
                if not _is_pruning(error):
                    self._fail(trial, error)
                raise
            finally:
                if run is not None:
                    current.leave(run)

        return tracked

    @guarded("optuna")
    def __call__(self, study: Any, trial: Any) -> None:
        """Log a trial that has come to its end."""
        from optuna.trial import TrialState

        run = self._open.pop(trial.number, None)
        if run is None and trial.state == TrialState.FAIL and "chachaml.failed" in trial.system_attrs:
            return
        run = run or self._started(study, trial.number)
        log_params(run, "trial", trial.params)
        for step, value in trial.intermediate_values.items():
            run.log_metric("intermediate", value, step)
        _finish(run, trial, _names(study, trial, self._metric))

    def _started(self, study: Any, number: int) -> LiveRun:
        above = self._parent or current_run()
        experiment = None if above else study.study_name
        return _start_trial(experiment, number, above)

    @guarded("optuna")
    def _fail(self, trial: Any, error: BaseException) -> None:
        """End the run of a trial with what its objective raised, which the callback is not told."""
        run = self._open.pop(trial.number)
        log_params(run, "trial", trial.params)
        trial.storage.set_trial_system_attr(trial._trial_id, "chachaml.failed", True)
        run.end("failed" if isinstance(error, Exception) else "interrupted", error)


def _is_pruning(error: BaseException) -> bool:
    from optuna import TrialPruned

    return isinstance(error, TrialPruned)


def _start_trial(experiment: str | None, number: int, parent: LiveRun | str | None) -> LiveRun:
    """Return a trial's run, which is not the current one: its objective may run in any thread."""
    run = start_run(experiment, f"trial {number}", tags={"trial": number}, parent=parent, capture=False)
    current.forget_plain(run)
    return run


def _names(study: Any, trial: Any, metric: str) -> list[str]:
    count = len(trial.values or ())
    return study.metric_names or ([metric] if count == 1 else [f"{metric}_{each}" for each in range(count)])


def _finish(run: LiveRun, trial: Any, names: list[str]) -> None:
    """Log a trial's values and attributes, and end its run."""
    from optuna.trial import TrialState

    for name, value in zip(names, trial.values or (), strict=False):
        run.log_metric(name, value)
    for key, value in trial.user_attrs.items():
        run.add_tag(key, value)
    if trial.state == TrialState.PRUNED:
        run.add_tag("pruned", "yes")
    run.end("failed" if trial.state == TrialState.FAIL else "completed")


# storage ------------------------------------------------------------------------------------------


class ChachamlStorage(base_of("optuna.storages", "InMemoryStorage")):  # type: ignore[misc]
    """Keeps studies as runs, and their trials as children of these; finds them again by name.

    For one process at a time: trials that another process does are seen when the study is loaded anew.
    Trials that a process died in the middle of count as failed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._studies_runs: dict[int, str] = {}
        self._trials_runs: dict[int, LiveRun] = {}
        self._loading = False

    def create_new_study(self, directions: Any, study_name: str | None = None) -> int:
        """Make a study, and a run for it; a name that is taken is told as Optuna does."""
        if study_name is not None and not self._loading:
            self._load(study_name)
        study: int = super().create_new_study(directions, study_name)
        if not self._loading:
            name = self.get_study_name_from_id(study)
            tags = {_STUDY: name, _DIRECTIONS: ",".join(each.name for each in directions)}
            with start_run(name, name, tags=tags) as run:
                self._studies_runs[study] = run.id
        return study

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return a study's number; one that is only in the store is loaded first.

        Raises:
            KeyError: There is no such study.
        """
        self._load(study_name)
        study: int = super().get_study_id_from_name(study_name)
        return study

    def create_new_trial(self, study_id: int, template_trial: Any = None) -> int:
        """Make a trial, and a run for it."""
        trial: int = super().create_new_trial(study_id, template_trial)
        if not self._loading:
            with guard("optuna"):
                self._begin(study_id, trial)
        return trial

    def set_trial_param(self, trial_id: int, param_name: str, value: float, distribution: Any) -> None:
        """Set a param, and log it."""
        super().set_trial_param(trial_id, param_name, value, distribution)
        with guard("optuna"):
            params = {param_name: distribution.to_external_repr(value)}
            log_params(self._trials_runs[trial_id], "trial", params)

    def set_trial_intermediate_value(self, trial_id: int, step: int, value: float) -> None:
        """Set what a trial reports, and log it."""
        super().set_trial_intermediate_value(trial_id, step, value)
        with guard("optuna"):
            self._trials_runs[trial_id].log_metric("intermediate", value, step)

    def set_trial_state_values(self, trial_id: int, state: Any, values: Any = None) -> bool:
        """Set a trial's state; with its end, its run ends too."""
        done: bool = super().set_trial_state_values(trial_id, state, values)
        if done and state.is_finished():
            with guard("optuna"):
                self._end(trial_id)
        return done

    def _begin(self, study: int, trial: int) -> None:
        frozen = self.get_trial(trial)
        run = _start_trial(None, frozen.number, self._studies_runs[study])
        self._trials_runs[trial] = run
        log_params(run, "trial", frozen.params)
        if frozen.state.is_finished():
            self._end(trial)

    def _end(self, trial: int) -> None:
        run, frozen = self._trials_runs.pop(trial), self.get_trial(trial)
        run.log_artifact(_KEPT, _as_json(frozen), format="json")
        count = len(frozen.values or ())
        _finish(run, frozen, ["value"] if count == 1 else [f"value_{each}" for each in range(count)])

    def _load(self, name: str) -> None:
        """Bring a study in from the store, unless it is here."""
        if name in self._study_name_to_id:
            return
        found = [run for run in runs(experiment=name, limit=_ALL) if run.tags.get(_STUDY) == name]
        if not found:
            return
        self._loading = True
        try:
            self._bring_in(name, found[0])
        finally:
            self._loading = False

    def _bring_in(self, name: str, run: Run) -> None:
        from optuna.study import StudyDirection

        directions = [StudyDirection[each] for each in run.tags[_DIRECTIONS].split(",")]
        study = self.create_new_study(directions, name)
        self._studies_runs[study] = run.id
        trials = [each for each in children(run, limit=_ALL) if "trial" in each.tags]
        for trial in sorted(trials, key=lambda each: int(each.tags["trial"])):
            self.create_new_trial(study, _from_run(trial))


def _as_json(trial: Any) -> dict[str, Any]:
    from optuna.distributions import distribution_to_json

    distributions = {key: distribution_to_json(each) for key, each in trial.distributions.items()}
    return {
        "state": trial.state.name,
        "values": trial.values,
        "params": trial.params,
        "distributions": distributions,
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": trial.intermediate_values,
    }


def _from_run(run: Run) -> Any:
    from optuna.distributions import json_to_distribution
    from optuna.trial import TrialState, create_trial

    try:
        kept: Mapping[str, Any] = load_artifact(run.id, _KEPT)
    except NotFound:
        return create_trial(state=TrialState.FAIL)
    return create_trial(
        state=TrialState[kept["state"]],
        values=kept["values"],
        params=kept["params"],
        distributions={key: json_to_distribution(each) for key, each in kept["distributions"].items()},
        user_attrs=kept["user_attrs"],
        system_attrs=kept["system_attrs"],
        intermediate_values={int(step): value for step, value in kept["intermediate_values"].items()},
    )


# autologging --------------------------------------------------------------------------------------


def patch(patches: Patches, options: Options) -> None:  # noqa: ARG001
    """Make each trial of what `Study.optimize` does a run within one for the study."""
    from optuna.study import Study

    def around(optimize: Callable[..., Any], study: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        callbacks = list(kwargs.get("callbacks") or ())
        known = any(isinstance(one, ChachamlCallback) for one in callbacks)
        if known or len(args) > 4 or isinstance(study._storage, ChachamlStorage):
            return optimize(study, func, *args, **kwargs)
        recording = Recording("optuna", experiment=study.study_name, name=study.study_name)
        with guard("optuna"):
            callback = ChachamlCallback(recording.run)
            func, kwargs["callbacks"] = callback.track(func), [*callbacks, callback]
        with recording.ending():
            done = optimize(study, func, *args, **kwargs)
            with guard("optuna"):
                _log_study(recording.run, study)
        return done

    patches.wrap(Study, "optimize", around)


def _log_study(run: LiveRun, study: Any) -> None:
    run.log_metric("trials", len(study.trials))
    if len(study.directions) == 1 and study.best_trials:
        run.log_metric("best_value", study.best_value)
        log_params(run, "study", {f"best.{key}": value for key, value in study.best_params.items()})
