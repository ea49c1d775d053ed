"""Keras on PyTorch: the callback, alone and by autolog."""

from __future__ import annotations

from typing import Any

from tests.integrations.heavy.without_operators import load

load()

import keras
import numpy as np
import pytest

import chachaml as ml
from chachaml.integrations.keras import ChachamlCallback
from tests.integrations.heavy import names, whole

X = np.random.default_rng(0).normal(size=(32, 3))
Y = X.sum(1)


def model() -> Any:
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    made.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return made


def fit(**more: Any) -> Any:
    made = model()
    return made, made.fit(X, Y, epochs=3, batch_size=8, verbose=0, validation_split=0.25, **more)


def test_the_callback_logs_each_epoch() -> None:
    with ml.start_run() as run:
        made, history = fit(callbacks=[ChachamlCallback(every_batch=2, log_model=True)])
    found = whole(run)
    for name in ("loss", "mae", "val_loss"):
        assert np.allclose(ml.metric(run, name).values, history.history[name])
    assert (found.params["optimizer.name"], found.params["epochs"], found.params["model.parameters"]) == (
        "adam",
        3,
        21,
    )
    assert found.metrics["learning_rate"] == pytest.approx(0.01)
    assert len(ml.metric(run, "batch/loss").values) == 4
    assert {"model", "model.txt", "model.json"} <= names(run)
    assert np.allclose(ml.load_artifact(run, "model").predict(X, verbose=0), made.predict(X, verbose=0))


def test_autolog_adds_it_and_a_failing_fit_fails_its_run() -> None:
    ml.autolog()
    _, history = fit()
    (run,) = ml.runs()
    assert run.status == "completed"
    assert np.allclose(ml.metric(run, "val_loss").values, history.history["val_loss"])
    fit(callbacks=[ChachamlCallback()])
    assert ml.count_runs() == 2
    with pytest.raises(ZeroDivisionError):
        fit(callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: 1 / 0)])
    assert ml.runs()[0].status == "failed"
    ml.autolog(disable=True)
    fit()
    assert ml.count_runs() == 3


def test_trouble_of_ours_does_not_stop_the_fit(trouble: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import chachaml.integrations.keras as ours

    monkeypatch.setattr(ours, "numbers", lambda values: 1 / 0)
    with pytest.warns(ml.ChachamlWarning, match="not all that keras does"):
        _, history = fit(callbacks=[ChachamlCallback()])
    assert len(history.history["loss"]) == 3
    trouble.add("keras")
