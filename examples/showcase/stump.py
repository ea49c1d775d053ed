"""A decision stump: params that are known only after fitting are logged when they are.

Look for the question that the stump asks, and for other runs that asked the same:

    run = ml.runs(experiment="03-stump")[0]
    run.params["feature"], run.params["threshold"]
    ml.runs("params.feature like 'petal%'")
"""

from __future__ import annotations

from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

import chachaml as ml


def main() -> str:
    """Tell setosa from the others by a single question; return the run's id."""
    iris = load_iris()
    setosa = iris.target == 0
    with ml.start_run("03-stump", tags={"category": "classification"}) as run:
        ml.log_params({"max_depth": 1, "criterion": "gini"})
        tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(iris.data, setosa).tree_
        ml.log_params({"feature": iris.feature_names[tree.feature[0]], "threshold": float(tree.threshold[0])})
        ml.log_metrics({"gini_before": tree.impurity[0], "gini_after": tree.impurity[1:].max()})
        ml.log_metric("accuracy", ((iris.data[:, tree.feature[0]] <= tree.threshold[0]) == setosa).mean())
    return run.id
