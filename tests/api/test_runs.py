"""The life of a run, as its user sees it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import warnings
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core.errors import (
    AmbiguousId,
    BadValue,
    NoActiveRun,
    NotFound,
    ParamConflict,
    RunHasEnded,
    RunIsLive,
)

pytestmark = pytest.mark.usefixtures("folder")


def test_a_short_script_never_loads_numpy(folder: Path) -> None:
    code = """
import atexit, sys
atexit.register(lambda: print("numpy" in sys.modules))  # called last
import chachaml as ml
with ml.start_run():
    ml.log_metrics({"loss": 0.31, "accuracy": 0.9})
"""
    script = [sys.executable, "-c", code]
    assert subprocess.run(script, cwd=folder, capture_output=True, text=True).stdout == "False\n"
    assert ml.runs()[0].metrics == {"loss": 0.31, "accuracy": 0.9}


def test_a_long_series_can_be_read_at_the_end_of_a_script(folder: Path) -> None:
    code = """
import atexit
import chachaml as ml
def report():
    points = ml.metric(ml.last_run(), "loss")
    print(points.steps[0], points.steps[-1], len(points.steps), float(points.values.sum()))
atexit.register(report)
with ml.start_run():
    for step in range(600_000):
        ml.log_metric("loss", 0.5, step)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 599999 600000 300000.0\n", "")


def test_three_lines_make_a_store_and_find_the_run_again(folder: Path) -> None:
    with ml.start_run(experiment="iris", name="baseline", tags={"author": "jiri"}) as run:
        ml.log_params({"lr": 0.01, "epochs": 100})
        for epoch in range(100):
            ml.log_metric("loss", 1 / (epoch + 1), epoch)
    found = ml.last_run()
    assert found is not None
    assert (found.id, found.experiment, found.name, found.status) == (run.id, "iris", "baseline", "completed")
    assert found.params == {"lr": 0.01, "epochs": 100}
    assert found.metrics == {"loss": 0.01}
    assert found.tags == {"author": "jiri"}
    assert found.duration is not None and 0 < found.duration < 60
    assert (folder / "chachaml.db").exists()


def test_the_block_s_exception_fails_the_run_and_comes_out() -> None:
    with pytest.raises(ZeroDivisionError), ml.start_run() as run:
        _ = 1 / 0
    found = ml.run(run.id)
    assert found.status == "failed"
    assert found.error is not None
    assert (found.error.type, found.error.message) == ("ZeroDivisionError", "division by zero")
    assert "1 / 0" in found.error.traceback


def test_ctrl_c_interrupts_the_run() -> None:
    with pytest.raises(KeyboardInterrupt), ml.start_run() as run:
        raise KeyboardInterrupt
    assert ml.run(run.id).status == "interrupted"


def test_leaving_by_sys_exit_is_judged_by_its_code() -> None:
    with pytest.raises(SystemExit), ml.start_run() as good:
        raise SystemExit(0)
    with pytest.raises(SystemExit), ml.start_run() as bad:
        raise SystemExit(3)
    assert (ml.run(good.id).status, ml.run(bad.id).status) == ("completed", "failed")


def test_plain_start_and_end() -> None:
    run = ml.start_run("plain")
    assert ml.current_run() is run
    ml.log_metric("x", 1)
    ml.end_run("failed", "no luck")
    assert ml.current_run() is None
    found = ml.run(run.id)
    assert found.status == "failed"
    assert found.error is not None and found.error.message == "no luck"


def test_nested_runs_know_their_parent_and_inherit_its_experiment() -> None:
    with ml.start_run("sweep") as parent:
        with ml.start_run() as child:
            assert ml.current_run() is child
        with ml.start_run("other") as stranger:
            pass
        assert ml.current_run() is parent
    assert {run.id for run in ml.runs(parent=parent)} == {child.id, stranger.id}
    assert ml.run(child.id).experiment == "sweep"
    assert ml.run(stranger.id).experiment == "other"


def test_the_same_place_starting_anew_ends_its_earlier_run() -> None:
    seen = [ml.start_run("notebook") for _ in range(3)]
    assert [ml.run(run.id).status for run in seen] == ["interrupted", "interrupted", "running"]
    assert [ml.run(run.id).parent for run in seen] == [None, None, None]


def test_nameless_runs_get_readable_names_of_their_own() -> None:
    names = set()
    for _ in range(20):
        with ml.start_run() as run:
            names.add(run.name)
    assert len(names) >= 19
    assert all(len(name.split("-")) == 3 for name in names)


