"""Judgements on runs, against curves, sweeps and files of which it is known what is right."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import chachaml as ml
from chachaml.analysis.goals import direction_of
from chachaml.core.errors import NotFound
from chachaml.ops import OPERATIONS
from chachaml.ops.analysis import Course, Explanation, Importance


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> None:
    ml.connect(tmp_path / "chachaml.db")


def ask(operation: str, /, **arguments: Any) -> Any:
    return OPERATIONS[operation].run(arguments)


def logged(values: list[float], key: str = "loss") -> str:
    with ml.start_run("curves") as run:
        for step, value in enumerate(values):
            ml.log_metric(key, value, step)
    return run.id


def course(values: list[float], key: str = "loss", **more: Any) -> Course:
    (found,) = ask("describe_series", run_ids=[logged(values, key)], metric=key, **more)
    return found.course


# curves -------------------------------------------------------------------------------------------


def noisy(of: Any, points: int = 400, noise: float = 0.02) -> list[float]:
    random.seed(1)
    return [of(step / points) + random.gauss(0, noise) for step in range(points)]


def test_a_loss_that_falls_until_it_stalls() -> None:
    found = course([max(0.3, 2.0 - step / 100) for step in range(400)])
    assert (found.trend, found.direction) == ("falls", "min")
    assert found.plateau_step is not None
    assert 165 <= found.plateau_step <= 172
    assert found.diverged_step is None
    assert (found.best, found.best_step) == (0.3, 171)
    assert "next to no gain after step" in found.text


def test_a_loss_that_is_still_falling_has_no_plateau() -> None:
    found = course(noisy(lambda x: 2 - x))
    assert (found.trend, found.plateau_step, found.diverged_step) == ("falls", None, None)


def test_a_loss_that_explodes_diverges_where_it_does() -> None:
    values = [2.0 - step / 100 for step in range(150)] + [0.5 + 1.07**step for step in range(60)]
    found = course(values)
    assert found.diverged_step is not None
    assert 150 <= found.diverged_step <= 200
    assert "much worse than its best" in found.text
    assert found.best_step == 149


def test_a_spike_that_is_overcome_is_no_divergence() -> None:
    values = [2.0 - step / 100 for step in range(150)]
    values[70] = 50.0
    assert course(values).diverged_step is None


def test_overfitting_shows_in_what_is_held_out() -> None:
    assert course(noisy(lambda x: 2 - 3 * x + 3 * x * x * 1.3), "val_loss").diverged_step is not None


def test_noise_alone_has_no_trend() -> None:
    found = course(noisy(lambda _: 1.0))
    assert (found.trend, found.diverged_step) == ("flat", None)


def test_accuracy_rises_and_its_best_is_the_highest() -> None:
    found = course(noisy(lambda x: 0.5 + x / 3), "val/accuracy")
    assert (found.direction, found.trend) == ("max", "rises")
    assert course([0.5, 0.9, 0.7], "accuracy").best == 0.9
    assert course([0.5, 0.9, 0.7], "accuracy", direction="min").best == 0.5


def test_nan_is_told_with_the_step_where_it_began() -> None:
    found = course([1.0, 0.9, 0.8, math.nan, math.nan, math.inf])
    assert (found.nan_step, found.nans, found.infs) == (3, 2, 1)
    assert "2 NaN and 1 infinite, from step 3 on" in found.text
    nothing = course([math.nan])
    assert (nothing.best, nothing.trend) == (None, "none")


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [5.0] * 50, [1e300, -1e300] * 10, [0.0]])
def test_odd_curves_are_described_too(values: list[float]) -> None:
    assert course(values).points == len(values)


@pytest.mark.parametrize(
    ("key", "direction"),
    [
        ("loss", "min"),
        ("val/acc", "max"),
        ("testAccuracy", "max"),
        ("f1", "max"),
        ("accent", "min"),
        ("r2", "max"),
    ],
)
def test_the_name_of_a_metric_tells_what_is_better(key: str, direction: str) -> None:
    assert direction_of(key) == direction


# importance ---------------------------------------------------------------------------------------


def sweep(runs: int = 80) -> None:
    """Runs whose loss falls with lr's logarithm, depends on the optimizer a little, and on nothing else."""
    random.seed(3)
    for _ in range(runs):
        lr, optimizer = 10 ** random.uniform(-5, -1), random.choice(["adam", "sgd"])
        with ml.start_run("sweep"):
            ml.log_params({"lr": lr, "optimizer": optimizer, "seed": random.random(), "layers": [8, 8]})
            loss = -math.log10(lr) + (2 if optimizer == "sgd" else 0) + random.gauss(0, 0.1)
            ml.log_metric("loss", loss)


