"""Find three clusters with k-means; the inertia can only fall."""

from __future__ import annotations

import numpy as np

import chachaml as ml


def main(k: int = 3, max_iterations: int = 50, seed: int = 0) -> str:
    """Cluster in one run and return its id."""
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(centre, 0.6, (80, 2)) for centre in ((0, 0), (4, 4), (0, 5))])
    centres = points[rng.choice(len(points), k, replace=False)]
    with ml.start_run(experiment="kmeans", name=f"k={k}") as run:
        ml.log_params({"k": k, "max_iterations": max_iterations, "seed": seed})
        before = np.inf
        for iteration in range(max_iterations):
            distances = ((points[:, None] - centres) ** 2).sum(axis=2)
            nearest, inertia = distances.argmin(axis=1), float(distances.min(axis=1).sum())
            ml.log_metric("inertia", inertia, step=iteration)
            if inertia == before:
                break
            before = inertia
            centres = np.array([points[nearest == i].mean(axis=0) for i in range(k)])
        ml.log_metric("converged", iteration < max_iterations - 1)
        ml.log_metrics({f"size/{i}": np.sum(nearest == i) for i in range(k)})
    return run.id


if __name__ == "__main__":
    print(ml.run(main()))
