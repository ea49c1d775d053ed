"""Models and their versions, as people use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import chachaml as ml
from chachaml.core.errors import BadValue, Conflict, MissingExtra, NoActiveRun, NotFound

reg = ml.registry


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Path:
    ml.connect(tmp_path / "chachaml.db")
    return tmp_path


def trained(weight: float, name: str = "iris", **about: Any) -> Any:
    """Return a version made of a run of its own."""
    with ml.start_run("iris", name=f"w={weight}"):
        ml.log_params({"weight": weight, "same": 1})
        ml.log_metric("accuracy", weight / 10)
        ml.log_dataset(np.arange(4), name="data", role="train")
        ml.log_artifact("model", {"weight": weight})
        return reg.register_model(name, artifact="model", **about)


def test_row_39_a_model_is_registered_inside_a_run() -> None:
    with ml.start_run("iris") as run:
        ml.log_artifact("model", {"weights": [1.0, 2.0]})
        made = reg.register_model(
            "iris-classifier", artifact="model", stage="staging", description="first", tags={"team": "a"}
        )
    assert (made.model, made.version, made.stage, made.run) == ("iris-classifier", 1, "staging", run.id)
    assert (made.description, made.tags, made.artifact) == ("first", {"team": "a"}, "model")
    assert repr(made) == (
        f"<iris-classifier version 1, staging: model of run {run.id[-8:]}, json, {made.size} B>  first"
    )


def test_outside_a_run_the_run_is_named() -> None:
    with ml.start_run() as run:
        kept = ml.log_artifact("model", [1])
    with pytest.raises(NoActiveRun):
        reg.register_model("m", artifact="model")
    assert reg.register_model("m", artifact="model", run=run).run == run.id
    assert reg.register_model("m", artifact="model", run=run.id[-8:]).version == 2
    assert kept is not None
    assert reg.register_model("m", kept).version == 3
    copy = reg.register_model("other", artifact="model://m/2")
    assert (copy.version, copy.run, copy.digest) == (1, run.id, kept.digest)


def test_row_40_versions_count_from_one_upward() -> None:
    assert [trained(n).version for n in (1, 2, 3)] == [1, 2, 3]
    assert [one.version for one in reg.versions("iris")] == [1, 2, 3]
    reg.delete_version("iris", 3)
    assert trained(4).version == 4


REGISTERS = """
import sys, chachaml as ml
for _ in range(5):
    with ml.start_run("iris"):
        ml.log_artifact("model", [1])
        print(ml.registry.register_model("iris", artifact="model", stage="production").version)
