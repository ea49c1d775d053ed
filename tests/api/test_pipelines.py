"""Pipelines: steps as runs, chained and as graphs; failing, retried, cached, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, ChachamlWarning, NotFound
from chachaml.pipelines.shown import Pipeline


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Path:
    ml.connect(tmp_path / "chachaml.db")
    return tmp_path


def load(ctx: Any) -> list[int]:
    ml.log_metric("rows", 3)
    return [1, 2, 3]


def total(ctx: Any) -> int:
    return sum(ctx.prev_result)


def boom(ctx: Any) -> None:
    raise RuntimeError("boom")


def statuses(pipeline: Pipeline) -> dict[str, str]:
    return {step.name: step.status for step in pipeline.steps}


def test_row_52_a_pipeline_chains_results_and_each_step_is_a_run() -> None:
    done = ml.pipeline.run(
        "train-and-deploy",
        [{"name": "load", "fn": load}, {"name": "total", "fn": total}],
        description="Adds",
        params={"lr": 0.1},
    )
    assert (done.result, done.results, done.status) == (6, {"load": [1, 2, 3], "total": 6}, "completed")
    runs = [ml.run(step.run) for step in done.steps]
    assert [run.name for run in runs] == ["load", "total"]
    assert {run.experiment for run in runs} == {"train-and-deploy"}
    assert {run.parent for run in runs} == {done.pipeline_id}
    assert [run.tags["step-order"] for run in runs] == ["0", "1"]
    assert {run.tags["pipeline-id"] for run in runs} == {done.pipeline_id}
    assert runs[0].metrics == {"rows": 3}
    assert ml.run(done.pipeline_id).params == {"lr": 0.1}
    assert "total" in repr(done)


def test_row_53_and_56_a_pipeline_is_found_with_how_its_steps_stand() -> None:
    with pytest.raises(RuntimeError, match="boom") as error:
        ml.pipeline.run("p", [("load", load), ("bad", boom), ("after", total)])
    (found,) = ml.pipeline.list()
    assert (found.name, found.status, found.error) == ("p", "failed", "RuntimeError: boom")
    assert statuses(found) == {"load": "completed", "bad": "failed", "after": "skipped"}
    assert [step.run != "" for step in found.steps] == [True, True, False]
    assert ml.run(found.steps[1].run).status == "failed"
    assert found.ended is not None
    assert f"chachaml.pipeline.resume('{found.id[-8:]}')" in error.value.__notes__[0]
    assert ml.pipeline.get(found.id[-8:]) == found
    ordinary = ml.start_run()
    ordinary.end()
    with pytest.raises(NotFound, match="is no pipeline"):
        ml.pipeline.get(ordinary.id)


def test_row_54_steps_are_pairs_dicts_functions_or_made_by_step() -> None:
    @ml.step(name="last")
    def third(ctx: Any) -> int:
        return ctx.prev_result + 1

    def fourth() -> str:
        return "without a context"

    done = ml.pipeline.run("p", [("load", load), {"name": "total", "fn": total}, third, fourth])
    assert done.results == {"load": [1, 2, 3], "total": 6, "last": 7, "fourth": "without a context"}
    assert third.fn(ctx=type("C", (), {"prev_result": 1})) == 2


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([("load",)], "is no step"),
        ([{"fn": load}], "needs a name"),
        ([{"name": "load"}], "needs a function"),
        ([("a", load), ("a", total)], "two steps are called 'a'"),
        ([{"name": "a", "fn": load, "retry": 1}], "has no 'retry'"),
        ([{"name": "a", "fn": load, "needs": ["b"]}], "needs 'b', which is no step"),
        (
            [{"name": "a", "fn": load, "needs": ["b"]}, {"name": "b", "fn": load, "needs": ["a"]}],
            "in a circle",
        ),
        ([{"name": "a", "fn": load, "retries": -1}], "retries is a number"),
        ({"a": load}, "steps are a list"),
    ],
)
def test_steps_that_cannot_be_are_refused_before_anything_runs(steps: Any, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        ml.pipeline.run("p", steps)
    with pytest.raises(BadValue):
        ml.pipeline.run("p", [load], params={"x": object()})
    assert ml.runs() == ml.runs(limit=1)
    assert len(ml.runs()) == 0


def test_a_pipeline_without_steps_is_completed() -> None:
    done = ml.pipeline.run("p", [])
    assert (done.result, done.status, done.steps) == (None, "completed", ())


def test_row_55_a_pipeline_is_defined_once_and_run_often() -> None:
    @ml.pipeline
    def scaled(factor: int = 2) -> list[Any]:
        """Scales."""
        return [("load", load), ("scale", lambda ctx: sum(ctx.prev_result) * ctx.params["factor"])]

    assert (scaled().result, scaled(5).result, scaled.run(factor=3).result) == (12, 30, 18)
    found = ml.pipeline.list()
    assert [one.params for one in found] == [{"factor": 3}, {"factor": 5}, {"factor": 2}]
    assert {(one.name, one.description) for one in found} == {("scaled", "Scales.")}


def test_a_pipeline_within_a_run_is_its_child() -> None:
    with ml.start_run("outer") as outer:
        done = ml.pipeline.run("inner", [load])
        ml.log_metric("after", 1)
    assert ml.run(done.pipeline_id).parent == outer.id
    assert ml.run(outer.id).metrics == {"after": 1}


def test_steps_that_need_nothing_of_each_other_run_side_by_side() -> None:
    together = threading.Barrier(2, timeout=20)

    def side(name: str) -> Any:
        def run(ctx: Any) -> str:
            together.wait()
            ml.log_param("who", name)
            return name

        return {"name": name, "fn": run, "needs": ["load"]}

    done = ml.pipeline.run(
        "graph",
        [
            {"name": "join", "fn": lambda ctx: dict(ctx.results), "needs": ["a", "b"]},
            side("a"),
            side("b"),
            ("load", load),
        ],
    )
    assert done.results["join"] == {"load": [1, 2, 3], "a": "a", "b": "b"}
    assert [step.order for step in done.steps] == [0, 1, 2, 3]
    assert done.steps[-1].name == "join"
    runs = {step.name: ml.run(step.run) for step in done.steps}
    assert (runs["a"].params, runs["b"].params) == ({"who": "a"}, {"who": "b"})


def test_other_branches_go_on_when_one_fails() -> None:
    steps = [
        {"name": "bad", "fn": boom, "needs": []},
        {"name": "good", "fn": load, "needs": []},
        {"name": "more", "fn": total, "needs": ["good"]},
        {"name": "end", "fn": load, "needs": ["more", "bad"]},
    ]
    with pytest.raises(RuntimeError, match="boom"):
        ml.pipeline.run("graph", steps, workers=1)
    assert statuses(ml.pipeline.list()[0]) == {
        "bad": "failed",
        "good": "completed",
        "more": "completed",
        "end": "skipped",
    }


def test_a_step_is_tried_again_each_time_in_a_run_of_its_own() -> None:
    tries: list[float] = []

    def flaky() -> str:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise OSError("not yet")
        return "at last"

    done = ml.pipeline.run("p", [{"name": "flaky", "fn": flaky, "retries": 3, "retry_delay": 0.05}])
    assert (done.result, done.steps[0].attempts) == ("at last", 3)
    assert tries[2] - tries[0] >= 0.1
    runs = ml.children(done.pipeline_id)
    assert [run.status for run in runs] == ["completed", "failed", "failed"]
    assert [run.tags.get("attempt") for run in runs] == ["3", "2", None]


@pytest.mark.parametrize("executor", [None, "processes"])
def test_a_step_that_takes_too_long_fails(executor: str | None) -> None:
    slow = {"name": "slow", "fn": sleep_long, "timeout": 1.5}
    before = time.monotonic()
    with pytest.raises(TimeoutError, match=r"'slow' was not done after 1\.5 seconds"):
        ml.pipeline.run("p", [slow], executor=executor)
    assert time.monotonic() - before < 30
    (found,) = ml.pipeline.list()
    assert statuses(found) == {"slow": "failed"}
    deadline = time.monotonic() + 20
    while ml.run(found.steps[0].run).status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ml.run(found.steps[0].run).status in ("failed", "crashed")


def sleep_long() -> None:
    time.sleep(60)


# caching ------------------------------------------------------------------------------------------


def test_a_cached_step_is_not_done_again_unless_something_changed() -> None:
    def run(factor: int = 1, offset: int = 0, version: str = "") -> dict[str, str]:
        def second(ctx: Any, add: int = offset) -> int:
            return ctx.prev_result + add

        steps = [
            {"name": "first", "fn": lambda ctx: first_value(ctx), "cache": True, "version": version},
            {"name": "second", "fn": second, "cache": True},
        ]
        made = ml.pipeline.run("p", steps, params={"factor": factor})
        assert made.result == factor * 10 + offset
        return {step.name: step.status for step in made.steps}

    both, neither = (
        dict.fromkeys(("first", "second"), "cached"),
        dict.fromkeys(("first", "second"), "completed"),
    )
    assert run() == neither
    assert run() == both
    assert run(factor=2) == neither
    assert run(offset=1) == {"first": "cached", "second": "completed"}
    assert run(version="2") == {"first": "completed", "second": "cached"}
    assert run() == both
    (newest, *_) = ml.pipeline.list()
    assert ml.run(newest.steps[0].run).tags["pipeline-id"] != newest.id
    ml.delete_runs([newest.steps[0].run, newest.steps[1].run])


def first_value(ctx: Any) -> int:
    return int(ctx.params["factor"]) * 10


def test_what_closes_over_something_odd_is_done_again() -> None:
    odd = object()
    steps = [{"name": "a", "fn": lambda: str(type(odd)), "cache": True}]
    for _ in range(2):
        assert ml.pipeline.run("p", steps).steps[0].status == "completed"


# resuming -----------------------------------------------------------------------------------------


def test_a_failed_pipeline_goes_on_from_the_failed_step() -> None:
    calls: list[str] = []
    broken = [True]

    def first() -> dict[str, int]:
        calls.append("first")
        return {"a": 1}

    def second(ctx: Any) -> int:
        calls.append("second")
        if broken[0]:
            raise RuntimeError("boom")
        return ctx.prev_result["a"] + ctx.params["nested"]["b"]

    steps = [("first", first), ("second", second), ("third", lambda ctx: ctx.prev_result * 2)]
    with pytest.raises(RuntimeError):
        ml.pipeline.run("p", steps, params={"nested": {"b": 41}})
    broken[0] = False
    found = ml.pipeline.list()[0]
    with pytest.raises(NotFound, match="nobody here knows the steps"):
        ml.pipeline.resume(found.id)
    done = ml.pipeline.resume(found.id[-8:], steps)
    assert (done.pipeline_id, done.result, calls) == (found.id, 84, ["first", "second", "second"])
    assert {step.status for step in done.steps} == {"completed"}
    with pytest.raises(BadValue, match="is completed"):
        ml.pipeline.resume(found.id, steps)


def test_a_result_that_cannot_be_kept_is_made_again() -> None:
    made: list[int] = []
    broken = [True]

    def lock() -> Any:
        made.append(1)
        return threading.Lock()

    def use(ctx: Any) -> bool:
        if broken[0]:
            raise RuntimeError("boom")
        return bool(ctx.prev_result.acquire(blocking=False))

    steps = [("lock", lock), ("use", use)]
    with (
        pytest.warns(ChachamlWarning, match="result of step 'lock' is not kept"),
        pytest.raises(RuntimeError),
    ):
        ml.pipeline.run("p", steps)
    broken[0] = False
    with pytest.warns(ChachamlWarning, match="is not kept"):
        assert ml.pipeline.resume(ml.pipeline.list()[0].id, steps).result is True
    assert len(made) == 2


KILLED = """
import os, pathlib, time
import chachaml as ml