def test_what_matters_comes_first_and_what_does_not_gets_nothing() -> None:
    sweep()
    found: Importance = ask("get_importance", metric="loss", experiment="sweep")
    by_name = {one.param: one for one in found.params}
    assert [one.param for one in found.params][:2] == ["lr", "optimizer"]
    assert by_name["lr"].importance > 0.4
    assert by_name["lr"].correlation is not None
    assert by_name["lr"].correlation < -0.6
    assert by_name["lr"].best > 0.01
    assert by_name["optimizer"].best == "adam"
    assert by_name["seed"].importance < 0.15
    assert "layers" not in by_name  # never varied
    assert found.runs == 80


def test_too_few_runs_are_said_to_be_too_few() -> None:
    sweep(4)
    found = ask("get_importance", metric="loss")
    assert (found.params, found.runs) == ((), 4)
    assert "too few" in found.about
    assert ask("get_importance", metric="no such").runs == 0


# leaders ------------------------------------------------------------------------------------------


def test_leaders_come_in_order_with_what_tells_them_apart() -> None:
    for lr, curve in ((0.1, [0.9, 0.2, 0.8]), (0.01, [0.7, 0.5, 0.4]), (0.001, [math.nan])):
        with ml.start_run("l", name=f"lr {lr}"):
            ml.log_params({"lr": lr, "depth": 3})
            for value in curve:
                ml.log_metric("loss", value)
    best = ask("get_leaderboard", metric="loss")
    assert [(one.name, one.value, one.step) for one in best.leaders] == [
        ("lr 0.1", 0.2, 1),
        ("lr 0.01", 0.4, 2),
    ]
    assert (best.same, best.leaders[0].params) == ({"depth": 3}, {"lr": 0.1})
    last = ask("get_leaderboard", metric="loss", of="last", limit=1)
    assert [one.name for one in last.leaders] == ["lr 0.01"]
    assert ask("get_leaderboard", metric="loss", filter="params.lr < 0.05").leaders[0].name == "lr 0.01"
    with pytest.raises(NotFound, match="no run") as error:
        ask("get_leaderboard", metric="lss")
    assert "loss" in error.value.hint


# differences --------------------------------------------------------------------------------------


def test_the_param_that_matters_explains_a_difference() -> None:
    sweep(40)
    runs = []
    for lr, noise in ((0.1, 7), (1e-5, 8)):
        with ml.start_run("sweep") as run:
            ml.log_params({"lr": lr, "seed": noise, "optimizer": "adam", "layers": [8, 8]})
            ml.log_metric("loss", -math.log10(lr))
        runs.append(run.id)
    found: Explanation = ask("explain_difference", one=runs[0], other=runs[1])
    assert (found.metric, found.runs) == ("loss", 42)
    first = found.causes[0]
    assert (first.kind, first.key, first.one, first.other) == ("param", "lr", 0.1, 1e-5)
    assert "explains" in first.why
    assert found.outcomes[0].change == pytest.approx(4)
    assert "first of all param lr" in found.summary


def test_other_data_and_other_code_are_found() -> None:
    runs = []
    for data, diff in (([[1, 2]], "-a\n+b\n"), ([[1, 3]], "-a\n+c\n")):
        with ml.start_run("d") as run:
            ml.log_dataset(data, name="digits", role="train")
            ml.log_text("code/uncommitted.diff", diff)
            ml.log_metric("loss", 1.0)
        runs.append(run.id)
    found = ask("explain_difference", one=runs[0], other=runs[1], metric="loss")
    assert (found.causes[0].kind, found.causes[0].key) == ("data", "train: digits")
    assert "-+b" in found.code_diff
    assert "++c" in found.code_diff
    assert ask("explain_difference", one=runs[0], other=runs[0]).summary.endswith(
        "nothing that was recorded differs"
    )


# contents -----------------------------------------------------------------------------------------


def shown(name: str, log: Any, **more: Any) -> Any:
    with ml.start_run() as run:
        log()
    return ask("read_artifact", run_id=run.id, name=name, **more)


def test_texts_come_line_by_line() -> None:
    text = "\n".join(f"line {n}" for n in range(250))
    found = shown("a.txt", lambda: ml.log_text("a.txt", text))
    assert (found.kind, len(found.lines), found.total, found.next) == ("text", 100, 250, 100)
    rest = ask("read_artifact", run_id=found.run, name="a.txt", start=200, limit=100)
    assert (rest.lines[0], rest.lines[-1], rest.next) == ("line 200", "line 249", None)


