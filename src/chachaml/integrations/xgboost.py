"""XGBoost: a callback that logs each boosting round, and what `chachaml.autolog` adds to it.

xgboost.train(params, data, evals=[(data, "train")], callbacks=[ChachamlCallback()])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import base_of, guard, guarded
from chachaml.integrations.patching import Patches, outermost, within
from chachaml.integrations.recording import Recording, log_importances, log_params
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback", "patch"]


class ChachamlCallback(base_of("xgboost.callback", "TrainingCallback")):  # type: ignore[misc]
    """Logs what XGBoost evaluates after each round, as ``<data>/<metric>``, to one run.

    At the end also the model's whole configuration as ``xgboost_config.json``, ``best_iteration`` and
    ``best_score`` if it stopped early, and the gains as the table ``feature_importances``.

    Args:
        run: The run. Default: the current one; without one, one of its own that ends with the training.
        log_model: Keep the model at the end.
        importance: What importances are: "gain", "weight", "cover", "total_gain" or "total_cover".
    """

    def __init__(
        self, run: LiveRun | None = None, *, log_model: bool = False, importance: str = "gain"
    ) -> None:
        super().__init__()
        self._recording = Recording("xgboost", run, name="xgboost")
        self._log_model, self._importance = log_model, importance

    def before_training(self, model: Any) -> Any:
        """Find the run, or start one."""
        with guard("xgboost"):
            _ = self._recording.run
        return model

    @guarded("xgboost", instead=False)
    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        """Log the round's values; never asks to stop."""
        values: dict[str, float] = {}
        for data, metrics in evals_log.items():
            for metric, history in metrics.items():
                values |= _values(f"{data}/{metric}", history[-1])
        if values:
            self._recording.run.log_metrics(values, epoch)
        return False

    def after_training(self, model: Any) -> Any:
        """Log what the trained model says of itself, and end a run of one's own."""
        with guard("xgboost"):
            run = self._recording.run
            if hasattr(model, "save_config"):  # what cross-validation gives has none
                _log_trained(run, model, self._importance)
                if self._log_model:
                    run.log_model(model, overwrite=True)
        with guard("xgboost"):
            self._recording.end()
        return model


def _values(name: str, value: Any) -> dict[str, float]:
    """Return a round's value; of cross-validation mean and deviation."""
    if isinstance(value, tuple):
        return {name: float(value[0]), f"{name}_std": float(value[1])}
    return {name: float(value)}


def _log_trained(run: LiveRun, model: Any, importance: str) -> None:
    run.log_artifact("xgboost_config.json", model.save_config().encode(), overwrite=True)
    for name in ("best_iteration", "best_score"):
        if (found := model.attr(name)) is not None:
            run.log_metric(name, float(found))
    found = model.get_score(importance_type=importance) if model.attr("booster") != "gblinear" else {}
    flat = {key: value for key, value in found.items() if not isinstance(value, list)}
    log_importances(run, flat)


def patch(patches: Patches, options: Options) -> None:
    """Log what `xgboost.train` does from now on, and what its estimators do while they are fitted."""
    import xgboost

    def around(train: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        callbacks = list(kwargs.get("callbacks") or ())
        if outermost() not in ("", "xgboost") or any(isinstance(one, ChachamlCallback) for one in callbacks):
            return train(*args, **kwargs)
        recording = Recording("xgboost", name="xgboost")
        with guard("xgboost"):
            callback = ChachamlCallback(recording.run, log_model=options.models and not outermost())
            kwargs["callbacks"] = [*callbacks, callback]
            if not outermost():
                _log_given(recording.run, args, kwargs, datasets=options.datasets)
        with recording.ending(), within("xgboost"):
            return train(*args, **kwargs)

    patches.wrap(xgboost, "train", around)
    patches.wrap(xgboost.sklearn, "train", around)


def _log_given(run: LiveRun, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, datasets: bool) -> None:
    """Log what a training was asked for."""
    params = dict(args[0] if args else kwargs["params"])
    params["num_boost_round"] = args[2] if len(args) > 2 else kwargs.get("num_boost_round", 10)
    log_params(run, "xgboost", params)
    data = args[1] if len(args) > 1 else kwargs.get("dtrain")
    if datasets and data is not None:
        run.log_dataset(
            name="dtrain", rows=data.num_row(), columns=data.num_col(), features=data.feature_names or ()
        )
