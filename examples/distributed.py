"""Training in four processes that share one run: each logs its own part, and their gradients are averaged."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import chachaml as ml
from chachaml.live import LiveRun

RANKS, EPOCHS, LR = 4, 30, 0.5
CLASSES, PIXELS = 10, 64

Floats = np.ndarray[Any, np.dtype[np.float64]]


def data() -> tuple[Floats, Floats, Floats, Floats]:
    """Return the digits, the last 400 set aside for testing, labels as one column for each class."""
    x, y = load_digits(return_X_y=True)
    x, labels = x / 16, np.eye(CLASSES)[y]
    return x[:-400], labels[:-400], x[-400:], labels[-400:]


def probabilities(weights: Floats, x: Floats) -> Floats:
    """Return what a linear model says of each class."""
    scores = np.exp(x @ weights - (x @ weights).max(axis=1, keepdims=True))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def averaged(shared: Any, rank: int, gradient: Floats, barrier: Barrier) -> Floats:
    """Return the mean of all ranks' gradients: each writes its own place, waits, and reads all."""
    places = np.frombuffer(shared.get_obj()).reshape(RANKS, PIXELS, CLASSES)
    places[rank] = gradient
    barrier.wait()
    mean = np.asarray(places.mean(axis=0))
    barrier.wait()  # nobody writes before everybody has read
    return mean


def work(run: LiveRun, rank: int, shared: Any, barrier: Barrier) -> None:
    """Be one rank: train on every fourth digit, and log to the run that the parent has started."""
    x_train, y_train, x_test, y_test = data()
    x, y = x_train[rank::RANKS], y_train[rank::RANKS]
    weights = np.zeros((PIXELS, CLASSES))
    for epoch in range(EPOCHS):
        said = probabilities(weights, x)
        run.log_metric(f"loss/rank-{rank}", -np.mean(np.log((said * y).sum(axis=1))), step=epoch)
        weights -= LR * averaged(shared, rank, x.T @ (said - y) / len(x), barrier)
        if rank == 0:
            right = probabilities(weights, x_test).argmax(axis=1) == y_test.argmax(axis=1)
            run.log_metric("accuracy", right.mean(), step=epoch)


def main() -> str:
    """Start the run and its ranks; return the run's id."""
    context = multiprocessing.get_context("spawn")
    shared, barrier = context.Array("d", RANKS * PIXELS * CLASSES), context.Barrier(RANKS)
    with ml.start_run(experiment="distributed", name="4 ranks", tags={"world": str(RANKS)}) as run:
        ml.log_params({"ranks": RANKS, "epochs": EPOCHS, "lr": LR})
        ranks = [context.Process(target=work, args=(run, rank, shared, barrier)) for rank in range(RANKS)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()
        if any(rank.exitcode for rank in ranks):
            raise RuntimeError("a rank has failed")
    return run.id


if __name__ == "__main__":
    print(ml.run(main()))
