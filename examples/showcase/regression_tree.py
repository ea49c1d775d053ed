"""A regression tree: what the model looks like as metrics, and the tree itself as a nested artifact.

Look for the first question, which matters most:

    run = ml.runs(experiment="12-regression-tree")[0]
    run.metrics["leaves"], run.metrics["depth"]
    ml.load_artifact(run.id, "tree")["feature"]
"""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeRegressor

import chachaml as ml


def nested(tree: Any, names: list[str], node: int = 0) -> dict[str, Any]:
    """Return a tree as dicts within dicts."""
    if tree.children_left[node] < 0:
        return {"value": float(tree.value[node][0][0]), "samples": int(tree.n_node_samples[node])}
    return {
        "feature": names[tree.feature[node]],
        "threshold": float(tree.threshold[node]),
        "low": nested(tree, names, tree.children_left[node]),
        "high": nested(tree, names, tree.children_right[node]),
    }


def main() -> str:
    """Fit a small tree; return the run's id."""
    data = load_diabetes()
    with ml.start_run("12-regression-tree", tags={"category": "regression"}) as run:
        ml.log_params({"max_depth": 3, "min_samples_leaf": 10})
        model = DecisionTreeRegressor(max_depth=3, min_samples_leaf=10, random_state=0)
        model.fit(data.data, data.target)
        ml.log_metrics({"leaves": model.get_n_leaves(), "depth": model.get_depth()})
        ml.log_metric("cv_r2", cross_val_score(model, data.data, data.target, cv=10).mean())
        ml.log_artifact("tree", nested(model.tree_, data.feature_names))
    return run.id
