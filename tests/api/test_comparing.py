"""Comparing, exporting, SQL, plots: what people do with runs that they found."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import chachaml as ml
from chachaml.core.errors import BadQuery, BadValue, NotFound

pytestmark = pytest.mark.usefixtures("folder")


def logged(name: str = "", params: Any = None, metrics: Any = None, **fields: Any) -> str:
    with ml.start_run(fields.pop("experiment", "iris"), name=name or None, **fields) as run:
        run.log_params(params or {})
        run.log_metrics(metrics or {})
    return run.id


# comparing ----------------------------------------------------------------------------------------


def test_runs_are_compared_in_what_they_share_and_differ() -> None:
    """Same, differ, partial; values aligned to the runs."""
    one = logged("one", {"lr": 0.1, "depth": 3, "use": True, "odd": math.nan}, {"acc": 0.5, "loss": 1.0})
    two = logged("two", {"lr": 0.2, "depth": 3.0, "use": 1, "odd": math.nan}, {"acc": 0.5})
    compared = ml.compare_runs([one, two])
    assert [run.id for run in compared.runs] == [one, two]
    assert set(compared.params.same) == {"depth", "odd"}
    assert compared.params.differ == {"lr": [0.1, 0.2], "use": [True, 1]}
    assert compared.metrics.same == {"acc": 0.5}
    assert compared.metrics.partial == {"loss": [1.0, None]}
    assert ml.compare(two, one, two).params.differ["lr"] == [0.2, 0.1]
    assert ml.compare(ml.runs()).params.differ["lr"] == [0.2, 0.1]
    assert ml.compare_runs([one]).params.same["lr"] == 0.1
    assert repr(ml.compare_runs([])) == "no runs to compare"
    with pytest.raises(NotFound):
        ml.compare_runs([one, "0" * 32])


def test_a_comparison_prints_and_goes_further(capsys: pytest.CaptureFixture[str]) -> None:
    one = logged("one", {"lr": 0.1, "batch": 32}, {"acc": 0.5})
    two = logged("two", {"lr": 0.2, "batch": 32}, {"acc": math.nan}, tags={"team": "vision"})
    compared = ml.compare_runs([one, two])
    ml.print_comparison(compared)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "params (1 differ, 1 the same)"
    assert lines[5].split() == ["lr", "0.1", "0.2"]
    assert lines[6] == "  same: batch=32"
    assert lines[-1].split() == ["team", "-", "vision"]
    assert json.loads(compared.to_json())["metrics"]["differ"] == {"acc": [0.5, "NaN"]}
    frame = compared.df().set_index("key")
    assert (frame.loc["lr", "one"], frame.loc["lr", "compares"]) == (0.1, "differ")


# exporting ----------------------------------------------------------------------------------------


def test_every_run_is_exported_as_a_flat_map() -> None:
    """With no silent limit."""
    for number in range(150):
        logged(params={"lr": number / 10}, metrics={"acc": number})
    found = ml.export_runs()
    assert len(found) == 150
    assert found[0].keys() >= {"id", "name", "experiment", "status", "started", "duration", "lr", "acc"}
    assert (found[0]["lr"], found[0]["acc"]) == (14.9, 149)
    assert len(ml.export_runs("metrics.acc < 10", order_by="metrics.acc")) == 10
    assert [row["acc"] for row in ml.export_runs("metrics.acc < 3", order_by="metrics.acc")] == [0, 1, 2]


def test_no_value_hides_another() -> None:
    logged(params={"lr": 1, "name": "p"}, metrics={"lr": 2.0, "status": 3.0}, tags={"lr": "tag"})
    (row,) = ml.export_runs()
    assert row["status"] == "completed"
    assert (row["params.lr"], row["metrics.lr"], row["tags.lr"]) == (1, 2.0, "tag")
    assert (row["params.name"], row["metrics.status"]) == ("p", 3.0)


def test_a_text_that_looks_like_a_formula_is_no_formula_in_csv(folder: Path) -> None:
    logged("=cmd|'/c calc'!A0", {"=key": "+1", "at": "@x", "n": -5, "t": "\t1"}, {"m": -1.5})
    path = ml.export_runs(path="runs.csv")
    rows = list(csv.DictReader(io.StringIO(Path(path).read_text())))
    assert rows[0]["name"].startswith("'=cmd")
    assert (rows[0]["'=key"], rows[0]["at"], rows[0]["t"]) == ("'+1", "'@x", "'\t1")
    assert (rows[0]["n"], rows[0]["m"]) == ("-5", "-1.5")
    assert ml.export_runs(format="csv") == (folder / "runs.csv").read_bytes().decode()


def test_exports_keep_their_values_in_every_format(folder: Path) -> None:
    odd = {"text": 'a,"b"\n', "list": [1, {"a": None}], "none": None, "big": 10**30, "flag": True}
    logged("one", odd, {"nan": math.nan, "inf": math.inf, "x": 0.1})
    logged("two", {"text": 5}, {})
    lines = [json.loads(line) for line in ml.export_runs(format="jsonl").splitlines()]
    assert {key: lines[1][key] for key in odd} == odd
    assert (lines[1]["nan"], lines[1]["inf"], lines[0]["nan"]) == ("NaN", "Infinity", None)
    frame = ml.export_runs(format="df")
    assert (frame.loc[1, "list"], frame.loc[1, "x"]) == ([1, {"a": None}], 0.1)
    ml.export_runs(path="runs.parquet")
    table = pq.read_table("runs.parquet")
    assert table.column("x").to_pylist() == [None, 0.1]
    assert table.column("text").to_pylist() == ["5", 'a,"b"\n']
    assert math.isnan(table.column("nan").to_pylist()[1])
    assert str(table.schema.field("started").type) == "timestamp[us, tz=UTC]"


def test_bad_formats_are_refused() -> None:
    for wrong in ({"format": "xml"}, {"format": "parquet"}, {"format": "df", "path": "x"}, {"path": "x.xls"}):
        with pytest.raises(BadValue):
            ml.export_runs(**wrong)


def test_runs_and_tables_are_taken_by_other_libraries() -> None:
    """Through Arrow's C stream, without a copy by hand."""
    logged("one", {"lr": 0.1}, {"acc": 0.5})
    logged("two", {"lr": 0.2}, {"acc": 0.7})
    runs = ml.runs()
    assert pa.table(runs).column("lr").to_pylist() == [0.2, 0.1]
    assert pl.DataFrame(runs.to_table())["acc"].to_list() == [0.7, 0.5]
    assert isinstance(runs.df(), pd.DataFrame)
    assert runs[0].df()["name"].tolist() == ["two"]
    assert json.loads(runs.to_json())[0]["params"] == {"lr": 0.2}
    assert json.loads(runs[0].to_json())["name"] == "two"


