"""A training that fails, as the tour shows it."""

import math

import chachaml as ml

with ml.start_run("resnet-cifar", name="bf16 attempt", created_by="bob"):
    ml.log_params({"lr": 0.01, "precision": "bf16"})
    for step in range(30):
        ml.log_metric("train/loss", 2.2 - step * 0.05, step)
    ml.log_metric("train/loss", math.nan, 30)
    raise FloatingPointError("the loss is not a number at step 30")
