"""A store as a small team's could be, the same each time: what the pictures of the tour show."""

from __future__ import annotations

import math
import random
import runpy
from contextlib import chdir, suppress
from pathlib import Path

import chachaml as ml

__all__ = ["fill"]

_NOTE = """\
The warm-up is what did it: without it `val/loss` **diverges** from step 40 on.

| lr | best val/loss |
| --- | --- |
| 0.003 | 0.31 |
| 0.001 | 0.27 |

Loss: $L = -\\\\sum_i y_i \\\\log p_i$
"""


def fill(path: Path) -> None:
    """Fill a new store at `path`."""
    ml.connect(path)
    dice = random.Random(7)
    ml.create_experiment("resnet-cifar", description="Augmentation and schedules for ResNet-18", owner="ada")
    ids = [_train(number, dice) for number in range(24)]
    _fail()
    ml.set_note(ids[-1], _NOTE)
    best = ml.runs(experiment="resnet-cifar", order_by="metrics.val/accuracy desc", limit=1)[0]
    _models(ids, best.id)
    ml.alerts.set_alert(
        "accuracy too low", metric="val/accuracy", op="<", threshold=0.6, experiment="resnet-cifar"
    )
    ml.alerts.set_alert("not a number", metric="train/loss", nan=True)
    ml.pipeline.run(
        "nightly",
        [
            ("load", lambda: [1, 2, 3]),
            ("clean", lambda ctx: ctx.prev_result),
            ("train", lambda ctx: sum(ctx.prev_result)),
        ],
    )
    ml.flush()


def _train(number: int, dice: random.Random) -> str:
    lr, optimizer = dice.choice([0.0003, 0.001, 0.003]), dice.choice(["adam", "sgd"])
    experiment = "resnet-cifar" if number % 4 else "vit-small"
    tags = {"team": dice.choice(["vision", "research"])}
    with ml.start_run(
        experiment, name=f"{optimizer} lr={lr} #{number}", tags=tags, created_by=dice.choice(["ada", "bob"])
    ) as run:
        ml.log_params(
            {
                "lr": lr,
                "optimizer": optimizer,
                "batch_size": dice.choice([64, 128]),
                "augment": {"flip": True, "crop": 4},
            }
        )
        speed = 1 + math.log10(lr / 0.0003)
        for step in range(120):
            part = (step + 1) / 120
            loss = 2.2 * math.exp(-2.5 * part * speed) + 0.12 + dice.gauss(0, 0.03)
            ml.log_metrics(
                {
                    "train/loss": loss,
                    "val/loss": loss + 0.08 * part + abs(dice.gauss(0, 0.02)),
                    "val/accuracy": 1 - 0.9 * math.exp(-2.2 * part * speed) - 0.06 + dice.gauss(0, 0.008),
                    "optimizer/lr": lr * min(1, step / 10) * (1 + math.cos(math.pi * part)) / 2,
                },
                step=step,
            )
        ml.log_table("confusion", [{"class": "cat", "correct": 91}, {"class": "dog", "correct": 88}])
        ml.log_artifact("config", {"layers": [64, 128, 256], "augment": {"flip": True}})
    return run.id


def _fail() -> None:
    """Run a script that fails, by its bare name: that is how it stands in its traceback."""
    with chdir(Path(__file__).parent), suppress(FloatingPointError):
        runpy.run_path("train.py")


def _models(ids: list[str], best: str) -> None:
    for run in (ids[1], ids[5], best):
        ml.registry.register_model("cifar-classifier", "config", run=run)
    ml.registry.promote("cifar-classifier", 2, "production", comment="first that beats the baseline")
    ml.registry.promote(
        "cifar-classifier", 3, "staging", comment="two points better; shadow traffic this week"
    )
