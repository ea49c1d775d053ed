"""Time series: what was and what was forecast, as two series with the same steps.

Look for a forecast that keeps to the trend:

    run = ml.runs(experiment="22-time-series")[0]
    ml.metric(run.id, "actual").steps
    ml.metric(run.id, "actual").values - ml.metric(run.id, "forecast").values
"""

from __future__ import annotations

import numpy as np

import chachaml as ml

ALPHA, BETA, KNOWN, ALL = 0.2, 0.05, 80, 100


def main() -> str:
    """Smooth level and trend (Holt, 1957) and forecast the last 20 points; return the run's id."""
    rng = np.random.default_rng(0)
    series = 10 + 0.5 * np.arange(ALL) + rng.normal(0, 1, ALL)
    with ml.start_run("22-time-series", tags={"category": "time series"}) as run:
        ml.log_params({"alpha": ALPHA, "beta": BETA, "known": KNOWN})
        level, trend = series[0], series[1] - series[0]
        for value in series[1:KNOWN]:
            before = level
            level = ALPHA * value + (1 - ALPHA) * (level + trend)
            trend = BETA * (level - before) + (1 - BETA) * trend
        forecast = level + trend * np.arange(1, ALL - KNOWN + 1)
        for step, (actual, guessed) in enumerate(zip(series[KNOWN:], forecast, strict=True), KNOWN):
            ml.log_metrics({"actual": actual, "forecast": guessed}, step=step)
        ml.log_metric("mae", np.abs(series[KNOWN:] - forecast).mean())
        ml.log_metric("mae_of_last_value", np.abs(series[KNOWN:] - series[KNOWN - 1]).mean())
    return run.id
