"""PyTorch: watching a model, its text, its profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import chachaml as ml
from chachaml.core.errors import BadValue, NoActiveRun
from chachaml.integrations import pytorch
from tests.integrations.heavy import names, whole


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))


def train(model: Any, steps: int) -> list[Any]:
    """Train a model; return the gradients of its first weight."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        seen.append(model[0].weight.grad.clone())
        optimizer.step()
    return seen


def test_gradients_and_weights_are_watched() -> None:
    model = net()
    with ml.start_run() as run, pytorch.watch(model, what="all", every=2):
        seen = train(model, 5)
    series = ml.metric(run, "gradients/0.weight/norm")
    assert series.steps.tolist() == [0, 2, 4]
    assert np.allclose(series.values, [float(seen[at].norm()) for at in (0, 2, 4)])
    kept = ml.load_artifact(run, "gradients/0.weight/00000002")
    assert sum(kept["counts"]) == 32
    assert kept["edges"][-1] == pytest.approx(float(seen[2].max()))
    assert {"weights/2.bias/norm", "weights/0.weight/norm"} <= set(whole(run).metrics)


def test_watching_ends_and_leaves_training_as_it_was(trouble: set[str]) -> None:
    plain, watched = net(), net()
    torch.manual_seed(1)
    expected = train(plain, 3)
    torch.manual_seed(1)
    with ml.start_run() as run:
        watching = pytorch.watch(watched, every=1)
        assert all(map(torch.equal, train(watched, 3), expected))
        watching.close()
        train(watched, 2)
    assert len(ml.metric(run, "gradients/0.weight/norm").values) == 3
    with ml.start_run():
        watching = pytorch.watch(watched, every=1)
    with pytest.warns(ml.ChachamlWarning, match="has ended"):
        train(watched, 2)
    trouble.add("pytorch")


def test_frozen_weights_and_wrong_arguments() -> None:
    model = net()
    model[0].requires_grad_(False)
    with ml.start_run() as run, pytorch.watch(model, every=1):
        model(torch.randn(2, 4)).sum().backward()
    assert set(whole(run).metrics) == {"gradients/2.weight/norm", "gradients/2.bias/norm"}
    with pytest.raises(NoActiveRun):
        pytorch.watch(model)
    with ml.start_run() as run, pytest.raises(BadValue, match="what must be"):
        pytorch.watch(model, what="both")  # type: ignore[arg-type]


def test_what_a_model_is_made_of() -> None:
    with ml.start_run() as run:
        pytorch.log_model_text(net())
    assert "ReLU()" in ml.load_artifact(run, "model.txt")
    assert "call_module[target=1]" in ml.load_artifact(run, "graph.txt")
    assert whole(run).params == {"model.parameters": 49, "model.trainable": 49}
    rows = ml.load_artifact(run, "parameters")["rows"]
    assert rows[0][:2] == ["0.weight", "8x4"]

    class Branching(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with ml.start_run() as other:
        pytorch.log_model_text(Branching())
    assert names(other) == {"model.txt"}


def test_where_the_time_went() -> None:
    with ml.start_run() as run, pytorch.profiled(trace=True, rows=5) as profiler:
        train(net(), 2)
    assert profiler.key_averages()
    assert "aten::" in ml.load_artifact(run, "profile.txt")
    assert len(ml.load_artifact(run, "profile")["rows"]) == 5
    assert names(run) == {"profile", "profile.txt", "trace.json"}
