"""statsmodels: results by hand and by autolog."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import chachaml as ml
from chachaml.integrations.statsmodels import log_results
from tests.integrations.heavy import names, whole

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RANDOM.normal(size=60), "b": RANDOM.normal(size=60)})
FRAME["y"] = 2 * FRAME.a - FRAME.b + RANDOM.normal(size=60)
FRAME["z"] = (FRAME.y > 0).astype(int)


def test_results_by_hand() -> None:
    with ml.start_run() as run:
        results = smf.ols("y ~ a + b", FRAME).fit()
        log_results(results)
    found = whole(run)
    assert found.metrics["rsquared"] == pytest.approx(results.rsquared)
    assert found.metrics["coef/a"] == pytest.approx(results.params["a"])
    rows = ml.load_artifact(run, "coefficients")
    assert rows["headers"] == ["name", "coef", "std_err", "t", "p"]
    assert [row[0] for row in rows["rows"]] == ["Intercept", "a", "b"]
    assert "R-squared" in ml.load_artifact(run, "summary.txt")


def test_autolog_of_models_of_several_kinds() -> None:
    ml.autolog()
    smf.logit("z ~ a + b", FRAME).fit(disp=0)
    sm.GLM(FRAME.y, sm.add_constant(FRAME[["a", "b"]])).fit()
    sm.tsa.ARIMA(FRAME.y.to_numpy(), order=(1, 0, 0)).fit()
    runs = [whole(run) for run in ml.runs()]
    assert [run.name for run in runs] == ["ARIMA", "GLM", "Logit"]
    assert {run.status for run in runs} == {"completed"}
    assert all("aic" in run.metrics and "summary.txt" in names(run) for run in runs)
    assert runs[2].params["formula"] == "z ~ a + b"
    assert runs[1].metrics["coef/a"] == pytest.approx(2, abs=0.5)
    ml.autolog(disable=True)
    smf.ols("y ~ a", FRAME).fit()
    assert ml.count_runs() == 3
