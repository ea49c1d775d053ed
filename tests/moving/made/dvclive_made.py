"""Makes a run with DVCLive: python dvclive_made.py FOLDER."""

import os
import sys
import time

now = time.time
time.time = lambda: now() - 86_400  # what was written just now would be taken for a run that goes on

import numpy as np
from dvclive import Live
from PIL import Image

os.chdir(sys.argv[1])
with Live("dvclive", save_dvc_exp=False, dvcyaml=None) as live:
    live.log_params({"lr": 0.01, "name": "résumé", "layers": [1, 2], "deep": {"a": True}})
    for step in range(12):
        live.log_metric("loss", 1 / (step + 1))
        live.log_metric("train/acc", step / 10, timestamp=True)
        live.next_step()
    live.log_metric("test", 0.75, plot=False)
    live.log_image("black.png", Image.fromarray(np.zeros((4, 5, 3), np.uint8)))
    live.log_sklearn_plot("confusion_matrix", [0, 1, 1], [0, 1, 0], name="cm")
    live.log_plot(
        "sizes", [{"x": 1, "y": 2}, {"x": 2, "y": 5}], x="x", y="y", template="linear", title="Sizes"
    )
