"""What was promised to users, promise by promise, in the numbers of the acceptance list: rows 1 to 71.

Each test does what a new user would, in an empty folder. Rows 39 to 48 are in tests/api/test_registry.py,
52 to 56 in tests/api/test_pipelines.py and 57 to 64 in tests/api/test_alerts.py.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chachaml as ml
from chachaml.core.errors import ArtifactExists, BadValue, ParamConflict

pytestmark = pytest.mark.usefixtures("folder")


def logged(experiment: str = "iris", **metrics: float) -> ml.Run:
    with ml.start_run(experiment) as run:
        ml.log_metrics(metrics)
    return ml.run(run.id)


# runs, params, metrics ------------------------------------------------------------------------------


def test_row_1_the_first_call_sets_everything_up(folder: Path) -> None:
    """Row 1: zero set-up: a store and a folder of artifacts beside the script."""
    script = (
        "import chachaml as ml\nwith ml.start_run():\n    ml.log_param('a', 1); ml.log_artifact('b', 2)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    assert {path.name for path in folder.iterdir()} == {"chachaml.db", "chachaml-artifacts"}


def test_row_2_the_body_gives_its_value() -> None:
    """Row 2: what runs inside a run gives its value to the outside."""

    @ml.tracked
    def body() -> int:
        return 42

    assert body() == 42
    with ml.start_run():
        value = 7
    assert value == 7


def test_row_3_an_exception_fails_the_run_and_goes_on() -> None:
    """Row 3: failed, with the message, and raised on."""
    with pytest.raises(ValueError, match="too dry"), ml.start_run():
        raise ValueError("too dry")
    run = ml.last_run()
    assert run is not None
    assert run.error is not None
    assert (run.status, run.error.type, run.error.message) == ("failed", "ValueError", "too dry")
    assert "test_promises" in run.error.traceback


def test_row_4_those_who_listen_hear_of_ended_runs() -> None:
    """Row 4: an ended run is told to listeners."""
    heard: list[str] = []
    stop = ml.on_run_end(lambda run: heard.append(f"{run.name} {run.status}"))
    with ml.start_run(name="a"):
        pass
    stop()
    with ml.start_run(name="b"):
        pass
    assert heard == ["a completed"]


def test_row_5_starting_anew_leaks_no_open_runs() -> None:
    """Row 5: the same line that starts a run again ends the one that it started before."""
    for _ in range(3):
        ml.start_run()
    ml.end_run()
    assert [run.status for run in ml.runs()] == ["completed", "interrupted", "interrupted"]


def test_row_6_params_are_written_once() -> None:
    """Row 6: a second value is a clear error of its own type, and the first one stays."""
    with ml.start_run() as run:
        ml.log_param("lr", 0.1)
        ml.log_param("lr", 0.1)
        with pytest.raises(ParamConflict, match="'lr'"):
            ml.log_param("lr", 0.2)
    assert ml.run(run.id).params == {"lr": 0.1}


def test_row_7_metrics_are_series_by_step() -> None:
    """Row 7: whole-number steps, in order whatever the order of logging."""
    with ml.start_run() as run:
        for step in (2, 0, 1):
            ml.log_metric("loss", step / 10, step)
    series = ml.metric(run, "loss")
    assert (series.steps.tolist(), series.values.tolist()) == ([0, 1, 2], [0.0, 0.1, 0.2])


def test_row_8_a_metric_is_a_number() -> None:
    """Row 8: anything else is an error that names key and type, and nothing is logged."""
    with ml.start_run() as run:
        with pytest.raises(BadValue, match="'loss'.*str"):
            ml.log_metrics({"acc": 1.0, "loss": "0.5"})
    assert ml.run(run.id).metrics == {}


# artifacts ------------------------------------------------------------------------------------------


def test_row_9_10_11_15_values_and_files_come_back() -> None:
    """Rows 9, 10, 11 and 15: any value, plain ones as JSON that people can read, files, all equal."""
    value = {"layers": (64, 10), "names": {"a", "b"}, "weights": np.eye(3), "when": None}
    Path("data.csv").write_text("a,b\n1,2\n")
    with ml.start_run() as run:
        ml.log_artifact("value", {key: value[key] for key in ("layers", "names", "when")})
        ml.log_artifact("weights", value["weights"])
        ml.log_file("data.csv")
    assert ml.load_artifact(run, "value") == {"layers": (64, 10), "names": {"a", "b"}, "when": None}
    assert np.array_equal(ml.load_artifact(run, "weights"), np.eye(3))
    assert ml.load_artifact(run, "data.csv") == b"a,b\n1,2\n"
    assert "64" in ml.artifact_path(run, "value").read_text()


def test_row_12_13_14_artifacts_know_what_they_are() -> None:
    """Rows 12, 13 and 14: Markdown, tables and images are kept as such, also when logged as files."""
    with ml.start_run() as run:
        ml.log_text("notes.md", "# Why")
        ml.log_table("table", [{"a": 1, "b": 2}])
        ml.log_image("image.png", np.zeros((4, 4, 3), np.uint8))
        ml.log_file(ml.artifact_path(run, "image.png"), "copy")
    kinds = {one.name: one.content_type for one in ml.list_artifacts(run)}
    assert (kinds["notes.md"], kinds["image.png"], kinds["copy"]) == (
        "text/markdown",
        "image/png",
        "image/png",
    )
    assert kinds["table"] == "application/vnd.chachaml.table+json"


def test_row_16_17_bytes_are_checked_and_the_first_stay() -> None:
    """Rows 16 and 17: hash and size are kept; a second artifact of a name is refused."""
    with ml.start_run() as run:
        kept = ml.log_text("a.txt", "first")
        with pytest.raises(ArtifactExists):
            ml.log_text("a.txt", "second")
    assert kept is not None
    assert (kept.size, len(kept.digest)) == (5, 64)
    assert ml.load_artifact(run, "a.txt") == "first"


def test_row_18_artifacts_are_files_for_plain_tools(folder: Path) -> None:
    """Row 18: below the run's id, under their names."""
    with ml.start_run() as run:
        ml.log_text("notes/a.txt", "hello")
    path = ml.artifact_path(run, "notes/a.txt")
    assert path == folder / "chachaml-artifacts" / run.id / "notes" / "a.txt"
    assert subprocess.run(["cat", str(path)], capture_output=True, check=True).stdout == b"hello"