def test_points_and_lists_go_further_too() -> None:
    with ml.start_run() as run:
        for step in range(3):
            run.log_metric("loss", step / 2, step)
        run.log_text("a.txt", "a")
    points = ml.metric(run, "loss")
    assert points.df()["value"].tolist() == [0.0, 0.5, 1.0]
    assert pa.table(points).column("step").to_pylist() == [0, 1, 2]
    assert points.to_dict()["values"] == [0.0, 0.5, 1.0]
    assert "3 points, steps 0 to 2, last 1" in repr(points)
    listed = ml.list_artifacts(run)
    assert listed.df()["name"].tolist() == ["a.txt"]
    assert json.loads(listed.to_json())[0]["size"] == 1
    assert "a.txt" in listed._repr_html_()
    assert "a.txt" in repr(listed)
    assert ml.experiments().df()["runs"].tolist() == [1]


# SQL ----------------------------------------------------------------------------------------------


def test_sql_reads_the_documented_views() -> None:
    run = logged("one", {"lr": 0.1, "opt": "adam"}, {"acc": 0.5}, tags={"team": "x"})
    found = ml.sql(
        """SELECT runs.name, runs.status, p.value AS lr, m.last AS acc FROM runs
        JOIN params p ON p.run = runs.id AND p.key = 'lr'
        JOIN metrics m ON m.run = runs.id WHERE runs.id = ?""",
        [run],
    )
    assert found.to_dicts() == [{"name": "one", "status": "completed", "lr": "0.1", "acc": 0.5}]
    assert ml.sql("SELECT value FROM params WHERE key = 'opt'")["value"] == ["adam"]
    for view in ("runs", "params", "metrics", "tags", "artifacts", "datasets", "experiments"):
        assert ml.sql(f"SELECT * FROM {view} LIMIT 0").columns
    many = ml.sql("SELECT key FROM params ORDER BY key", limit=1)
    assert (len(many), many.more) == (1, True)
    assert ml.sql("SELECT 1 AS a, 2 AS a").columns == ("a:1", "a:2")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", ml.sql("SELECT started FROM runs")[0]["started"]
    )


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM main.runs",
        "UPDATE main.params SET value = 1",
        "INSERT INTO main.tags VALUES (1, 1, 1)",
        "DROP TABLE main.runs",
        "CREATE TEMP TABLE t (a)",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "PRAGMA journal_mode = DELETE",
        "SELECT 1; DELETE FROM main.runs",
        "SELECT load_extension('x')",
        "BEGIN IMMEDIATE",
    ],
)
def test_sql_changes_nothing(query: str, folder: Path) -> None:
    logged()
    with pytest.raises(BadValue):
        ml.sql(query)
    assert len(ml.runs()) == 1
    assert not (folder / "copy.db").exists()
    assert not (folder / "other.db").exists()


