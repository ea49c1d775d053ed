"""A small neural net in numpy alone: one hidden layer, softmax, mini-batches with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import chachaml as ml
from chachaml.demos.confusion import log_confusion
from chachaml.demos.data import SEED, Digits, Floats, Labels

__all__ = ["Settings", "train_net"]


@dataclass(frozen=True)
class Settings:
    """What the net is trained with; logged as the run's params."""

    hidden: int = 48
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch_size: int = 32
    epochs: int = 40
    seed: int = SEED


class Net:
    """Weights, their gradients by backpropagation, and the steps down."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        self.settings = settings
        self.weights = [
            rng.normal(0, np.sqrt(2 / 64), (64, settings.hidden)),
            np.zeros(settings.hidden),
            rng.normal(0, np.sqrt(1 / settings.hidden), (settings.hidden, 10)),
            np.zeros(10),
        ]
        self.velocity = [np.zeros_like(w) for w in self.weights]

    def forward(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the hidden layer and the probability of each digit."""
        w1, b1, w2, b2 = self.weights
        hidden = np.maximum(x @ w1 + b1, 0)
        scores = hidden @ w2 + b2
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, powers / powers.sum(axis=1, keepdims=True)

    def descend(self, x: Floats, y: Labels) -> float:
        """Take one step down the gradient of a batch; return the gradient's norm."""
        hidden, error = self.forward(x)
        error[np.arange(len(y)), y] -= 1
        error /= len(y)
        back = (error @ self.weights[2].T) * (hidden > 0)
        gradients = [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
        for weight, velocity, gradient in zip(self.weights, self.velocity, gradients, strict=True):
            velocity *= self.settings.momentum
            velocity -= self.settings.learning_rate * (gradient + self.settings.weight_decay * weight)
            weight += velocity
        return float(np.sqrt(sum(float((g**2).sum()) for g in gradients)))

    def score(self, x: Floats, y: Labels) -> tuple[float, float]:
        """Return the mean cross-entropy and the accuracy."""
        _, probabilities = self.forward(x)
        right = probabilities[np.arange(len(y)), y]
        return float(-np.log(right + 1e-12).mean()), float((probabilities.argmax(axis=1) == y).mean())


def train_net(data: Digits, settings: Settings) -> None:
    """Train the net in a run of its own, with losses by epoch and the gradient's norm by batch."""
    rng = np.random.default_rng(settings.seed)
    net = Net(settings, rng)
    with ml.start_run(experiment="digits", name="numpy net", tags={"library": "numpy"}):
        ml.log_params(settings)
        ml.log_param("weights", sum(w.size for w in net.weights))
        ml.set_note("One hidden layer, in numpy alone: how far do 30 lines get?")
        for epoch in range(settings.epochs):
            order = rng.permutation(len(data.train_y))
            for start in range(0, len(order), settings.batch_size):
                batch = order[start : start + settings.batch_size]
                ml.log_metric("gradient_norm", net.descend(data.train_x[batch], data.train_y[batch]))
            train_loss, train_accuracy = net.score(data.train_x, data.train_y)
            val_loss, val_accuracy = net.score(data.val_x, data.val_y)
            ml.log_metrics({"train/loss": train_loss, "val/loss": val_loss}, step=epoch)
            ml.log_metrics({"train/accuracy": train_accuracy, "val/accuracy": val_accuracy}, step=epoch)
        log_confusion(data.val_y, net.forward(data.val_x)[1].argmax(axis=1))
        ml.log_artifact("weights", dict(zip(("w1", "b1", "w2", "b2"), net.weights, strict=True)))
        print(f"  {'numpy net':16} val/accuracy {val_accuracy:.4f}", flush=True)
