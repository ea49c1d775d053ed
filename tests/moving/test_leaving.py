"""Leaving: what is exported is all there, opens without chachaml, and runs nothing that users wrote."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, NotFound

HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\u202e&lt;"


@pytest.fixture
def store(folder: Path) -> Path:
    for number in range(3):
        with ml.start_run("digits", name=f"run {number}", tags={"team": "vision"}) as run:
            ml.log_params({"lr": 0.1 * number, "deep": {"a": [1, None]}, "model": "cnn", "on": True})
            for step in range(40):
                ml.log_metrics(
                    {"loss": number + 1 / (step + 1), "odd": math.nan if step == 3 else math.inf}, step
                )
            ml.log_artifact("model", {"w": [1, 2]})
            ml.log_text("notes/why.md", "to see")
            ml.log_dataset(name="mnist", hash="abc", rows=6)
        ml.set_note(run, f"# note {number}")
    with ml.start_run("other"):
        pass
    ml.registry.register_model("net", run=run.id, artifact="model")
    ml.archive_runs(experiment="other")
    return folder


# Parquet --------------------------------------------------------------------------------------------


def test_everything_is_in_parquet_and_files(store: Path) -> None:
    done = ml.export_parquet("out")
    assert (done.runs, done.points, done.artifacts, done.left) == (4, 240, 6, ())
    runs = pd.read_parquet("out/runs.parquet").set_index("id")
    points = pd.read_parquet("out/points")
    for run in ml.runs(archived=None):
        assert runs.loc[run.id, "name"] == run.name
        assert runs.loc[run.id, "started"].to_pydatetime() == run.started
        for key in run.metrics:
            ours = ml.metric(run, key)
            theirs = points[(points["run"] == run.id) & (points["key"] == key)]
            assert theirs["step"].tolist() == ours.steps.tolist()
            assert repr(theirs["value"].tolist()) == repr(ours.values.tolist())
            assert theirs["time"].tolist() == [pd.Timestamp(one, unit="us", tz="UTC") for one in ours.times]
    params = pl.read_parquet("out/params.parquet")
    deep = params.filter(pl.col("key") == "deep.a")["value"].to_list()
    assert [json.loads(one) for one in deep] == [[1, None]] * 3
    files = pd.read_parquet("out/artifacts.parquet")
    model = files[files["name"] == "model"].iloc[0]
    assert json.loads(Path("out/artifacts", model["path"]).read_text()) == {"w": [1, 2]}
    assert pd.read_parquet("out/versions.parquet")["model"].tolist() == ["net"]
    assert set(pd.read_parquet("out/tags.parquet")["key"]) == {"note", "team"}


def test_the_folder_says_itself_what_is_in_it(store: Path) -> None:
    ml.export_parquet("out", experiment="digits", artifacts=False)
    readme = Path("out/README.md").read_text()
    for path in Path("out").glob("*.parquet"):
        (listed,) = re.findall(rf"\| {re.escape(path.name)} \| (.*) \|", readme)
        assert pl.read_parquet(path).columns == listed.split(", ")
    assert not Path("out/artifacts").exists()
    assert len(pl.read_parquet("out/runs.parquet")) == 3
    with pytest.raises(BadValue, match="is not an empty folder"):
        ml.export_parquet("out")


# MLflow -----------------------------------------------------------------------------------------------


def test_a_folder_for_mlflow_comes_back_the_same(store: Path) -> None:
    with ml.start_run("digits", name="odd: 'names'") as run:
        ml.log_metric("a b/c-d", 1.0)
        ml.log_metric("näme", 1.0)
    done = ml.export_mlflow("mlruns")
    assert sorted((one.what, one.name) for one in done.left) == [("metric", "näme"), ("model", "net")]
    before = {run.id: ml.run(run.id) for run in ml.runs(archived=None)}
    ml.connect("again.db")
    assert ml.import_runs("mlflow", "mlruns").left == ()
    assert ml.count_runs(archived=None) == 5
    for id_, ours in before.items():
        theirs = ml.run(id_)
        assert (theirs.name, theirs.experiment, theirs.status) == (ours.name, ours.experiment, ours.status)
        assert (theirs.archived is None) == (ours.archived is None)
        assert theirs.note == ours.note
        assert theirs.params == ({**ours.params, "deep.a": "[1,null]"} if ours.params else {})
        assert repr(theirs.metrics) == repr({k: v for k, v in ours.metrics.items() if k != "näme"})
        assert {one.digest for one in theirs.artifacts} >= {one.digest for one in ours.artifacts}
    assert run.id in before


# HTML -------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_one_page_has_tables_charts_and_notes(store: Path) -> None:
    ml.export_html("report.html", experiment="digits", title="Digits")
    text = Path("report.html").read_text()
    page = Page(text)
    assert page.tags.count("details") == 3
    assert page.tags.count("polyline") >= 3
    said = " ".join(page.text)
    assert "# note 2" in said and "run 1" in said and "Digits" in said
    assert "default-src 'none'" in text
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert not re.search(r"(?:src|href)\s*=", text)


def test_what_users_wrote_does_nothing_in_a_page(folder: Path) -> None:
    with ml.start_run(HOSTILE, name=HOSTILE, tags={HOSTILE: HOSTILE}) as run:
        ml.log_params({HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}})
        for step in range(5):
            ml.log_metric(HOSTILE, step, step)
        ml.log_text("x" + HOSTILE.replace("/", "_"), HOSTILE)
    ml.set_note(run, HOSTILE)
    ml.export_html("report.html", title=HOSTILE)
    page = Page(Path("report.html").read_text())
    assert not {"script", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on")}
    assert page.tags.count("title") >= 1


def test_fifty_runs_fit_into_five_megabytes(folder: Path) -> None:
    from chachaml.core.changes import Batch
    from chachaml.core.ids import new_id
    from chachaml.testing import ended, points, started

    store = ml.connect().store(create=True)
    for number in range(60):
        run = new_id()
        changes = [
            points(run, f"m{key}", [math.sin(x / 7 + number) for x in range(500)]) for key in range(70)
        ]
        store.apply(Batch((started(run), *changes, ended(run)), command=new_id()))
    ml.export_html("report.html")
    assert Path("report.html").stat().st_size < 5_000_000
    page = Page(Path("report.html").read_text())
    assert page.tags.count("details") == 50
    assert "Without a chart" in " ".join(page.text)


def test_chosen_runs_are_those_named_or_met(store: Path) -> None:
    run = ml.runs("name = 'run 1'")[0]
    ml.export_html("one.html", [run])
    assert Path("one.html").read_text().count("<details>") == 1
    with pytest.raises(NotFound):
        ml.export_html("none.html", filter="params.lr > 5")
    with pytest.raises(BadValue):
        ml.export_html("none.html", [run], filter="params.lr > 5")
    assert not Path("none.html").exists()


def test_the_command_exports_all_of_them(store: Path) -> None:
    ml.connect().close()
    for arguments in (
        ["report.html"],
        ["out", "--format", "folder"],
        ["mlruns", "--format", "mlflow", "-e", "digits"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "chachaml", "export", *arguments], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (
        Path("report.html").exists() and Path("out/points").is_dir() and Path("mlruns/1/meta.yaml").exists()
    )