def test_logging_after_the_end_is_refused() -> None:
    with ml.start_run() as run:
        run.log_metric("x", 1)
    for call in (
        lambda: run.log_metric("x", 2),
        lambda: run.log_params({"a": 1}),
        lambda: run.add_tag("a", "b"),
    ):
        with pytest.raises(RunHasEnded, match="resume"):
            call()
    assert ml.run(run.id).summaries["x"].count == 1


def test_logging_outside_a_run_says_what_to_type() -> None:
    with pytest.raises(NoActiveRun, match="start_run"):
        ml.log_metric("x", 1)
    with pytest.raises(NoActiveRun):
        ml.end_run()


# metrics ------------------------------------------------------------------------------------------


def test_steps_go_on_by_themselves_and_may_repeat_or_go_back() -> None:
    with ml.start_run() as run:
        for value in (1, 2, 3):
            run.log_metric("auto", value)
        for step in (10, 5, 5):
            run.log_metric("given", step, step)
        run.log_metric("given", 11)
    assert ml.metric(run, "auto").steps.tolist() == [0, 1, 2]
    series = ml.metric(run, "given")
    assert (series.steps.tolist(), series.values.tolist()) == ([5, 5, 10, 11], [5, 5, 10, 11])
    assert ml.run(run.id).metrics["given"] == 11


def test_wide_calls_share_a_step_and_mix_with_narrow_ones() -> None:
    with ml.start_run() as run:
        run.log_metrics({"a": 1, "b": 2})
        run.log_metrics({"a": 3, "b": 4})
        run.log_metric("a", 5)
        run.log_metrics({"a": 6, "b": 7})
        run.log_metrics({"b": 8, "c": 9}, 20)
        run.log_metrics({"a": 10, "b": 11}, 21)
        run.log_metrics({"a": 12, "b": 13})
        run.log_metrics({})
    assert ml.metric(run, "a").steps.tolist() == [0, 1, 2, 3, 21, 22]
    assert ml.metric(run, "a").values.tolist() == [1, 3, 5, 6, 10, 12]
    assert ml.metric(run, "b").steps.tolist() == [0, 1, 2, 20, 21, 22]
    assert ml.metric(run, "c").steps.tolist() == [20]


def test_a_wide_call_is_kept_whole_or_not_at_all() -> None:
    with ml.start_run() as run:
        run.log_metrics({"a": 1, "b": 2})
        with pytest.raises(BadValue, match="'b' must be one number, not str"):
            run.log_metrics({"a": 3, "b": "four"})
    assert ml.run(run.id).metrics == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("value", "kind"),
    [("0.3", "str"), (None, "NoneType"), (1j, "complex"), ([1, 2], "list"), (b"1", "bytes")],
)
def test_what_is_no_number_is_refused_by_key_and_type(value: object, kind: str) -> None:
    with ml.start_run() as run, pytest.raises(BadValue, match=f"'loss' must be one number, not {kind}"):
        run.log_metric("loss", value)
    assert ml.run(run.id).metrics == {}


@pytest.mark.parametrize("step", [1.5, "1", None.__class__, 2**63, -(2**63) - 1, float("nan")])
def test_a_step_is_a_whole_number_in_64_bits(step: object) -> None:
    with ml.start_run() as run:
        run.log_metric("x", 1, 1)
        with pytest.raises(BadValue, match="step"):
            run.log_metric("x", 2, step)  # type: ignore[arg-type]
        run.log_metric("x", 3)
    assert ml.metric(run, "x").steps.tolist() == [1, 2]


def test_batched_metrics_is_there_for_code_that_uses_it() -> None:
    with ml.start_run() as run:
        with ml.batched_metrics():
            for epoch in range(1000):
                ml.log_metric("loss", epoch, epoch)
    assert ml.metric(run, "loss").total == 1000


def test_ten_thousand_points_come_back_and_a_spike_shows_at_every_zoom() -> None:
    with ml.start_run() as run:
        for step in range(10_000):
            run.log_metric("loss", 1e9 if step == 7_777 else step % 10, step)
    whole = ml.metric(run, "loss")
    assert whole.steps.tolist() == list(range(10_000))
    for points in (5, 50, 500):
        sampled = ml.metric(run, "loss", max_points=points)
        assert len(sampled.steps) <= points
        assert sampled.sampled and sampled.values.max() == 1e9
    part = ml.metric(run, "loss", window=(7_000, 7_999))
    assert part.steps.tolist() == list(range(7_000, 8_000))


