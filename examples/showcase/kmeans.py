"""K-means: a curve that ends by itself, and a metric for each cluster.

Look for the step at which nothing moved any more:

    run = ml.runs(experiment="13-kmeans")[0]
    run.metrics["converged_at"]
    ml.plot("inertia", run)
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import chachaml as ml

CLUSTERS = 3


def main() -> str:
    """Move centres until nothing changes; return the run's id."""
    x, species = load_iris(return_X_y=True)
    centres = x[np.random.default_rng(4).choice(len(x), CLUSTERS, replace=False)]
    with ml.start_run("13-kmeans", tags={"category": "clustering"}) as run:
        ml.log_params({"clusters": CLUSTERS, "seed": 4})
        for step in range(100):
            distances = np.linalg.norm(x[:, None] - centres, axis=2)
            nearest = distances.argmin(axis=1)
            ml.log_metric("inertia", (distances.min(axis=1) ** 2).sum(), step)
            moved = np.array([x[nearest == cluster].mean(axis=0) for cluster in range(CLUSTERS)])
            if np.allclose(moved, centres):
                break
            centres = moved
        ml.log_metric("converged_at", step)
        ml.log_metrics({f"size/{cluster}": (nearest == cluster).sum() for cluster in range(CLUSTERS)})
        ml.log_metric("adjusted_rand", adjusted_rand_score(species, nearest))
        ml.log_artifact("centres", centres)
    return run.id