def first():
    with open("first", "a") as file: file.write("x")
    return [1, 2]

def second(ctx):
    with open("second", "a") as file: file.write("x")
    if not os.path.exists("fixed"):
        pathlib.Path("waiting").touch()
        time.sleep(60)
    return sum(ctx.prev_result)

@ml.pipeline
def chain():
    return [("first", first), ("second", second), ("third", lambda ctx: ctx.prev_result + 1)]

if __name__ == "__main__":
    chain()
"""


def test_a_killed_pipeline_has_crashed_and_goes_on(store: Path) -> None:
    (store / "killed.py").write_text(KILLED)
    process = subprocess.Popen([sys.executable, "killed.py"], cwd=store)
    deadline = time.monotonic() + 60
    while not (store / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while (found := ml.pipeline.list()[0]).status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (found.status, statuses(found)) == (
        "crashed",
        {"first": "completed", "second": "crashed", "third": "skipped"},
    )
    (store / "fixed").touch()
    command = [sys.executable, "-m", "chachaml", "pipelines", "resume", found.id[-8:], "killed.py"]
    text = subprocess.run(command, cwd=store, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "completed" in text.splitlines()[0]
    assert ((store / "first").read_text(), (store / "second").read_text()) == ("x", "xx")
    assert statuses(ml.pipeline.get(found.id)) == dict.fromkeys(("first", "second", "third"), "completed")
    third = ml.load_artifact(ml.pipeline.get(found.id).steps[2].run, "step-result")
    assert third == 4


# elsewhere ----------------------------------------------------------------------------------------

ELSEWHERE = """
import os, sys
import chachaml as ml

