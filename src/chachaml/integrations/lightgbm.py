"""LightGBM: a callback that logs each boosting round, and what `chachaml.autolog` adds to it.

lightgbm.train(params, data, valid_sets=[test], callbacks=[ChachamlCallback()])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import guard, guarded
from chachaml.integrations.patching import Patches, outermost, within
from chachaml.integrations.recording import Recording, log_importances, log_params
from chachaml.lifecycle import require
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback", "log_trained", "patch"]


class ChachamlCallback:
    """Logs what LightGBM evaluates after each round, as ``<data>/<metric>``, and its params, to a run.

    LightGBM tells callbacks of no end, so a run must be open; `log_trained` logs the rest.

    Args:
        run: The run. Default: the current one.
    """

    order = 15
    """After those that print and record, before the one that stops early."""
    before_iteration = False

    def __init__(self, run: LiveRun | None = None) -> None:
        self._run = run

    @guarded("lightgbm")
    def __call__(self, env: Any) -> None:
        """Log the round's values; with the first also the params."""
        run = self._run = self._run or require("ChachamlCallback")
        if env.iteration == env.begin_iteration:
            log_params(run, "lightgbm", env.params)
        values = {}
        for data, metric, value, _, *spread in env.evaluation_result_list or ():
            values[f"{data}/{metric}"] = float(value)
            if spread:  # of cross-validation
                values[f"{data}/{metric}_std"] = float(spread[0])
        if values:
            run.log_metrics(values, env.iteration)


def log_trained(model: Any, run: LiveRun | None = None, *, importance: str = "gain") -> None:
    """Log what a trained Booster says of itself: ``best_iteration``, best scores, importances.

    Args:
        model: The Booster.
        run: The run. Default: the current one.
        importance: What importances are: "gain" or "split".

    Raises:
        NoActiveRun: No run was given, and none is open.
    """
    run = run or require("log_trained")
    if model.best_iteration > 0:
        run.log_metric("best_iteration", model.best_iteration)
    for data, metrics in model.best_score.items():
        for metric, value in metrics.items():
            run.log_metric(f"best/{data}/{metric}", value)
    values = model.feature_importance(importance_type=importance).tolist()
    log_importances(run, dict(zip(model.feature_name(), values, strict=True)))


def patch(patches: Patches, options: Options) -> None:
    """Log what `lightgbm.train` does from now on, and what its estimators do while they are fitted."""
    import lightgbm

    def around(train: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        callbacks = list(kwargs.get("callbacks") or ())
        if outermost() not in ("", "lightgbm") or any(isinstance(one, ChachamlCallback) for one in callbacks):
            return train(*args, **kwargs)
        alone = not outermost()
        recording = Recording("lightgbm", name="lightgbm")
        with guard("lightgbm"):
            kwargs["callbacks"] = [*callbacks, ChachamlCallback(recording.run)]
        with recording.ending():
            with within("lightgbm"):
                model = train(*args, **kwargs)
            with guard("lightgbm"):
                log_trained(model, recording.run)
                if alone:
                    _log_whole(recording.run, args, kwargs, model, options)
        return model

    patches.wrap(lightgbm, "train", around)
    patches.wrap(lightgbm.sklearn, "train", around)


def _log_whole(
    run: LiveRun, args: tuple[Any, ...], kwargs: Mapping[str, Any], model: Any, options: Options
) -> None:
    data = args[1] if len(args) > 1 else kwargs["train_set"]
    if options.datasets:
        about = {"rows": data.num_data(), "columns": data.num_feature(), "features": model.feature_name()}
        run.log_dataset(name="train_set", **about)
    if options.models:
        run.log_model(model, overwrite=True)