def test_tables_come_row_by_row_whatever_keeps_them(tmp_path: Path) -> None:
    import pandas as pd

    rows = [{"a": n, "b": n / 2} for n in range(30)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["a", "b"])
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / "t.csv").write_text(buffer.getvalue())
    ways = {
        "json": lambda: ml.log_table("json", rows),
        "frame": lambda: ml.log_artifact("frame", pd.DataFrame(rows)),
        "t.csv": lambda: ml.log_file(tmp_path / "t.csv", "t.csv"),
    }
    for name, log in ways.items():
        found = shown(name, log, start=10, limit=5)
        assert (found.kind, list(found.columns), found.total, found.next) == ("table", ["a", "b"], 30, 15), (
            name
        )
        assert [float(row[1]) for row in found.rows] == [5.0, 5.5, 6.0, 6.5, 7.0]


def test_json_pictures_and_arrays(tmp_path: Path) -> None:
    found = shown("c", lambda: ml.log_artifact("c", {"a": [1, math.inf], "b": {"c": None}}))
    assert (found.kind, found.value["b"]) == ("json", {"c": None})
    json.dumps(found.value, allow_nan=False)
    picture = shown("p", lambda: ml.log_image("p", np.zeros((4, 6, 3), np.uint8)))
    assert (picture.kind, picture.content_type) == ("image", "image/png")
    assert Image.open(io.BytesIO(base64.b64decode(picture.image))).size == (6, 4)
    array = shown("n", lambda: ml.log_artifact("n", np.zeros((3, 5))))
    assert (array.kind, array.about) == (
        "array",
        "an array of float64 with the shape (3, 5), from 0 to 0, mean 0",
    )
    odd = shown("o", lambda: ml.log_artifact("o", np.array([1.0, np.nan, 3.0])))
    assert odd.about == "an array of float64 with the shape (3,), from 1 to 3, mean 2; 1 not finite"


class Bomb:
    def __reduce__(self) -> Any:
        return (open, ("/nowhere/at/all", "w"))


def test_nothing_is_loaded_that_could_run_code() -> None:
    found = shown("b", lambda: ml.log_artifact("b", Bomb(), format="pickle"))
    assert (found.kind, "may run code" in found.about) == ("other", True)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.parquet", b"PAR1 not really"), ("x.npy", b"\x93NUMPY\x01\x00\xff\xffgarbage"),
        ("x.json", b"{broken"),
        ("x.json", b"[" * 200_000), ("x.csv", b'"a\x00b"\n1,2'), ("x.png", b"\x89PNG\r\n\x1a\nrest"),
        ("x.txt", b"\xff\xfe\x00"), ("x", b""), ("x.bin", bytes(range(256))), ("x.csv", b""),
    ],
)  # fmt: skip
def test_damaged_files_are_shown_as_well_as_can_be(name: str, data: bytes) -> None:
    found = shown(name, lambda: ml.log_artifact(name, data))
    assert found.size == len(data)
    json.dumps([found.value, found.rows, found.lines], allow_nan=False)


def test_a_text_that_claims_to_be_a_picture_is_no_picture() -> None:
    found = shown("x.png", lambda: ml.log_artifact("x.png", b"<script>alert(1)</script>"))
    assert (found.kind, found.image) == ("text", "")


def test_too_large_pictures_are_not_given(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    found = shown("p", lambda: ml.log_image("p", noise))
    assert (found.kind, found.image) == ("other", "")
    assert "too large" in found.about


# charts -------------------------------------------------------------------------------------------


def test_a_chart_is_a_picture_with_a_line_for_each_run() -> None:
    runs = [logged([2 / (n + 1) + shift for n in range(50)]) for shift in (0.0, 1.0)]
    found = ask("draw_series", run_ids=runs, metric="loss", log=True)
    picture = Image.open(io.BytesIO(base64.b64decode(found.image)))
    assert (picture.format, picture.size[0]) == ("PNG", 800)
    colours = {colour for _, colour in picture.convert("RGB").getcolors(100_000)}
    assert any(blue > 180 > red for red, _, blue in colours)
    assert any(red > 180 > blue for red, _, blue in colours)
    assert len(found.about) == 2
    empty = ask("draw_series", run_ids=[logged([math.nan])], metric="loss")
    assert Image.open(io.BytesIO(base64.b64decode(empty.image))).size == (800, 418)
