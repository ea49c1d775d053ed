"""Cross-validation: a parent run, a child for each fold, and an experiment that says what it is about.

Look for folds that differ from the mean by more than you would think:

    parent = ml.runs(experiment="17-cross-validation", name="5 folds")[0]
    ml.children(parent)
    ml.experiment("17-cross-validation").description
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chachaml as ml

EXPERIMENT = "17-cross-validation"


def main() -> str:
    """Train five times, each time without another fifth; return the parent's id."""
    x, y = load_breast_cancer(return_X_y=True)
    ml.create_experiment(EXPERIMENT, "How far does one split mislead?", owner="showcase")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = []
    with ml.start_run(EXPERIMENT, "5 folds", tags={"category": "validation"}) as parent:
        ml.log_params({"folds": 5, "model": "LogisticRegression"})
        for number, (train, test) in enumerate(folds.split(x, y), 1):
            with ml.start_run(name=f"fold {number}", tags={"category": "validation"}):
                ml.log_params({"fold": number})
                model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[train], y[train])
                scores.append(model.score(x[test], y[test]))
                ml.log_metric("accuracy", scores[-1])
        ml.log_metrics({"mean_accuracy": np.mean(scores), "std_accuracy": np.std(scores)})
    return parent.id
