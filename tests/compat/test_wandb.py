"""Ordinary scripts for W&B log to chachaml, with one import changed."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import chachaml as ml
import chachaml.compat.wandb as wandb
from chachaml.core.errors import BadValue, NotFound, ParamConflict
from tests.faults.processes import run as run_script

FIRST = """
import random
import chachaml.compat.wandb as wandb

run = wandb.init(
    entity="my-team", project="my-project", name="first", notes="why", tags=["baseline", "paper"],
    group="g", job_type="train",
    config={"learning_rate": 0.02, "architecture": "CNN", "dataset": "CIFAR-100", "epochs": 10},
)
epochs, offset = 10, 0.1
for epoch in range(2, epochs):
    acc = 1 - 2**-epoch - offset / epoch
    loss = 2**-epoch + offset / epoch
    run.log({"acc": acc, "loss": loss})
wandb.run.summary["best"] = 0.99
wandb.summary["why"] = "it rained"
print(wandb.config.learning_rate, wandb.config["architecture"], run.step)
"""


def the_run() -> ml.Run:
    (run,) = ml.runs()
    return ml.run(run.id)


def test_the_first_script_of_the_documentation_runs_and_ends_with_the_program(folder: Path) -> None:
    done = run_script(FIRST, cwd=folder)
    assert (done.code, done.out.strip()) == (0, "0.02 CNN 8")
    run = the_run()
    assert (run.experiment, run.name, run.status, run.note) == ("my-project", "first", "completed", "why")
    assert run.params == {
        "learning_rate": 0.02,
        "architecture": "CNN",
        "dataset": "CIFAR-100",
        "epochs": 10,
    }
    assert ml.metric(run, "loss").steps.tolist() == list(range(8))
    assert ml.metric(run, "loss").values.tolist() == [2**-epoch + 0.1 / epoch for epoch in range(2, 10)]
    assert run.metrics["best"] == 0.99
    assert run.tags["summary.why"] == "it rained"
    assert {"baseline", "paper"} <= run.tags.keys()
    assert (run.tags["wandb.group"], run.tags["wandb.entity"]) == ("g", "my-team")


def test_a_script_that_raises_has_a_failed_run(folder: Path) -> None:
    done = run_script("import chachaml.compat.wandb as wandb\nwandb.init()\n1 / 0\n", cwd=folder)
    assert done.code == 1
    run = the_run()
    assert (run.status, run.experiment) == ("failed", "uncategorized")
    assert run.error is not None and run.error.type == "ZeroDivisionError"


def test_steps_are_counted_as_wandb_counts_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with wandb.init(project="p") as run:
        wandb.log({"a": 1.0}, commit=False)
        wandb.log({"b": 2.0})
        wandb.log({"a": 3.0}, step=10)
        wandb.log({"b": 4.0}, step=10)
        wandb.log({"a": 5.0}, step=3)
        wandb.log({"a": 6.0, "nested": {"x": 1, "deep": {"y": np.float32(2.5)}}})
        run.define_metric("epoch")
        run.define_metric("val/*", step_metric="epoch", summary="max")
        for epoch in range(3):
            for _ in range(4):
                run.log({"train/loss": 0.5})
            run.log({"val/acc": epoch / 2, "epoch": epoch})
    found = the_run()
    assert ml.metric(found, "a").steps.tolist() == [0, 10, 10]
    assert ml.metric(found, "b").steps.tolist() == [0, 10]
    assert ml.metric(found, "val/acc").steps.tolist() == [0, 1, 2]
    assert ml.metric(found, "train/loss").steps[0] == 11
    assert (found.metrics["nested.x"], found.metrics["nested.deep.y"]) == (1.0, 2.5)
    assert "step 3 is before the current one, 10" in capsys.readouterr().err


def test_media_are_kept_as_what_they_are(folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    with wandb.init(project="p") as run:
        table = wandb.Table(columns=["id", "img"], data=[[1, wandb.Image(np.zeros((2, 2)))]])
        table.add_data(2, None)
        table.add_column("score", np.array([0.5, 0.25]))
        figure, _ = pyplot.subplots()
        run.log(
            {
                "one": wandb.Image(Image.new("RGB", (4, 4)), caption="black"),
                "some": [wandb.Image(np.random.default_rng(0).normal(size=(4, 4, 3))) for _ in range(2)],
                "hist": wandb.Histogram([1, 2, 2, 7], num_bins=4),
                "given": wandb.Histogram(np_histogram=np.histogram([1, 2], bins=2)),
                "array": np.arange(10.0),
                "table": table,
                "page": wandb.Html("<h1>hi</h1>"),
                "beep": wandb.Audio(np.zeros(100), sample_rate=8000),
                "figure": figure,
                "cm": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["a", "b"]),
                "roc": wandb.plot.roc_curve([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
                "loss": 1.0,
            }
        )
        pyplot.close(figure)
    found = the_run()
    names = {one.name for one in found.artifacts}
    assert {"images/one/0.png", "images/some/0-0.png", "images/some/0-1.png", "figures/figure/0.png"} <= names
    assert ml.load_artifact(found, "images/one/0.about.json") == {"caption": "black"}
    assert ml.load_artifact(found, "histograms/hist/0.json")["counts"] == [3, 0, 0, 1]
    assert sum(ml.load_artifact(found, "histograms/array/0.json")["counts"]) == 10
    kept = ml.load_artifact(found, "tables/table/0.json")
    assert kept == {
        "headers": ["id", "img", "score"],
        "rows": [[1, "tables/table/0/0", 0.5], [2, None, 0.25]],
    }
    assert "tables/table/0/0.png" in names
    confused = ml.load_artifact(found, "tables/cm/0.json")["rows"]
    assert confused == [["a", "a", 1], ["a", "b", 0], ["b", "a", 1], ["b", "b", 1]]
    assert found.metrics == {"loss": 1.0}


def test_config_is_written_once_unless_one_says_otherwise(folder: Path) -> None:
    args = argparse.Namespace(lr=0.1, layers=[1, 2], nested={"a": 1}, odd=math.inf.__class__)
    with wandb.init(project="p", config=args) as run:
        run.config.update({"late": np.int64(3)})
        wandb.config.epochs = 5
        run.config.setdefaults({"lr": 9.0, "more": "x"})
        with pytest.raises(ParamConflict, match="config 'lr' is 0.1 already"):
            run.config.lr = 0.2
        run.config.update({"lr": 0.3}, allow_val_change=True)
        assert (dict(run.config)["lr"], run.config.get("none", 7), "epochs" in run.config) == (0.3, 7, True)
        with pytest.raises(AttributeError, match="there is no 'absent'"):
            _ = run.config.absent
    params = the_run().params
    assert (params["lr"], params["late"], params["nested.a"], params["more"]) == (0.3, 3, 1, "x")


def test_files_are_kept_now_and_as_they_are_at_the_end(folder: Path) -> None:
    Path("out").mkdir()
    Path("out/model.txt").write_text("early")
    run = wandb.init(project="p")
    wandb.save("out/*.txt")
    (Path(run.dir) / "log.txt").write_text("in the run's folder")
    Path("out/model.txt").write_text("late")
    wandb.finish()
    assert wandb.run is None
    found = the_run()
    assert ml.artifact_path(found, "out/model.txt").read_text() == "late"
    assert ml.artifact_path(found, "log.txt").read_text() == "in the run's folder"
    assert not Path(run._folder or "none").exists()


def test_artifacts_have_versions_and_are_found_by_alias(folder: Path) -> None:
    Path("data").mkdir()
    for number in range(2):
        Path("data/rows.txt").write_text(f"rows {number}")
        with wandb.init(project="p", name=f"make {number}") as run:
            artifact = wandb.Artifact(
                "mnist", type="dataset", description="digits", metadata={"rows": number}
            )
            artifact.add_dir("data")
            with artifact.new_file("made.txt", mode="w") as file:
                file.write("made")
            artifact.add(wandb.Table(columns=["a"], data=[[1]]), "table")
            artifact.add_reference("s3://bucket/more")
            assert (
                run.log_artifact(artifact, aliases=["best"] if number == 0 else None).wait().version
                == f"v{number}"
            )
    with wandb.init(project="p", name="use") as run:
        latest, best = run.use_artifact("mnist:latest"), run.use_artifact("team/p/mnist:best", type="dataset")
        assert (latest.version, best.version, run.use_artifact("mnist:v0").digest) == (
            "v1",
            "v0",
            best.digest,
        )
        assert (Path(best.download()) / "rows.txt").read_text() == "rows 0"
        place = latest.get_path("made.txt").download("elsewhere")
        assert Path(place).read_text() == "made"
        with pytest.raises(NotFound, match="no run logged an artifact 'other'"):
            run.use_artifact("other")
        run.log_model("data/rows.txt", "net")
        assert Path(run.use_model("net:latest")).read_text() == "rows 1"
    (used,) = [ml.run(one.id) for one in ml.runs() if one.name == "use"]
    assert {one.name for one in used.datasets} == {"mnist", "net"}


def test_disabled_runs_keep_nothing_and_everything_else_can_be_said(folder: Path) -> None:
    run = wandb.init(project="p", mode="disabled", config={"lr": 1})
    run.log({"loss": 1.0, "img": wandb.Image(np.zeros((2, 2)))})
    run.summary["x"] = 1
    run.alert("a", "b")
    assert (run.config.lr, run.step, run.summary["loss"], run.disabled) == (1, 1, 1.0, True)
    run.finish()
    assert not Path("chachaml.db").exists()
    assert wandb.login(key="x") is True
    run = wandb.init(project="p", mode="offline", settings=wandb.Settings(silent=True))
    assert wandb.init(project="other") is run
    run.alert("Low accuracy", "look", level=wandb.AlertLevel.WARN, wait_duration=300)
    run.alert("Low accuracy", "look", level="WARN", wait_duration=300)
    run.name, run.tags = "renamed", (*run.tags, "new")
    run.mark_preempting()
    second = wandb.init(project="p", reinit="create_new")
    assert second is not run and wandb.run is second
    wandb.finish(exit_code=1)
    wandb.finish()
    by_name = {one.name: one for one in ml.runs()}
    assert by_name["renamed"].status == "completed"
    assert "new" in by_name["renamed"].tags
    assert {one.status for one in ml.runs()} == {"completed", "failed"}
    assert all(one.parent is None for one in ml.runs())


def test_runs_are_resumed_by_the_id_that_one_gave_them(folder: Path) -> None:
    with wandb.init(project="p", id="abc") as run:
        run.log({"loss": 1.0})
    with wandb.init(project="p", id="abc", resume="must") as run:
        assert (run.resumed, run.step) == (True, 1)
        run.log({"loss": 0.5})
    assert ml.metric(the_run(), "loss").steps.tolist() == [0, 1]
    with pytest.raises(BadValue, match="there is no run with the id 'xyz'"):
        wandb.init(project="p", id="xyz", resume="must")
    with pytest.raises(BadValue, match="there is a run with the id 'abc' already"):
        wandb.init(project="p", id="abc", resume="never")


SPACES = {
    "method": "bayes",
    "metric": {"name": "score", "goal": "maximize"},
    "parameters": {
        "x": {"min": -2.0, "max": 2.0},
        "n": {"values": [1, 2]},
        "fixed": {"value": 7},
        "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
        "q": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.5},
    },
}


def test_a_sweep_tries_a_function_that_calls_init(folder: Path) -> None:
    def train() -> None:
        with wandb.init(config={"x": 100.0, "epochs": 3}) as run:
            assert run.config.fixed == 7
            for _ in range(run.config.epochs):
                run.log({"score": -((wandb.config.x - 1) ** 2)})

    found = wandb.agent(wandb.sweep(SPACES, project="swept"), function=train, count=8)
    assert (len(found.trials), found.failed, found.metric, found.direction) == (8, 0, "score", "max")
    assert found.best is not None and found.best.metrics["score"] <= 0
    assert all(run.experiment == "swept" and run.params["epochs"] == 3 for run in found.trials)
    assert all(-2 <= run.params["x"] <= 2 and run.params["q"] in (0, 0.5, 1) for run in found.trials)
    grid = {"method": "grid", "parameters": {"a": {"values": [1, 2]}, "b": {"values": ["x", "y"]}}}
    found = wandb.agent(wandb.sweep(grid), lambda: wandb.init().log({"objective": 1}))
    assert len(found.trials) == 4
    with pytest.raises(BadValue, match="there is no sweep 'nope'"):
        wandb.agent("nope", train)


class Parameter:
    """What of a parameter of PyTorch's is used to watch it."""

    requires_grad = True

    def __init__(self) -> None:
        self.hooks: list[object] = []

    def register_hook(self, hook: object) -> Parameter:
        self.hooks.append(hook)
        return self

    def remove(self) -> None:
        self.hooks.clear()

    def detach(self) -> Parameter:
        return self

    def cpu(self) -> Parameter:
        return self

    def numpy(self) -> np.ndarray:
        return np.arange(4.0)


