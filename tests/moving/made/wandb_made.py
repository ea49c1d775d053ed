"""Makes runs with W&B offline, and says how its own reader of files reads them: python wandb_made.py FOLDER."""

import os
import sys

folder = sys.argv[1]
os.environ.update(
    WANDB_MODE="offline",
    WANDB_DIR=folder,
    WANDB_SILENT="true",
    WANDB_CONSOLE="off",
    WANDB_DISABLE_GIT="true",
    WANDB_DISABLE_CODE="true",
)
import numpy as np
import wandb


def make():
    run = wandb.init(
        project="digits",
        name="first",
        group="g1",
        job_type="train",
        tags=["a", "b"],
        notes="# why\n<b>",
        config={"lr": 0.01, "deep": {"a": [1, None, "x"]}, "flag": True},
        settings=wandb.Settings(x_disable_stats=True, x_disable_machine_info=True),
    )
    for step in range(30):
        run.log({"loss": 1 / (step + 1), "train/acc": step / 30})
    run.log({"loss": float("nan"), "text": "hello", "nested": {"x": 1.5, "y": {"z": 2}}}, step=50)
    run.log(
        {
            "img": wandb.Image(np.zeros((4, 5, 3), np.uint8)),
            "hist": wandb.Histogram([1, 2, 3]),
            "table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]]),
        },
        step=51,
    )
    run.summary["best"] = 0.5
    run.config.update({"late": 3})
    run.finish()
    bad = wandb.init(
        project="digits",
        name="failed",
        settings=wandb.Settings(x_disable_stats=True, x_disable_machine_info=True),
    )
    bad.log({"loss": 2.0})
    bad.finish(exit_code=1)


if __name__ == "__main__":
    make()
