"""Makes runs with Trackio, and says how Trackio itself reads them: python trackio_made.py FOLDER."""

import json
import os
import sys

folder = sys.argv[1]
os.environ["TRACKIO_DIR"] = folder
import numpy as np
import trackio
from trackio.sqlite_storage import SQLiteStorage


def make():
    trackio.init(
        project="digits",
        name="first",
        group="g1",
        config={"lr": 0.01, "deep": {"a": [1, None, "x"]}, "flag": True},
    )
    for step in range(25):
        trackio.log({"loss": 1 / (step + 1), "train": {"acc": step / 10}})
    trackio.log({"odd": float("nan"), "big": float("inf"), "small": float("-inf")}, step=40)
    trackio.log({"img": trackio.Image(np.zeros((4, 5, 3), np.uint8), caption="black")}, step=41)
    trackio.log({"table": trackio.Table(columns=["a", "b"], data=[[1, "x"], [2, "<b>"]])}, step=42)
    trackio.log({"hist": trackio.Histogram([1, 2, 2.5, 7], num_bins=4)}, step=43)
    trackio.log({"words": "hello"}, step=44)
    trackio.alert("loss is high", text="look", level=trackio.AlertLevel.WARN)
    trackio.finish()
    trackio.init(project="digits", name="second", config={"lr": 0.1})
    trackio.log({"loss": 0.5}, step=7)
    trackio.finish()


def read():
    runs = {}
    for name in ("first", "second"):
        runs[name] = {
            "logs": SQLiteStorage.get_logs("digits", name),
            "config": SQLiteStorage.get_run_config("digits", name),
        }
    return runs


make()
with open(os.path.join(folder, "expected.json"), "w") as file:
    json.dump(read(), file, indent=1, sort_keys=True, default=str)