def test_watching_keeps_gradients_and_parameters(folder: Path) -> None:
    class Model:
        weight = Parameter()

        def named_parameters(self) -> list[tuple[str, Parameter]]:
            return [("weight", self.weight)]

    model = Model()
    with wandb.init(project="p") as run:
        run.watch(model, log="all", log_freq=2)
        for _ in range(4):
            for hook in model.weight.hooks:
                hook(model.weight)  # type: ignore[operator]
            run.log({"loss": 1.0})
    assert not model.weight.hooks
    names = sorted(one.name for one in the_run().artifacts)
    assert names == [
        f"histograms/{kind}/weight/{step}.json" for kind in ("gradients", "parameters") for step in (1, 3)
    ]


def test_what_is_not_there_says_what_to_type(folder: Path) -> None:
    with pytest.raises(AttributeError, match=r"has no 'Api'. Instead: chachaml.runs"):
        wandb.Api()
    with pytest.raises(AttributeError, match="docs/guide/wandb.md"):
        wandb.nothing_such()
    with pytest.raises(BadValue, match="wandb.log needs a run"):
        wandb.log({"a": 1})
    with wandb.init(project="p") as run:
        with pytest.raises(AttributeError, match="run.live is chachaml's own"):
            run.link_artifact()
        with pytest.raises(BadValue, match="takes a dict"):
            run.log(3)  # type: ignore[arg-type]
    assert "torch" not in sys.modules