def test_row_19_never_a_name_without_bytes() -> None:
    """Row 19: however a process dies while it logs, what is listed can be loaded."""
    script = (
        "import chachaml as ml\nwith ml.start_run():\n"
        "    for number in range(10**6):\n"
        "        ml.log_text(f'{number}.txt', str(number) * 100)\n"
        "        if number == 50: print('on', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    run = ml.last_run()
    assert run is not None
    names = [one.name for one in ml.list_artifacts(run)]
    assert len(names) > 50
    assert all(ml.load_artifact(run, name) == name.removesuffix(".txt") * 100 for name in names)


def test_row_20_data_sets_are_described() -> None:
    """Row 20: rows, columns, hash and source, with the run."""
    with ml.start_run() as run:
        ml.log_dataset(np.arange(12).reshape(4, 3), name="iris", role="train", source="here")
    (data,) = ml.run(run.id).datasets
    assert (data.name, data.role, data.rows, data.columns, data.source) == ("iris", "train", 4, 3, "here")
    assert len(data.digest) == 64


# finding --------------------------------------------------------------------------------------------


def test_row_21_22_23_24_runs_are_listed_filtered_and_shown_whole() -> None:
    """Rows 21 to 24: by experiment, status, user, name and parent; in full; the last one always."""
    assert ml.last_run() is None
    with ml.start_run("iris", name="parent", created_by="ada") as parent, ml.start_run(name="child"):
        ml.log_params({"lr": 0.1})
    with pytest.raises(RuntimeError), ml.start_run("wine"):
        raise RuntimeError
    assert [run.name for run in ml.runs(experiment="iris")] == ["child", "parent"]
    assert [run.experiment for run in ml.runs(status="failed")] == ["wine"]
    assert ml.runs(status="archived") == ml.runs(name="nobody")
    assert [run.name for run in ml.runs(created_by="ada")] == ["parent"]
    assert [run.name for run in ml.children(parent)] == ["child"]
    assert ml.run(ml.runs(name="child")[0].id).params == {"lr": 0.1}
    assert ml.last_run() == ml.runs()[0]


def test_row_25_26_search_by_tag_and_by_metric() -> None:
    """Rows 25 and 26: by tag; by the last value of a metric, or by any."""
    with ml.start_run(tags={"team": "vision"}) as run:
        for value in (0.9, 0.1):
            ml.log_metric("acc", value)
    logged(acc=0.5)
    assert [found.id for found in ml.runs("tags.team = 'vision'")] == [run.id]
    by_metric = {"metric_key": "acc", "op": ">", "metric_value": 0.8}
    assert len(ml.search_runs(**by_metric)) == 0  # type: ignore[arg-type]
    assert [found.id for found in ml.search_runs(**by_metric, any=True)] == [run.id]  # type: ignore[arg-type]


def test_row_27_28_29_the_best_run_is_the_best() -> None:
    """Rows 27 to 29: highest and lowest over all steps, with value and step; others are left out."""
    with ml.start_run(name="up") as up:
        for step, value in enumerate((0.2, 0.9, 0.5)):
            ml.log_metric("acc", value, step)
    logged(acc=0.7)
    logged(loss=0.1)
    logged(acc=float("nan"))
    best, worst = ml.best_run(metric="acc"), ml.best_run(metric="acc", direction="min")
    assert best is not None
    assert worst is not None
    assert (best.id, best.metric_value, best.metric_step) == (up.id, 0.9, 1)
    assert (worst.id, worst.metric_value, worst.metric_step) == (up.id, 0.2, 0)


def test_row_30_all_runs_are_exported() -> None:
    """Row 30: as flat maps, without a limit."""
    for number in range(120):
        logged(acc=float(number))
    rows = ml.export_runs(experiment="iris")
    assert [row["acc"] for row in rows] == [float(number) for number in reversed(range(120))]


def test_row_31_32_33_tags_and_notes_after_the_end() -> None:
    """Rows 31 to 33: set on ended runs, and found in the run."""
    run = logged()
    ml.add_tag(run, "verdict", "good")
    ml.set_note(run, "## Why\n$x^2$")
    found = ml.run(run.id)
    assert found.tags == {"verdict": "good", "note": "## Why\n$x^2$"}
    assert found.note == "## Why\n$x^2$"


def test_row_34_nested_runs_know_their_parent() -> None:
    """Row 34: and inherit its experiment."""
    with ml.start_run("sweep") as outer, ml.start_run() as inner:
        pass
    assert (ml.run(inner.id).parent, ml.run(inner.id).experiment) == (outer.id, "sweep")


def test_row_35_threads_and_tasks_keep_to_their_runs() -> None:
    """Row 35: each logs to its own."""

    def in_thread(number: int) -> None:
        with ml.start_run("threads", name=str(number)):
            for _ in range(100):
                ml.log_metric("number", number)

    async def in_task(number: int) -> None:
        with ml.start_run("tasks", name=str(number)):
            for _ in range(20):
                ml.log_metric("number", number)
                await asyncio.sleep(0)

    async def in_tasks() -> None:
        await asyncio.gather(*map(in_task, range(4)))

    threads = [threading.Thread(target=in_thread, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(in_tasks())
    for run in ml.runs():
        assert set(ml.metric(run, "number").values.tolist()) == {float(run.name)}
        assert run.summaries["number"].count == (100 if run.experiment == "threads" else 20)


def test_row_36_the_environment_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 36: code version, Python, system and user, by themselves."""
    monkeypatch.setenv("CHACHAML_CAPTURE", "on")
    monkeypatch.chdir(Path(__file__).parent)
    script = "import chachaml as ml, sys\nml.connect(sys.argv[1])\nwith ml.start_run(): pass\n"
    store = Path(os.environ["XDG_STATE_HOME"]).with_name("here.db")
    subprocess.run([sys.executable, "-c", script, str(store)], check=True)
    ml.connect(store)
    run = ml.last_run()
    assert run is not None
    facts = run.environment
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"host", "platform", "argv", "cwd", "packages"} <= facts.keys()
    assert run.created_by == ml.current_user()


def test_row_37_38_runs_belong_to_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 37 and 38: by variable, by the system, or as said; and one's own are found."""
    assert ml.current_user() == getpass.getuser()
    monkeypatch.setenv("CHACHA_USER", "maria")
    with ml.start_run(name="mine"):
        pass
    with ml.start_run(created_by="tomas"):
        pass
    assert [run.created_by for run in ml.runs()] == ["tomas", "maria"]
    assert [run.name for run in ml.my_runs()] == ["mine"]
    last = ml.my_last_run()
    assert last is not None
    assert (ml.current_user(), last.name) == ("maria", "mine")


# functions as runs ----------------------------------------------------------------------------------


def test_row_49_50_51_functions_are_runs() -> None:
    """Rows 49 to 51: with default names and a tag, nesting; arguments are logged only when asked for."""

    @ml.tracked
    def inner(x: int) -> int:
        ml.log_metric("x", x)
        return x

    @ml.tracked(log_args=True)
    def outer(x: int, y: int = 2) -> int:
        return inner(x) + y

    assert outer(1) == 3
    child, parent = ml.runs()
    assert (parent.name, parent.experiment, parent.params) == ("outer", __name__, {"x": 1, "y": 2})
    assert (child.name, child.parent, child.params, child.metrics) == ("inner", parent.id, {}, {"x": 1.0})
    assert child.tags["tracked-fn"].endswith("inner")


# batches, experiments, cleaning up ------------------------------------------------------------------


def test_row_65_66_batches_are_kept_also_when_they_fail() -> None:
    """Rows 65 and 66: by their old name; nothing is lost by an exception."""
    with pytest.raises(ValueError, match="bad"), ml.start_run() as run, ml.batched_metrics():
        for step in range(1000):
            ml.log_metric("loss", step, step)
        raise ValueError("bad")
    assert ml.metric(run, "loss").total == 1000


def test_row_67_experiments_are_described() -> None:
    """Row 67: description and owner; what is not said again stays."""
    ml.create_experiment("iris", description="Flowers", owner="maria")
    ml.create_experiment("iris", description="More flowers")
    about = ml.experiment("iris")
    assert (about.description, about.owner) == ("More flowers", "maria")


def test_row_68_69_70_71_old_runs_are_archived_hidden_and_deleted() -> None:
    """Rows 68 to 71: within an experiment, hidden, gone with their files; and results say how much."""
    with ml.start_run("iris") as old:
        ml.log_metric("acc", 1.0)
        ml.log_text("a.txt", "x" * 1000)
    other = logged("wine")
    assert ml.archive_runs(experiment="iris", older_than_days=30).runs == ()
    archived = ml.archive_runs(experiment="iris", older_than_days=0)
    assert (archived.runs, archived.metrics, archived.artifacts) == ((old.id,), 1, 1)
    assert [run.id for run in ml.runs()] == [other.id]
    assert ml.best_run(metric="acc") is None
    deleted = ml.delete_archived()
    assert (deleted.runs, deleted.bytes) == ((old.id,), 1000)
    left: list[Any] = [path for path in Path("chachaml-artifacts").rglob("*") if path.is_file()]
    assert left == []
    assert json.loads(ml.runs().to_json())[0]["id"] == other.id