def data():
    ml.log_metric("pid", os.getpid())
    return {"rows": [1, 2, 3]}

@ml.step(needs=[])
def pid():
    return os.getpid()

@ml.step(needs=["data", "pid"])
def both(ctx):
    ml.log_artifact("seen", ctx.results["data"])
    return (os.getpid(), ctx.results["pid"], sum(ctx.results["data"]["rows"]))

def fails():
    raise ValueError("told")

def dies():
    os._exit(3)

STEPS = [{"name": "data", "fn": data, "needs": []}, pid, both]
"""

CLUSTERS = ["processes", "dask", *(["ray"] if os.environ.get("CHACHAML_CLUSTERS") else [])]


@pytest.fixture
def elsewhere(store: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (store / "elsewhere.py").write_text(ELSEWHERE)
    monkeypatch.setenv("PYTHONPATH", f"{store}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(str(store))
    monkeypatch.chdir(store)
    import elsewhere

    yield elsewhere
    sys.modules.pop("elsewhere")


@pytest.mark.filterwarnings("ignore")  # of the clusters' own
@pytest.mark.parametrize("executor", CLUSTERS)
def test_steps_run_in_other_processes_and_log_from_there(executor: str, elsewhere: Any) -> None:
    done = ml.pipeline.run("far", elsewhere.STEPS, executor=executor)
    own, other, rows = done.result
    assert rows == 6
    assert os.getpid() not in (own, other)
    runs = {step.name: ml.run(step.run) for step in done.steps}
    assert all(run.status == "completed" for run in runs.values())
    assert runs["data"].metrics["pid"] != os.getpid()
    assert ml.load_artifact(done.steps[-1].run, "seen") == {"rows": [1, 2, 3]}
    with pytest.raises(ValueError, match="told"):
        ml.pipeline.run("far", [("fails", elsewhere.fails)], executor=executor)
    failed = ml.pipeline.list()[0]
    assert (failed.status, statuses(failed)) == ("failed", {"fails": "failed"})


def test_a_process_that_dies_fails_its_step(elsewhere: Any) -> None:
    with pytest.raises(RuntimeError, match="died with exit code 3"):
        ml.pipeline.run("far", [("dies", elsewhere.dies)], executor="processes")
    (found,) = ml.pipeline.list()
    assert statuses(found) == {"dies": "failed"}
    deadline = time.monotonic() + 20
    while ml.run(found.steps[0].run).status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ml.run(found.steps[0].run).status == "crashed"


def test_what_cannot_be_sent_to_a_process_is_explained() -> None:
    with pytest.raises(BadValue, match="cannot be sent to a process") as error:
        ml.pipeline.run("far", [("inner", lambda: 1)], executor="processes")
    assert "define them in a file" in error.value.hint
    with pytest.raises(BadValue, match="no executor 'cloud'"):
        ml.pipeline.run("far", [load], executor="cloud")


def test_runs_started_at_one_line_by_many_threads_do_not_end_each_other() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        steps = [{"name": f"s{number}", "fn": load, "needs": []} for number in range(200)]
        done = ml.pipeline.run("wide", steps, workers=16)
    finally:
        sys.setswitchinterval(before)
    assert {ml.run(step.run).status for step in done.steps} == {"completed"}


def test_a_pipeline_while_disabled_gives_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_MODE", "disabled")
    ml.connect()
    assert ml.pipeline.run("p", [load, total]).result == 6
