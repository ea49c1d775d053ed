"""A sweep over scikit-learn models: one parent run, and a child run for each model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier

import chachaml as ml
from chachaml.demos.confusion import log_confusion
from chachaml.demos.data import SEED, Digits

__all__ = ["run_sweep"]

EPOCHS = 40
MAX_TREES = 120


def run_sweep(data: Digits) -> int:
    """Train every model, each in a run of its own below the run of the sweep; return how many."""
    with ml.start_run(experiment="digits", name="sweep", tags={"kind": "sweep"}):
        ml.log_params({"seed": SEED, "train_images": len(data.train_y), "val_images": len(data.val_y)})
        source = "scikit-learn, load_digits"
        ml.log_dataset(data.train_x, name="digits", role="train", source=source)
        ml.log_dataset(data.val_x, name="digits", role="validation", source=source)
        ml.set_note("Which **family of models** reads handwritten digits best, at its defaults or nearly so?")
        scores = dict(train_all(data))
        ml.log_metric("best_child_accuracy", max(scores.values()))
        ml.add_tag("winner", max(scores, key=scores.__getitem__))
        return len(scores)


def train_all(data: Digits) -> Iterator[tuple[str, float]]:
    """Train the models one after the other; yield each one's name and validation accuracy."""
    for strength in (0.01, 0.1, 1.0):
        model = LogisticRegression(C=strength, max_iter=1000)
        yield train(f"logistic C={strength:g}", model, data)
    for alpha in (1e-2, 1e-4):
        model = SGDClassifier(loss="log_loss", alpha=alpha, random_state=SEED)
        yield train(f"sgd alpha={alpha:g}", model, data)
    for hidden in ((16,), (64, 32)):
        model = MLPClassifier(hidden_layer_sizes=hidden, learning_rate_init=0.003, random_state=SEED)
        yield train("mlp " + "-".join(map(str, hidden)), model, data)
    yield train("forest", RandomForestClassifier(random_state=SEED, warm_start=True), data)


def train(name: str, model: Any, data: Digits) -> tuple[str, float]:
    """Train one model in a run of its own; return its name and validation accuracy."""
    with ml.start_run(name=name, tags={"library": "scikit-learn", "model": type(model).__name__}):
        ml.log_params(model.get_params())
        if isinstance(model, RandomForestClassifier):
            for trees in range(10, MAX_TREES + 1, 10):  # the step is the number of trees
                model.set_params(n_estimators=trees).fit(data.train_x, data.train_y)
                accuracy = log_scores(model, data, step=trees)
        elif hasattr(model, "partial_fit"):
            for epoch in range(EPOCHS):
                model.partial_fit(data.train_x, data.train_y, classes=np.arange(10))
                accuracy = log_scores(model, data, step=epoch)
        else:
            model.fit(data.train_x, data.train_y)
            accuracy = log_scores(model, data, step=0)
        log_confusion(data.val_y, model.predict(data.val_x))
        ml.log_artifact("model", model)
        print(f"  {name:16} val/accuracy {accuracy:.4f}", flush=True)
        return name, accuracy


def log_scores(model: Any, data: Digits, step: int) -> float:
    """Log losses and accuracies of a fitted model; return the validation accuracy."""
    train, val = model.predict_proba(data.train_x), model.predict_proba(data.val_x)
    accuracy = float(accuracy_score(data.val_y, val.argmax(axis=1)))
    ml.log_metrics(
        {
            "train/loss": log_loss(data.train_y, train),
            "val/loss": log_loss(data.val_y, val),
            "train/accuracy": accuracy_score(data.train_y, train.argmax(axis=1)),
            "val/accuracy": accuracy,
        },
        step=step,
    )
    return accuracy
