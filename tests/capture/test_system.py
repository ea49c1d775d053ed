"""How busy the machine is, and what users hang on to a run: system metrics, hooks, tracked functions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, ChachamlWarning

pytestmark = pytest.mark.usefixtures("folder")


def test_system_metrics_are_sampled_until_the_run_ends() -> None:
    with ml.start_run(system_metrics=0.02) as run:
        deadline = time.monotonic() + 10
        while "system/cpu" not in ml.run(run).metrics or ml.run(run).summaries["system/cpu"].count < 3:
            assert time.monotonic() < deadline
    found = ml.run(run.id)
    assert found.metrics["system/process.memory"] > 1_000_000
    assert 0 <= found.metrics["system/memory"] <= 100
    assert ml.metric(run, "system/cpu").steps.tolist()[:3] == [0, 1, 2]
    assert found.status == "completed"


def test_system_metrics_without_psutil_say_what_to_install() -> None:
    script = (
        "import sys; sys.modules['psutil'] = None\nimport chachaml as ml\n"
        "try:\n    ml.start_run(system_metrics=True)\n"
        "except ml.errors.MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'chachaml[system]'" in done.stdout
    assert ml.last_run() is None


def test_a_setting_that_makes_no_sense_starts_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_CONSOLE", "perhaps")
    with pytest.raises(BadValue, match="CHACHAML_CONSOLE"):
        ml.start_run()
    with pytest.raises(BadValue, match="number of seconds"):
        ml.start_run(system_metrics=-1, console=False)
    assert ml.current_run() is None
    assert ml.last_run() is None


# the ends of runs ---------------------------------------------------------------------------------


def test_hooks_hear_of_the_ends_of_runs() -> None:
    """Called with the ended run, as it is stored."""
    heard: list[ml.Run] = []
    remove = ml.on_run_end(heard.append)
    with ml.start_run(name="good") as run:
        run.log_metric("loss", 1.0)
    with pytest.raises(ValueError, match="bad"), ml.start_run(name="worse"):
        raise ValueError("bad")
    remove()
    with ml.start_run():
        pass
    assert [(run.name, run.status) for run in heard] == [("good", "completed"), ("worse", "failed")]
    assert heard[0].metrics == {"loss": 1.0}


def test_a_hook_that_fails_disturbs_nothing() -> None:
    def broken(run: ml.Run) -> None:
        raise RuntimeError(run.name)

    heard: list[str] = []
    removes = [ml.on_run_end(broken), ml.on_run_end(lambda run: heard.append(run.name))]
    with pytest.warns(ChachamlWarning, match="broken"), ml.start_run(name="a"):
        pass
    for remove in removes:
        remove()
    assert heard == ["a"]
    assert ml.last_run().status == "completed"  # type: ignore[union-attr]


# tracked functions --------------------------------------------------------------------------------


@ml.tracked
def plain(x: int, y: int = 2) -> int:
    """Add."""
    ml.log_metric("sum", x + y)
    return x + y


def test_a_tracked_function_is_a_run() -> None:
    """Its experiment is the module, its name the function's, tagged with its full name."""
    assert (plain(1), plain.__name__, plain.__doc__) == (3, "plain", "Add.")
    run = ml.last_run()
    assert run is not None
    assert (run.experiment, run.name, run.params) == (__name__, "plain", {})
    assert run.tags == {"tracked-fn": f"{__name__}.plain"}
    assert run.metrics == {"sum": 3.0}


def test_options_and_arguments_are_kept() -> None:
    """With experiment, name, tags, and log_args."""

    @ml.tracked(experiment="e", name="n", tags={"team": "x", "tracked-fn": "mine"}, log_args=True)
    def train(lr: float, *layers: int, model: Any = None, opt: str = "adam", **more: Any) -> float:
        return lr

    assert train(0.1, 64, 32, model=object, seed=7) == 0.1
    train(0.2, model=lambda: 1)
    second, first = ml.runs(experiment="e")
    assert first.params == {
        "lr": 0.1,
        "layers": [64, 32],
        "model": "builtins.object",
        "opt": "adam",
        "seed": 7,
    }
    assert first.tags == {"team": "x", "tracked-fn": "mine"}
    assert "lambda" in second.params["model"]
    with pytest.raises(TypeError):
        train()  # type: ignore[call-arg]
    assert ml.last_run().status == "failed"  # type: ignore[union-attr]


def test_async_functions_generators_and_methods() -> None:
    """Of every kind; exceptions end the run as failed."""

    class Model:
        @ml.tracked(log_args=True)
        def fit(self, epochs: int) -> int:
            with ml.start_run() as child:
                assert child.parent == ml.runs(name="fit")[0].id
            return epochs

    @ml.tracked(log_args=True)
    async def slow(x: int) -> int:
        await asyncio.sleep(0)
        ml.log_metric("x", x)
        return x

    @ml.tracked
    def steps() -> Iterator[int]:
        for step in range(3):
            ml.log_metric("step", step)
            yield step

    @ml.tracked
    async def asteps() -> AsyncIterator[int]:
        for step in range(2):
            yield step

    async def everything() -> tuple[list[int], list[int]]:
        both = await asyncio.gather(slow(1), slow(2))
        return list(both), [step async for step in asteps()]

    assert Model().fit(3) == 3
    assert asyncio.run(everything()) == ([1, 2], [0, 1])
    assert list(steps()) == [0, 1, 2]
    by_name = {run.name: run for run in ml.runs()}
    assert by_name["fit"].params == {"epochs": 3}
    assert by_name["steps"].metrics == {"step": 2.0}
    assert sorted(run.metrics["x"] for run in ml.runs(name="slow")) == [1, 2]
    assert {run.status for run in ml.runs()} == {"completed"}
    with pytest.raises(BadValue):
        ml.tracked(Model)  # type: ignore[arg-type]
