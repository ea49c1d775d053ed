"""A forest: the step of a metric is the number of the tree, and the model is registered.

Look for trees that began with purer samples than others:

    run = ml.runs(experiment="04-forest")[0]
    ml.metric(run.id, "gini").values
    ml.runs("tags.ensemble = 'bagging'")
"""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

import chachaml as ml


def main() -> str:
    """Fit a forest of shallow trees; return the run's id."""
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    with ml.start_run("04-forest", tags={"category": "classification", "ensemble": "bagging"}) as run:
        model = RandomForestClassifier(50, max_depth=3, oob_score=True, random_state=0)
        ml.log_params({"trees": 50, "max_depth": 3})
        model.fit(x_train, y_train)
        for number, tree in enumerate(model.estimators_):
            ml.log_metric("gini", tree.tree_.impurity[0], step=number)
        ml.log_metrics({"accuracy": model.score(x_test, y_test), "oob_accuracy": model.oob_score_})
        ml.log_model(model, example=x_test[:2], register_as="breast-cancer", description="random forest")
    return run.id
