"""Scripts written for a SummaryWriter log to a run, with numpy's arrays and without torch."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import chachaml as ml
from chachaml.compat.tensorboard import SummaryWriter

matplotlib.use("Agg")


class Tensor:
    """What of a tensor's ways is used: it has to be taken from its graph and device first."""

    def __init__(self, values: object, *, bare: bool = False) -> None:
        self.values, self.bare = np.asarray(values), bare

    def detach(self) -> Tensor:
        return Tensor(self.values)

    def cpu(self) -> Tensor:
        return Tensor(self.values, bare=True)

    def item(self) -> float:
        return float(self.values.item())

    def __float__(self) -> float:
        return self.item()

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        assert self.bare
        return self.values


def test_the_script_of_the_documentation_runs(folder: Path) -> None:
    from matplotlib import pyplot

    rng = np.random.default_rng(0)
    with SummaryWriter("runs/baseline", comment="_lr0.1") as writer:
        for n_iter in range(20):
            writer.add_scalar("Loss/train", rng.random(), n_iter)
            writer.add_scalar("Loss/test", Tensor(0.5), global_step=n_iter, walltime=1.0)
            writer.add_scalars("run_14h", {"xsinx": n_iter * 2.0, "xcosx": 1.0}, n_iter)
        for step in range(2):
            writer.add_histogram("weights", Tensor(rng.normal(size=100)), step)
        image = np.zeros((3, 4, 5))
        image[0] = 2.0
        writer.add_image("img", Tensor(image), 0)
        writer.add_image("img_hwc", image.transpose(1, 2, 0), 0, dataformats="HWC")
        writer.add_images("batch", np.zeros((2, 3, 4, 5), np.uint8), 7)
        figure, axes = pyplot.subplots()
        axes.plot([1, 2])
        writer.add_figure("fig", figure)
        assert not pyplot.fignum_exists(figure.number)
        writer.add_text("lstm", "This is an **lstm**", 0)
        writer.add_hparams({"lr": 0.1, "bsize": np.int64(4), "name": "a"}, {"hparam/accuracy": 0.9})
        writer.add_graph("Sequential(\n  (0): Linear()\n)", None)
        writer.add_embedding(rng.normal(size=(3, 2)), metadata=["a", "b", "c"], tag="words", global_step=1)
        writer.add_pr_curve("pr", np.array([0, 1, 1]), np.array([0.1, 0.4, 0.9]), 0)
        writer.add_audio("beep", np.zeros((1, 100)), 0, 8000)
        writer.flush()
    (run,) = ml.runs()
    run = ml.run(run.id)
    assert (run.experiment, run.name, run.status) == ("runs", "baseline_lr0.1", "completed")
    assert run.params == {"lr": 0.1, "bsize": 4, "name": "a"}
    assert ml.metric(run, "run_14h/xsinx").values.tolist() == [n * 2.0 for n in range(20)]
    assert run.metrics["Loss/test"] == 0.5
    assert run.metrics["hparam/accuracy"] == 0.9
    names = {one.name for one in run.artifacts}
    assert {"images/batch/7-0.png", "images/batch/7-1.png", "figures/fig/0.png", "audio/beep/0.wav"} <= names
    pictures = [ml.artifact_path(run, f"images/{name}/0.png").read_bytes() for name in ("img", "img_hwc")]
    assert pictures[0] == pictures[1]
    assert sum(ml.load_artifact(run, "histograms/weights/1.json")["counts"]) == 100
    assert ml.load_artifact(run, "text/lstm/0.md") == "This is an **lstm**"
    assert "Linear" in ml.load_artifact(run, "graph.txt")
    table = ml.load_artifact(run, "embeddings/words/1.json")
    assert (table["headers"], [row[0] for row in table["rows"]]) == (["label", "0", "1"], ["a", "b", "c"])
    curve = ml.load_artifact(run, "pr_curves/pr/0.json")["rows"]
    assert curve[0] == [0.0, pytest.approx(2 / 3), 1.0]
    assert curve[-1][2] == 0.0
    assert "torch" not in sys.modules


def test_a_writer_may_log_to_a_run_that_is_there(folder: Path) -> None:
    with ml.start_run("e", "r") as run:
        writer = SummaryWriter(run=run)
        writer.add_scalar("x", 1.0)
        writer.close()
        ml.log_metric("y", 2.0)
    assert ml.runs()[0].metrics == {"x": 1.0, "y": 2.0}


def test_what_failed_and_what_is_not_there_says_so(folder: Path) -> None:
    with pytest.raises(AttributeError, match=r"has no add_video; log its file"):
        with SummaryWriter() as writer:
            writer.add_video("v", None)
    assert ml.runs()[0].status == "failed"
    with SummaryWriter() as writer:
        with pytest.raises(ml.errors.BadValue, match="does not have the axes"):
            writer.add_image("x", np.zeros((4, 5)))