# params and tags ----------------------------------------------------------------------------------


@dataclass
class Optimizer:
    name: str
    lr: float


def test_params_are_flattened_and_keep_their_types() -> None:
    with ml.start_run() as run:
        run.log_params({"model": {"depth": 3, "width": None}, "opt": Optimizer("adam", 1e-3), "on": True})
        run.log_params(Namespace(seed=7, layers=[1, 2]))
        run.log_param("path", Path("a") / "b")
    assert ml.run(run.id).params == {
        "model.depth": 3,
        "model.width": None,
        "opt.name": "adam",
        "opt.lr": 1e-3,
        "on": True,
        "seed": 7,
        "layers": [1, 2],
        "path": str(Path("a") / "b"),
    }


def test_params_are_written_once() -> None:
    with ml.start_run() as run:
        run.log_params({"lr": 1, "seed": 7})
        run.log_params({"lr": 1.0})
        with pytest.raises(ParamConflict, match="'lr' .* is 1 already and cannot become 2"):
            run.log_params({"new": 5, "lr": 2})
        with pytest.raises(ParamConflict):
            run.log_param("lr", True)
    assert ml.run(run.id).params == {"lr": 1, "seed": 7}


def test_tags_and_notes_of_live_and_ended_runs() -> None:
    with ml.start_run(tags={"a": 1}) as run:
        ml.add_tag("b", "2")
        ml.set_note("first")
        ml.remove_tag("a")
        assert ml.get_tags() == {"b": "2", "note": "first"}
    ml.add_tag(run.id, "c", 3)
    ml.set_note(run.id, "# Second")
    ml.remove_tag(run.id, "b")
    assert ml.get_tags(run.id) == {"c": "3", "note": "# Second"}
    assert ml.run(run.id).note == "# Second"
    with pytest.raises(NotFound):
        ml.add_tag("0" * 32, "a", "b")


# finding ------------------------------------------------------------------------------------------


def test_runs_are_found_newest_first_with_a_word_when_there_are_more() -> None:
    made = []
    for i in range(5):
        with ml.start_run("even" if i % 2 == 0 else "odd", name=f"run-{i}", created_by="maria") as run:
            made.append(run.id)
    assert [run.id for run in ml.runs()] == made[::-1]
    assert [run.name for run in ml.runs(experiment="odd")] == ["run-3", "run-1"]
    few = ml.runs(limit=2, created_by="maria")
    assert (len(few), few.more, ml.runs().more) == (2, True, False)
    rest = ml.runs(created_by="maria", after=few.next)
    assert [*few, *rest] == [*ml.runs(created_by="maria")]
    assert ml.runs(created_by="tomas") == ml.runs(experiment="none")
    assert (len(ml.runs(status="completed")), len(ml.runs(status="archived"))) == (5, 0)
    with pytest.raises(BadValue, match="one of: running"):
        ml.runs(status="finished")


def test_a_run_is_found_by_prefix_and_short_id() -> None:
    with ml.start_run() as one, ml.start_run() as two:
        pass
    assert ml.run(one.id[-8:]).id == one.id
    assert ml.run(two.id[-8:-2].upper()).id == two.id
    with pytest.raises(AmbiguousId):
        ml.run(one.id[:6])
    with pytest.raises(NotFound, match="runs"):
        ml.run("no-such-run")
    with pytest.raises(NotFound):
        ml.run("0" * 32)


def test_the_best_run_has_the_best_value_of_any_step() -> None:
    for values in ([3, 1, 2], [2, 2, 2], [5, float("nan"), float("inf")]):
        with ml.start_run("a"):
            for value in values:
                ml.log_metric("loss", value)
    with ml.start_run("a"):
        ml.log_metric("other", -100)
    best = ml.best_run(experiment="a", metric="loss", direction="min")
    worst = ml.best_run(metric="loss")
    assert best is not None and (best.metric_value, best.metric_step) == (1, 1)
    assert worst is not None and (worst.metric_value, worst.metric_step) == (5, 0)
    assert ml.best_run(experiment="b", metric="loss") is None


