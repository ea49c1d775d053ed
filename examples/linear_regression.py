"""Fit a line by gradient descent, with the loss at every epoch."""

from __future__ import annotations

import numpy as np

import chachaml as ml

SLOPE, OFFSET = 3.0, -1.0


def main(epochs: int = 400, lr: float = 0.1, seed: int = 42) -> str:
    """Train in one run and return its id."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, 200)
    y = SLOPE * x + OFFSET + rng.normal(0, 0.1, 200)
    w, b = 0.0, 0.0
    with ml.start_run(experiment="linear-regression", name="baseline", tags={"model": "linear"}) as run:
        ml.log_params({"epochs": epochs, "lr": lr, "seed": seed})
        for epoch in range(epochs + 1):
            error = w * x + b - y
            ml.log_metric("loss", np.mean(error**2), step=epoch)
            w -= lr * 2 * float(np.mean(error * x))
            b -= lr * 2 * float(np.mean(error))
        ml.log_metrics({"w_abs_error": abs(w - SLOPE), "b_abs_error": abs(b - OFFSET)})
    return run.id


if __name__ == "__main__":
    print(ml.run(main()))
