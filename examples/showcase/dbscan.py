"""DBSCAN: counts of what was found, and the labels as an artifact.

Look for two clusters, and points that belong to none:

    run = ml.runs(experiment="14-dbscan")[0]
    run.metrics["clusters"], run.metrics["noise"]
    ml.load_artifact(run.id, "labels")
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

import chachaml as ml


def main() -> str:
    """Tell two moons apart, which no centres could; return the run's id."""
    moons, truth = make_moons(400, noise=0.05, random_state=0)
    scattered = np.random.default_rng(0).uniform((-2, -1.5), (3, 2), (20, 2))
    x = np.vstack([moons, scattered])
    with ml.start_run("14-dbscan", tags={"category": "clustering"}) as run:
        ml.log_params({"eps": 0.15, "min_samples": 5})
        labels = DBSCAN(eps=0.15, min_samples=5).fit_predict(x)
        ml.log_metrics({"clusters": labels.max() + 1, "noise": (labels == -1).sum()})
        ml.log_metric("adjusted_rand", adjusted_rand_score(truth, labels[: len(truth)]))
        ml.log_artifact("labels", labels)
    return run.id
