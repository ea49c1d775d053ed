"""Gaussian naive Bayes: params logged one by one, as they are found.

Look for the priors, which are the shares of the classes:

    run = ml.runs(experiment="06-naive-bayes")[0]
    run.params
    ml.runs("params.prior/class_0 > 0.3")
"""

from __future__ import annotations

from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB

import chachaml as ml


def main() -> str:
    """Fit class by class; return the run's id."""
    wine = load_wine()
    with ml.start_run("06-naive-bayes", tags={"category": "classification"}) as run:
        model = GaussianNB().fit(wine.data, wine.target)
        for name, prior in zip(wine.target_names, model.class_prior_, strict=True):
            ml.log_param(f"prior/{name}", float(prior))
        ml.log_param("var_smoothing", model.var_smoothing)
        ml.log_metric("accuracy", cross_val_score(GaussianNB(), wine.data, wine.target, cv=10).mean())
    return run.id
