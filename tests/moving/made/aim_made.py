"""Makes runs with Aim: python aim_made.py FOLDER."""

import sys

import numpy as np
from aim import Distribution, Image, Run, Text

run = Run(
    repo=sys.argv[1],
    experiment="digits",
    log_system_params=False,
    capture_terminal_logs=False,
    system_tracking_interval=None,
)
run.name, run.description = "first", "why"
run["hparams"] = {"lr": 0.01, "layers": [1, 2], "deep": {"a": True, "none": None}}
run.add_tag("good")
for step in range(25):
    run.track(1 / (step + 1), name="loss", step=step, epoch=1, context={"subset": "train"})
run.track(0.5, name="loss", step=3, context={"subset": "val"})
run.track(float("nan"), name="odd", step=0)
run.track(float("inf"), name="odd", step=1)
run.track(7, name="whole")
run.track(Image(np.zeros((4, 5, 3), np.uint8), caption="black"), name="picture", step=2)
run.track(
    [Image(np.full((4, 5, 3), 200, np.uint8)), Image(np.zeros((4, 5, 3), np.uint8))], name="pictures", step=2
)
run.track(Text("hello <b>"), name="words", step=1)
run.track(Distribution([1, 2, 2, 7], bin_count=4), name="weights", step=5)
run.close()
other = Run(
    repo=sys.argv[1],
    experiment="other",
    log_system_params=False,
    capture_terminal_logs=False,
    system_tracking_interval=None,
)
other.track(1.5, name="loss", step=0)
other.archived = True
other.close()