"""


def test_row_40_sixteen_processes_that_register_at_once_share_no_number(store: Path) -> None:
    command = [sys.executable, "-c", REGISTERS]
    going = [subprocess.Popen(command, cwd=store, stdout=subprocess.PIPE, text=True) for _ in range(16)]
    given = [int(line) for one in going for line in one.communicate(timeout=120)[0].split()]
    assert sorted(given) == [*range(1, 81)]
    assert [one.stage for one in reg.versions("iris")].count("production") == 1


def test_row_41_and_42_versions_move_and_one_is_in_production() -> None:
    for weight in (1, 2):
        trained(weight)
    assert reg.promote("iris", 1, "production").stage == "production"
    assert reg.promote("iris", 2).stage == "production"
    assert [one.stage for one in reg.versions("iris")] == ["archived", "production"]
    with pytest.raises(NotFound, match="no version 9"):
        reg.promote("iris", 9, "production")
    with pytest.raises(NotFound, match="no model 'irs'") as error:
        reg.promote("irs", 1)
    assert "there is 'iris'" in error.value.hint
    with pytest.raises(BadValue, match="no stage 'prod'"):
        reg.promote("iris", 1, "prod")  # type: ignore[arg-type]
    assert [one.stage for one in reg.versions("iris")] == ["archived", "production"]


def test_row_43_44_and_45_versions_are_loaded_by_number_stage_and_alias() -> None:
    trained(1, stage="production")
    trained(2, stage="staging")
    trained(3, stage="staging", alias="champion")
    trained(4, stage="archived")
    for selector, weight in ((None, 1), (3, 3), ("3", 3), ("staging", 3), ("champion", 3), (4, 4)):
        assert reg.load_model("iris", selector) == {"weight": weight}
    for name, weight in (
        ("iris@champion", 3),
        ("model://iris/production", 1),
        ("model://iris/2", 2),
        ("model://iris@champion", 3),
        ("model://iris", 1),
    ):
        assert ml.load_model(name) == {"weight": weight}
        if name.startswith("model://"):
            assert ml.load_artifact(name) == {"weight": weight}
            assert ml.artifact_path(name).stat().st_size == 16
    with pytest.raises(NotFound, match="no stage or alias 'chmpion'") as error:
        reg.load_model("iris", "chmpion")
    assert "1 (production), 2 (staging)" in error.value.hint
    reg.promote("iris", 1, "none")
    with pytest.raises(NotFound, match="no version in production"):
        reg.load_model("iris")
    with pytest.raises(BadValue):
        reg.load_model("iris", 1.5)  # type: ignore[arg-type]


def test_a_version_is_downloaded(store: Path) -> None:
    trained(7, stage="production")
    assert ml.download_artifact("model://iris/production", to=store / "out").name == "model"
    assert (store / "out" / "model").stat().st_size == 16


def test_aliases_move_and_go() -> None:
    trained(1), trained(2)
    assert reg.set_alias("iris", "blue", 1).aliases == ("blue",)
    reg.set_alias("iris", "blue", 2, comment="swap")
    assert (reg.model("iris").aliases, reg.load_model("iris@blue")) == ({"blue": 2}, {"weight": 2})
    assert reg.delete_alias("iris", "blue").aliases == {}
    for bad in ("production", "12", "", "a@b"):
        with pytest.raises(BadValue):
            reg.set_alias("iris", bad, 1)
    with pytest.raises(NotFound):
        reg.set_alias("iris", "blue", 3)


def test_what_was_done_is_told_and_rolled_back() -> None:
    for weight in (1, 2, 3):
        trained(weight)
    for number in (1, 2, 3):
        reg.promote("iris", number, comment=f"try {number}")
    told = repr(reg.model("iris").history(limit=2)).splitlines()
    assert told[0].endswith("iris version 3: stage: none -> production  (try 3)")
    assert told[1].endswith("iris version 2: stage: production -> archived  (try 3)")
    assert reg.roll_back("iris").version == 2
    assert reg.history("iris", limit=1)[0].comment == "try 3" or reg.history("iris")[1].comment
    reg.delete_version("iris", 3)
    assert reg.roll_back("iris", comment="again").version == 1
    assert {one.comment for one in reg.version("iris", 1).history(limit=1)} == {"again"}
    trained(1, "new")
    with pytest.raises(NotFound, match="no other version in production"):
        reg.roll_back("new")


def test_row_46_two_versions_are_compared() -> None:
    trained(1, tags={"k": "1"}), trained(2, tags={"k": "2"})
    found = reg.diff_versions("iris", 1, 2)
    assert found.params.differ == {"weight": [1, 2]}
    assert found.params.same == {"same": 1}
    assert found.metrics.differ == {"accuracy": [0.1, 0.2]}
    assert found.tags.differ == {"k": ["1", "2"]}
    assert list(found.data.same) == ["train/data"]
    assert list(found.files.differ) == ["model"]
    assert ("params", "weight") in [(row["section"], row["key"]) for row in found.to_table()]
    assert "version 1" in repr(found)
    run = reg.version("iris", 1).run
    reg.register_model("iris", run=run)
    assert "differ in nothing" in repr(reg.diff_versions("iris", 3, 3))


def test_where_a_version_comes_from() -> None:
    with ml.start_run("iris", name="sweep") as sweep, ml.start_run("iris") as run:
        ml.log_dataset(np.arange(4), name="data", role="train")
        ml.log_artifact("model", [1])
        reg.register_model("a")
        reg.register_model("b")
    found = reg.lineage("a", 1)
    assert found.run is not None
    assert found.parent is not None
    assert (found.run.id, found.parent.id) == (run.id, sweep.id)
    assert [one.name for one in found.datasets] == ["data"]
    assert [one.model for one in found.siblings] == ["b"]
    assert [one.model for one in reg.versions(run=run)] == ["a", "b"]
    assert "parent" in repr(found)


def test_row_47_a_model_has_a_note() -> None:
    trained(1, model_description="Irises")
    reg.set_model_note("iris", "# Why\n$x^2$")
    model = reg.describe_model("iris", tags={"owner": "ada"})
    assert (model.note, model.description, model.tags) == ("# Why\n$x^2$", "Irises", {"owner": "ada"})
    assert reg.describe_version("iris", 1, description="best", tags={"a": 1}).tags == {"a": "1"}
    assert "# Why" in repr(reg.models())
    assert ml.experiments()[0].name == "iris"
    assert len(ml.experiments()) == 1


def test_a_model_is_inspected_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    trained(1, stage="production"), trained(2)
    ml.inspect("iris")
    by_name = capsys.readouterr().out
    ml.inspect(reg.model("iris"))
    assert capsys.readouterr().out == by_name
    lines = by_name.splitlines()
    assert lines[0] == "iris  2 versions, version 1 in production"
    assert [line.split(":")[0] for line in lines[-2:]] == ["<iris version 1, production", "<iris version 2"]
    with pytest.raises(NotFound):
        ml.inspect("irs")


def test_row_48_a_path_or_an_unknown_name_is_explained() -> None:
    with ml.start_run():
        ml.log_artifact("model", [1])
        for path in ("/tmp/model.pkl", "./model", "..\\m", "C:\\m", "~/m"):
            with pytest.raises(NotFound, match="has no artifact") as error:
                reg.register_model("m", artifact=path)
            assert "is a path" in error.value.hint
        with pytest.raises(NotFound) as error:
            reg.register_model("m", artifact="modl")
        assert error.value.hint == "it has 'model'"
        for bad in ("", "a@b"):
            with pytest.raises(BadValue):
                reg.register_model(bad)
        with pytest.raises(BadValue, match="no stage"):
            reg.register_model("m", stage="live")  # type: ignore[arg-type]
    assert reg.models() == ()


def test_production_is_deleted_by_force_only_and_bytes_come_back(store: Path) -> None:
    trained(1, stage="production")
    with pytest.raises(Conflict, match="in production") as error:
        reg.delete_model("iris")
    assert "force=True" in error.value.hint
    run = reg.version("iris").run
    assert ml.delete_runs(run).bytes < reg.version("iris").size + 50
    assert reg.load_model("iris") == {"weight": 1}
    assert reg.lineage("iris").run is None
    gone = reg.delete_model("iris", force=True)
    assert (gone.versions, gone.bytes) == ((1,), 16)
    with pytest.raises(NotFound, match="no model 'iris'"):
        reg.load_model("iris")
    assert reg.history("iris")[0].what == "deleted"


def test_registering_while_disabled_gives_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_MODE", "disabled")
    ml.connect()
    with ml.start_run():
        assert reg.register_model("m").version == 0
    monkeypatch.delenv("CHACHAML_MODE")


# models -------------------------------------------------------------------------------------------


def test_a_model_is_kept_with_what_it_takes_gives_and_needs() -> None:
    data = load_iris(as_frame=True)
    fitted = LogisticRegression(max_iter=500).fit(data.data, data.target)
    with ml.start_run("iris"):
        made = ml.log_model(fitted, example=data.data.head(3), register_as="iris", stage="production")
    assert (made.format, made.about["class"]) == (
        "skops",
        "sklearn.linear_model._logistic.LogisticRegression",
    )
    assert made.about["inputs"]["columns"]["sepal length (cm)"] == "float64"
    assert made.about["outputs"] == {"type": "int64", "shape": [None]}
    assert [text.split("==")[0] for text in made.about["requirements"]] == ["scikit-learn", "skops", "numpy"]
    loaded = ml.load_model("iris")
    assert (loaded.predict(data.data) == fitted.predict(data.data)).all()


def test_a_model_is_only_kept_unless_it_is_to_be_registered() -> None:
    with ml.start_run() as run:
        kept = ml.log_model({"weights": [1]}, "plain")
        assert kept is not None
        assert kept.format == "json"
        with pytest.raises(BadValue, match="register_as"):
            ml.log_model([1], "other", stage="production")  # type: ignore[call-overload]
        run.log_model([2], "third")
    assert [one.name for one in ml.list_artifacts(run)] == [
        "plain",
        "plain.about.json",
        "third",
        "third.about.json",
    ]
    assert reg.models() == ()


def boosters() -> dict[str, Any]:
    """Return models of other libraries by their format, fitted on irises."""
    import lightgbm
    import onnx
    import xgboost

    features, target = load_iris(return_X_y=True)
    boosted = xgboost.XGBClassifier(n_estimators=3).fit(features, target)
    light = lightgbm.train({"verbose": -1}, lightgbm.Dataset(features, target), num_boost_round=3)
    graph = onnx.helper.make_graph([], "empty", [], [])
    return {
        "xgboost": boosted,
        "xgboost booster": boosted.get_booster(),
        "lightgbm": light,
        "onnx": onnx.helper.make_model(graph),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_of_other_libraries_are_kept_in_their_own_formats() -> None:
    import xgboost

    features, _ = load_iris(return_X_y=True)
    with ml.start_run():
        made = {name: ml.log_model(model, name, register_as=name) for name, model in boosters().items()}
    assert {name: one.format for name, one in made.items()} == {name: name.split()[0] for name in made}
    loaded, models = {name: reg.load_model(name, 1) for name in made}, boosters()
    assert isinstance(loaded["xgboost"], xgboost.XGBClassifier)
    assert (loaded["xgboost"].predict(features) == models["xgboost"].predict(features)).all()
    matrix = xgboost.DMatrix(features)
    assert (loaded["xgboost booster"].predict(matrix) == models["xgboost booster"].predict(matrix)).all()
    assert (loaded["lightgbm"].predict(features) == models["lightgbm"].predict(features)).all()
    assert loaded["onnx"] == models["onnx"]


def test_a_missing_library_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ml.start_run():
        made = ml.log_model(boosters()["lightgbm"], register_as="light")
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtra, match="lightgbm, which is not installed") as error:
        made.load()
    assert error.value.hint == "pip install lightgbm"


def test_a_model_is_renamed() -> None:
    with ml.start_run() as run:
        ml.log_artifact("model", [1])
    reg.register_model("iris", run=run, artifact="model", stage="production")
    assert (reg.rename_model("iris", "flowers").name, reg.load_model("flowers")) == ("flowers", [1])
    assert reg.history("flowers")[0].what == "renamed"
    with pytest.raises(NotFound):
        reg.rename_model("iris", "other")
    with pytest.raises(Conflict, match="there is a model 'flowers' already"):
        reg.rename_model("flowers", "flowers")
    with pytest.raises(BadValue):
        reg.rename_model("flowers", "a@b")
