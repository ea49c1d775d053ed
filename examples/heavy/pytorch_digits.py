"""PyTorch on digits: a small network, its curves, and its weights as safetensors in the registry.

Needs torch and safetensors, which are large: `make examples-heavy` installs them into an environment of
their own.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import chachaml as ml


def network(width: int) -> nn.Module:
    """Return a network that has learnt nothing."""
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def data() -> tuple[TensorDataset, TensorDataset]:
    """Return digits to train and to test with."""
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, random_state=0, stratify=y)
    x_train, x_test, y_train, y_test = (torch.tensor(part) for part in parts)
    return TensorDataset(x_train.float(), y_train), TensorDataset(x_test.float(), y_test)


def accuracy(model: nn.Module, part: TensorDataset) -> float:
    """Return how many digits the model reads."""
    x, y = part.tensors
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).float().mean())


def main(epochs: int = 10, lr: float = 0.005, width: int = 64) -> str:
    """Train in one run, register the model, and return the run's id."""
    train, test = data()
    with ml.start_run(experiment="pytorch-digits", name=f"width {width}") as run:
        ml.set_seed(0)
        ml.log_params({"epochs": epochs, "lr": lr, "width": width, "optimizer": "adam"})
        model = network(width)
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        for epoch in range(epochs):
            for x, y in DataLoader(train, batch_size=64, shuffle=True):
                loss = nn.functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                ml.log_metric("loss", loss.item())
            ml.log_metrics(
                {"train/accuracy": accuracy(model, train), "test/accuracy": accuracy(model, test)}, step=epoch
            )
        ml.log_model(model, example=test.tensors[0][:2], register_as="digits-network", stage="production")
    return run.id


if __name__ == "__main__":
    print(ml.run(main()))