def test_mine_are_those_of_the_current_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHA_USER", "maria")
    with ml.start_run():
        pass
    with ml.start_run(created_by="tomas"):
        pass
    assert ml.current_user() == "maria"
    assert [run.created_by for run in ml.my_runs()] == ["maria"]
    mine = ml.my_last_run()
    assert mine is not None and mine.created_by == "maria"


# going on -----------------------------------------------------------------------------------------


def test_a_resumed_run_goes_on_with_its_steps_and_params() -> None:
    with ml.start_run("long") as run:
        run.log_metric("loss", 1, 41)
        run.log_param("lr", 0.1)
    with ml.start_run(resume=run.id[-8:]) as again:
        assert (again.id, again.experiment, again.name) == (run.id, "long", run.name)
        again.log_metric("loss", 0.5)
        with pytest.raises(ParamConflict):
            again.log_param("lr", 0.2)
    assert ml.metric(run.id, "loss").steps.tolist() == [41, 42]
    assert ml.run(run.id).status == "completed"


def test_a_live_run_is_joined_not_resumed() -> None:
    with ml.start_run() as run:
        with pytest.raises(RunIsLive, match="join=True"):
            ml.start_run(resume=run.id)
        with ml.start_run(resume=run.id, join=True) as joined:
            joined.log_metric("x", 1)
        assert ml.run(run.id).status == "running"
    assert ml.run(run.id).metrics == {"x": 1}


# threads, tasks -----------------------------------------------------------------------------------


def test_threads_log_to_the_only_open_run_and_steps_stay_apart() -> None:
    with ml.start_run() as run:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: [ml.log_metric(f"t{n}", i, i) for i in range(500)], range(8)))
            list(pool.map(lambda n: [run.log_metric("shared", 8 * i + n, i) for i in range(500)], range(8)))
    assert all(ml.metric(run, f"t{n}").steps.tolist() == list(range(500)) for n in range(8))
    assert sorted(ml.metric(run, "shared").values.tolist()) == list(range(4000))


def test_runs_of_several_threads_do_not_mix() -> None:
    def train(n: int) -> str:
        with ml.start_run(name=f"thread-{n}") as run:
            barrier.wait()
            for i in range(100):
                ml.log_metric("x", n, i)
        return run.id

    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(train, range(4)))
    assert [ml.run(run).summaries["x"].min for run in ids] == [0, 1, 2, 3]
    assert [ml.run(run).summaries["x"].max for run in ids] == [0, 1, 2, 3]


def test_tasks_have_runs_of_their_own() -> None:
    async def train(n: int) -> str:
        with ml.start_run(name=f"task-{n}") as run:
            for i in range(10):
                ml.log_metric("x", n, i)
                await asyncio.sleep(0)
        return run.id

    async def main() -> list[str]:
        return await asyncio.gather(*(train(n) for n in range(5)))

    assert [ml.run(run).summaries["x"].sum for run in asyncio.run(main())] == [0, 10, 20, 30, 40]


def test_disabled_mode_keeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHACHAML_MODE", "disabled")
    ml.connect(tmp_path / "off" / "chachaml.db")
    with ml.start_run("x") as run:
        ml.log_metric("loss", 1)
        ml.log_metrics({"a": 1, "b": 2})
        ml.log_params({"lr": 1})
        ml.add_tag("k", "v")
        run.log_metric("loss", 2)
    assert len(ml.runs()) == 0
    assert not (tmp_path / "off").exists()


def test_no_step_follows_the_last_one_of_64_bits() -> None:
    with ml.start_run() as run:
        ml.log_metric("x", 1.0, 2**63 - 1)
        for call in (lambda: ml.log_metric("x", 2.0), lambda: ml.log_metrics({"x": 2.0, "y": 2.0})):
            with pytest.raises(BadValue, match="'x': step"):
                call()
    assert ml.metric(run, "x").values.tolist() == [1.0]


class Tensor:
    """Like one of PyTorch with a gradient: a warning when taken as a number, none when asked for it."""

    def __float__(self) -> float:
        warnings.warn("detach me first", UserWarning, stacklevel=2)
        return 0.5

    def item(self) -> float:
        return 0.5


def test_tensors_logged_together_do_not_warn() -> None:
    with warnings.catch_warnings(record=True, action="always") as said, ml.start_run() as run:
        for step in range(3):
            ml.log_metrics({"loss": Tensor(), "accuracy": 0.25}, step)
    assert not said
    assert list(ml.metric(run, "loss").values) == [0.5] * 3
