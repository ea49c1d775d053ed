"""statsmodels: what a fitted model found, by hand or by `chachaml.autolog`.

results = smf.ols("lottery ~ literacy", data).fit()
statsmodels.log_results(results)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import guard
from chachaml.integrations.patching import Patches, arguments, outermost, within
from chachaml.integrations.recording import Recording, log_params, numbers
from chachaml.lifecycle import require
from chachaml.live import LiveRun

__all__ = ["log_results", "patch"]

_NUMBERS = (
    "aic aicc bic deviance df_model df_resid ess f_pvalue fvalue hqic llf llnull llr llr_pvalue mse mse_model"
    " mse_resid nobs null_deviance pearson_chi2 prsquared rsquared rsquared_adj scale sse ssr"
).split()
"""Attributes of results that are worth comparing, as far as a model has them."""

_COLUMNS = {"coef": "params", "std_err": "bse", "t": "tvalues", "p": "pvalues"}


def log_results(results: Any, run: LiveRun | None = None) -> None:
    """Log what a fitted model found.

    Its measures (``aic``, ``rsquared``, ``llf`` and so on) as metrics, its coefficients with errors and
    p-values as the table ``coefficients``, each one also as the metric ``coef/<name>``, its summary as
    the text ``summary.txt``.

    Args:
        results: What ``fit`` gave.
        run: The run. Default: the current one.

    Raises:
        NoActiveRun: No run was given, and none is open.
    """
    run = run or require("log_results")
    with within("statsmodels"):  # some measures take the fit of a smaller model
        _log_results(results, run)


def _log_results(results: Any, run: LiveRun) -> None:
    found = numbers({name: _of(results, name) for name in _NUMBERS})
    names, columns = _coefficients(results)
    found |= {f"coef/{name}": value for name, value in zip(names, columns.get("coef", ()), strict=False)}
    run.log_metrics(found)
    if names:
        rows = [[name, *(values[at] for values in columns.values())] for at, name in enumerate(names)]
        run.log_table("coefficients", rows, headers=["name", *columns], overwrite=True)
    with guard("statsmodels"):
        if hasattr(results, "summary"):
            run.log_text("summary.txt", f"{results.summary()}\n", overwrite=True)


def _of(results: Any, name: str) -> Any:
    """Return a measure, None if the model has none, or it cannot be worked out."""
    try:
        return getattr(results, name)
    except Exception:
        return None


def _coefficients(results: Any) -> tuple[list[str], dict[str, list[float]]]:
    import numpy as np

    columns = {title: _of(results, name) for title, name in _COLUMNS.items()}
    arrays = {title: np.asarray(values, float) for title, values in columns.items() if values is not None}
    flat = {title: values.tolist() for title, values in arrays.items() if values.ndim == 1}
    given = _of(results, "params")
    names = getattr(given, "index", None)
    names = (
        list(map(str, names)) if names is not None else list(map(str, _of(results.model, "exog_names") or ()))
    )
    whole = {title: values for title, values in flat.items() if len(values) == len(names)}
    return (names, whole) if "coef" in whole else ([], {})


def patch(patches: Patches, options: Options) -> None:
    """Log each model that is fitted."""
    from statsmodels.base.model import Model

    def around(fit: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        if outermost():
            return fit(model, *args, **kwargs)
        kind = type(model).__name__
        recording = Recording("statsmodels", name=kind)
        with guard("statsmodels"):
            recording.run.add_tag("estimator", kind)
            given = arguments(fit, (model, *args), kwargs)
            given = {key: value for key, value in given.items() if key != "self"}
            formula = getattr(model, "formula", None)
            log_params(
                recording.run, kind, given | ({"formula": formula} if isinstance(formula, str) else {})
            )
        with recording.ending():
            with within("statsmodels"):
                results = fit(model, *args, **kwargs)
            with guard("statsmodels"):
                log_results(results, recording.run)
                if options.datasets and getattr(model, "endog", None) is not None:
                    exog = getattr(model, "exog", None)
                    recording.run.log_dataset(model.endog if exog is None else (exog, model.endog))
        return results

    patches.wrap_subclasses(Model, ("fit", "fit_regularized"), around)