def test_bad_sql_shows_its_place() -> None:
    logged()
    with pytest.raises(BadQuery, match=r"no such column: naem(?s:.*)\^"):
        ml.sql("SELECT naem FROM runs")
    with pytest.raises(BadValue):
        ml.sql("SELECT ?", [])


def test_sql_on_an_empty_place_says_so() -> None:
    with pytest.raises(BadValue, match="log a run first"):
        ml.sql("SELECT 1")


# looking ------------------------------------------------------------------------------------------


def test_a_plot_shows_a_spike_and_saves_as_svg(folder: Path) -> None:
    with ml.start_run(name="spiky") as run:
        for step in range(5000):
            run.log_metric("loss", 100.0 if step == 3333 else 1.0, step)
    drawn = ml.plot("loss", run)
    top = repr(drawn).splitlines()[1]
    assert "100 ┤" in top
    assert any("\u2800" < character <= "\u28ff" for character in top)
    svg = drawn.save("loss.svg").read_text()
    assert svg.startswith("<svg xmlns=")
    heights = [float(y) for y in re.findall(r"[\d.]+,([\d.]+)", svg.partition("<polyline")[2])]
    assert min(heights) == pytest.approx(26, abs=0.1)
    with pytest.raises(BadValue):
        drawn.save("loss.png")
    assert ml.plot("loss").runs == drawn.runs
    assert "seconds" in ml.plot("loss", [run], x="relative").to_svg()
    with pytest.raises(NotFound, match="they have: loss"):
        ml.plot("acc", run)
    with pytest.raises(BadValue):
        ml.plot("loss", run, smooth=1.0)


def test_smoothing_is_the_debiased_average() -> None:
    """By the formula, written out: sum of w^(n-i) v_i over sum of w^(n-i)."""
    values = [3.0, math.nan, 1.0, 4.0, 1.0, 5.0]
    with ml.start_run() as run:
        for step, value in enumerate(values):
            run.log_metric("x", value, step)
    curve = ml.plot("x", run, smooth=0.6).curves()[0].ys
    finite = [value for value in values if value == value]
    weights = [np.array([0.6 ** (n - i) for i in range(n + 1)]) for n in range(len(finite))]
    expected = [float(w @ finite[: len(w)] / w.sum()) for w in weights]
    assert [y for y in curve if y == y] == pytest.approx(expected)
    assert math.isnan(curve[1])


def test_runs_are_listed_and_inspected_at_the_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    """runs-table and inspect print what the prompt would show."""
    run = logged("one", {"lr": 0.1}, {"acc": 0.5})
    ml.runs_table("params.lr > 0")
    assert "one" in capsys.readouterr().out
    for what in (run, run[-8:], ml.run(run), ml.compare(run)):
        ml.inspect(what)
        assert "lr" in capsys.readouterr().out
    ml.inspect(None)
    assert "nothing" in capsys.readouterr().out
    with pytest.raises(NotFound):
        ml.inspect("feedfeed")


def test_rich_prints_in_colour() -> None:
    from rich.console import Console

    logged("one", {"lr": 0.1}, {"acc": 0.5})
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    console.print(ml.runs(), ml.last_run(), ml.compare(ml.runs()), ml.plot("acc"))
    assert "\x1b[32mcompleted" in console.file.getvalue()  # type: ignore[attr-defined]
