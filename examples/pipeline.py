"""A pipeline on handwritten digits: data, features, three models side by side, the best one to production.

python examples/pipeline.py              trains, registers and promotes
python examples/pipeline.py --resume     goes on with the last one, if it failed or was killed
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import chachaml as ml
from chachaml.pipelines.steps import StepContext

MODEL = "digits-classifier"

Arrays = dict[str, np.ndarray[Any, Any]]


@ml.step(needs=[], cache=True)
def data(ctx: StepContext) -> Arrays:
    """Load the digits and set a quarter aside for testing."""
    digits = load_digits()
    parts = train_test_split(digits.data, digits.target, test_size=0.25, random_state=ctx.params["seed"])
    named = dict(zip(("x_train", "x_test", "y_train", "y_test"), parts, strict=True))
    for role in ("train", "test"):
        ml.log_dataset((named[f"x_{role}"], named[f"y_{role}"]), name="digits", role=role)
    return named


@ml.step(needs=["data"], cache=True)
def features(ctx: StepContext) -> Arrays:
    """Project the pixels onto what varies most; the projection is learnt from the training part alone."""
    arrays = ctx.results["data"]
    projection = PCA(ctx.params["components"], random_state=0).fit(arrays["x_train"])
    ml.log_metric("explained_variance", projection.explained_variance_ratio_.sum())
    return {**arrays, **{key: projection.transform(arrays[key]) for key in ("x_train", "x_test")}}


def train(ctx: StepContext, model: Any) -> float:
    """Fit a model, keep it, and return how many of the test digits it reads."""
    arrays = ctx.results["features"]
    ml.log_params({key: value for key, value in model.get_params().items() if value is not None})
    model.fit(arrays["x_train"], arrays["y_train"])
    accuracy = float(accuracy_score(arrays["y_test"], model.predict(arrays["x_test"])))
    ml.log_metric("accuracy", accuracy)
    ml.log_model(model, example=arrays["x_test"][:2])
    return accuracy


@ml.step(needs=["features"])
def logistic(ctx: StepContext) -> float:
    """Train a linear model."""
    return train(ctx, LogisticRegression(max_iter=2000))


@ml.step(needs=["features"])
def forest(ctx: StepContext) -> float:
    """Train a random forest."""
    return train(ctx, RandomForestClassifier(200, random_state=0))


@ml.step(needs=["features"])
def svm(ctx: StepContext) -> float:
    """Train a support vector machine."""
    if os.environ.get("PIPELINE_HANGS"):  # the tests kill it here
        print("hanging", flush=True)
        time.sleep(600)
    return train(ctx, SVC(gamma="scale"))


@ml.step(needs=["logistic", "forest", "svm"])
def evaluate(ctx: StepContext) -> str:
    """Choose the model that reads most digits right."""
    accuracies = {name: ctx.results[name] for name in ("logistic", "forest", "svm")}
    ml.log_metrics({f"accuracy/{name}": value for name, value in accuracies.items()})
    ml.log_table("models", [{"model": name, "accuracy": value} for name, value in accuracies.items()])
    return max(accuracies, key=lambda name: accuracies[name])


@ml.step(needs=["evaluate"])
def deploy(ctx: StepContext) -> int:
    """Register the best model, and promote it."""
    winner = ctx.prev_result
    steps = {step.name: step.run for step in ml.pipeline.get(ctx.pipeline_id).steps}
    made = ml.registry.register_model(MODEL, run=steps[winner], description=winner, stage="staging")
    why = f"accuracy {ctx.results[winner]:.3f}"
    return ml.registry.promote(MODEL, made.version, "production", comment=why).version


@ml.pipeline(name="digits", description="From pixels to a model in production")
def digits(components: int = 30, seed: int = 0) -> list[Any]:  # noqa: ARG001 - steps find them in ctx.params
    """Return the steps."""
    return [data, features, logistic, forest, svm, evaluate, deploy]


def main() -> None:
    """Run the pipeline, or go on with the last one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true", help="go on with the last one")
    done = digits.resume(ml.pipeline.list()[0].id) if parser.parse_args().resume else digits()
    print(done)
    print(ml.registry.model(MODEL))


if __name__ == "__main__":
    main()
