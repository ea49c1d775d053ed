"""Multi-class, one against the rest: a metric for each class under a generated key, and a nested artifact.

Look for a recall below the others, which is a class that is taken for another:

    run = ml.runs(experiment="02-one-vs-rest")[0]
    {key: value for key, value in run.metrics.items() if key.startswith("recall/")}
    ml.load_artifact(run.id, "model")["classes"]
"""

from __future__ import annotations

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chachaml as ml


def main() -> str:
    """Fit one classifier for each class; return the run's id."""
    wine = load_wine()
    x_train, x_test, y_train, y_test = train_test_split(
        wine.data, wine.target, test_size=0.3, random_state=0, stratify=wine.target
    )
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(max_iter=1000)))
    with ml.start_run("02-one-vs-rest", tags={"category": "classification"}) as run:
        ml.log_params({"classes": len(wine.target_names), "estimator": "LogisticRegression"})
        guessed = model.fit(x_train, y_train).predict(x_test)
        ml.log_metric("accuracy", accuracy_score(y_test, guessed))
        for name, recall in zip(wine.target_names, recall_score(y_test, guessed, average=None), strict=True):
            ml.log_metric(f"recall/{name}", recall)
        binary = model.named_steps["onevsrestclassifier"].estimators_
        classes = {
            str(name): {"weights": one.coef_[0].tolist(), "bias": float(one.intercept_[0])}
            for name, one in zip(wine.target_names, binary, strict=True)
        }
        ml.log_artifact("model", {"kind": "one-vs-rest", "classes": classes})
    return run.id
