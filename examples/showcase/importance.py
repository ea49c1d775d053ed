"""Permutation importance: a metric for each feature, and the ranking as a table.

Look for body mass and triglycerides (s5), as Efron et al. (2004) found:

    run = ml.runs(experiment="21-importance")[0]
    max((v, k) for k, v in run.metrics.items() if k.startswith("importance/"))
    ml.load_artifact(run.id, "ranking")
"""

from __future__ import annotations

from sklearn.datasets import load_diabetes
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

import chachaml as ml


def main() -> str:
    """Shuffle one feature after the other, and see what it costs; return the run's id."""
    data = load_diabetes()
    x_train, x_test, y_train, y_test = train_test_split(data.data, data.target, random_state=0)
    with ml.start_run("21-importance", tags={"category": "explanation"}) as run:
        ml.log_params({"repeats": 30, "alpha": 0.01})
        model = Ridge(0.01).fit(x_train, y_train)
        found = permutation_importance(model, x_test, y_test, n_repeats=30, random_state=0)
        means = dict(zip(data.feature_names, found.importances_mean.tolist(), strict=True))
        ml.log_metrics({f"importance/{name}": value for name, value in means.items()})
        ranked = sorted(means.items(), key=lambda item: -item[1])
        ml.log_table("ranking", [{"feature": name, "r2 lost": value} for name, value in ranked])
    return run.id
