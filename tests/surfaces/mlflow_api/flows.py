"""What a person does with MLflow's own client, to be run by one: python flows.py URL [TOKEN]."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
if len(sys.argv) > 2:
    os.environ["MLFLOW_TRACKING_TOKEN"] = sys.argv[2]
warnings.filterwarnings("ignore")

import mlflow  # noqa: E402 - once it is told where to ask
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
RELEASE = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
MAJOR = RELEASE[0]
NAME = f"client {mlflow.__version__}"


def refused(code: str, act: Any, *given: Any, **named: Any) -> None:
    try:
        act(*given, **named)
    except MlflowException as error:
        assert error.error_code == code, error
    else:
        raise AssertionError(f"{act} was not refused")


def tracking() -> str:
    experiment = mlflow.set_experiment(NAME)
    with mlflow.start_run(run_name="first", tags={"team": "a"}) as run:
        mlflow.log_params({"lr": 0.1, "depth": 3, "flag": True, "none": None, "text": ""})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"nan": float("nan"), "inf": float("inf")})
        mlflow.set_tag("mlflow.note.content", "a note")
        mlflow.log_text("hello", "sub/dir/hello.txt")
        mlflow.log_dict({"a": 1}, "d.json")
        with mlflow.start_run(run_name="child", nested=True):
            mlflow.log_metric("loss", 9.0)
    found = client.get_run(run.info.run_id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "first")
    assert found.data.params == {"lr": "0.1", "depth": "3", "flag": "True", "none": "None", "text": ""}
    assert (found.data.metrics["loss"], found.data.tags["mlflow.note.content"]) == (0.2, "a note")
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(step, 1 / (step + 1)) for step in range(5)]
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["d.json", "sub"]
    path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="sub")
    assert (Path(path) / "dir/hello.txt").read_text() == "hello"

    def names(filter: str = "", **given: Any) -> list[str]:
        return [one.info.run_name for one in client.search_runs([experiment.experiment_id], filter, **given)]

    assert names("metrics.loss < 0.3 and params.lr = '0.1'") == ["first"]
    assert names(f"tags.mlflow.parentRunId = '{run.info.run_id}'") == ["child"]
    assert names("attributes.status = 'FINISHED'", order_by=["metrics.loss ASC"]) == ["first", "child"]
    page = client.search_runs([experiment.experiment_id], max_results=1)
    rest = client.search_runs([experiment.experiment_id], max_results=1, page_token=page.token)
    assert [one.info.run_name for one in (*page, *rest)] == ["child", "first"]
    refused("INVALID_PARAMETER_VALUE", client.log_param, run.info.run_id, "lr", "0.2")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    client.delete_run(run.info.run_id)
    refused("INVALID_PARAMETER_VALUE", client.log_metric, run.info.run_id, "loss", 1.0)
    assert (names(), names(run_view_type=3)) == (["child"], ["child", "first"])
    client.restore_run(run.info.run_id)
    return str(run.info.run_id)


def experiments() -> None:
    number = client.create_experiment(f"{NAME} made", tags={"a": "b"})
    client.set_experiment_tag(number, "c", "d")
    client.rename_experiment(number, f"{NAME} renamed")
    found = client.get_experiment(number)
    assert (found.name, found.tags) == (f"{NAME} renamed", {"a": "b", "c": "d"})
    client.delete_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "deleted"
    client.restore_experiment(number)
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, f"{NAME} renamed")
    assert client.get_experiment_by_name("none") is None
    assert found.name in [one.name for one in client.search_experiments()]


def registry(run: str) -> None:
    client.create_registered_model(NAME, tags={"q": "r"}, description="about")
    made = [client.create_model_version(NAME, f"runs:/{run}/sub", run) for _ in range(2)]
    assert [str(one.version) for one in made] == ["1", "2"]
    client.transition_model_version_stage(NAME, "1", "Production")
    client.set_registered_model_alias(NAME, "champion", "2")
    client.set_model_version_tag(NAME, "1", "a", "b")
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "2"
    latest = client.get_latest_versions(NAME, ["Production"])
    assert [(str(one.version), one.tags) for one in latest] == [("1", {"a": "b"})]
    assert len(client.search_model_versions(f"name='{NAME}'")) == 2
    assert [one.name for one in client.search_registered_models(f"name='{NAME}'")] == [NAME]
    for uri in (f"models:/{NAME}/1", f"models:/{NAME}@champion"):
        with tempfile.TemporaryDirectory() as folder:
            assert os.listdir(mlflow.artifacts.download_artifacts(uri, dst_path=folder)) == ["dir"]
    refused("INVALID_PARAMETER_VALUE", client.create_model_version, NAME, "/etc/passwd")
    client.rename_registered_model(NAME, f"{NAME} anew")
    assert str(client.get_model_version_by_alias(f"{NAME} anew", "champion").version) == "2"
    client.rename_registered_model(f"{NAME} anew", NAME)
    client.delete_registered_model_alias(NAME, "champion")
    if len(sys.argv) > 2:
        client.delete_model_version(NAME, "2")
        client.delete_registered_model(NAME)
        refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, NAME)


def training() -> None:
    """Train with autologging, log models and load them back, with whatever libraries are here."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, target = load_iris(return_X_y=True)
    mlflow.sklearn.autolog()
    with mlflow.start_run() as run:
        LogisticRegression(max_iter=200).fit(features, target)
    mlflow.sklearn.autolog(disable=True)
    found = client.get_run(run.info.run_id)
    assert found.data.metrics["training_accuracy_score"] > 0.9
    assert found.data.params["max_iter"] == "200"
    model = LogisticRegression(max_iter=200).fit(features, target)
    place = {"name": "net"} if MAJOR >= 3 else {"artifact_path": "net"}
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, registered_model_name=f"{NAME} net", **place)
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/net", f"models:/{NAME} net/1"):
        loaded = mlflow.pyfunc.load_model(uri)
        assert list(loaded.predict(features[:3])) == list(model.predict(features[:3]))
    files = [one.path for one in client.list_artifacts(run.info.run_id, "net")]
    assert len(files) == len(set(files)) >= 4, files
    for library, package in (("xgboost", "xgboost"), ("lightgbm", "lightgbm")):
        if importlib.util.find_spec(package):
            boosted(library, features, target)


def boosted(library: str, features: Any, target: Any) -> None:
    getattr(mlflow, library).autolog()
    with mlflow.start_run() as run:
        if library == "xgboost":
            import xgboost

            data = xgboost.DMatrix(features, label=target > 0)
            xgboost.train(
                {"objective": "binary:logistic"}, data, 3, evals=[(data, "train")], verbose_eval=False
            )
        else:
            import lightgbm

            data = lightgbm.Dataset(features, label=target > 0)
            lightgbm.train({"objective": "binary", "verbose": -1}, data, 3, valid_sets=[data])
    getattr(mlflow, library).autolog(disable=True)
    found = client.get_run(run.info.run_id)
    assert found.data.params and found.data.metrics, library
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert len(loaded.predict(features[:3])) == 3


def tuning() -> None:
    """Tune with Optuna, whose studies MLflow keeps as runs, and with its callback for MLflow."""
    import optuna
    from optuna_integration import MLflowCallback

    def far(trial: Any) -> float:
        return float((trial.suggest_float("x", -3, 3) - 1) ** 2)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = f"{NAME} callback"
    study = optuna.create_study(study_name=name, sampler=optuna.samplers.RandomSampler(0))
    study.optimize(far, 3, callbacks=[MLflowCallback(mlflow.get_tracking_uri(), "far")])
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id], order_by=["metrics.far"])
    assert [run.data.metrics["far"] for run in runs] == sorted(trial.value for trial in study.trials)
    assert float(runs[0].data.params["x"]) == study.best_params["x"]
    if MAJOR < 3:
        return
    from mlflow.optuna.storage import MlflowStorage

    storage = MlflowStorage(client.create_experiment(f"{NAME} studies"))
    study = optuna.create_study(storage=storage, study_name="s", sampler=optuna.samplers.RandomSampler(0))
    study.optimize(far, 3)
    again = optuna.load_study(storage=storage, study_name="s")
    assert sorted(trial.number for trial in again.trials) == [0, 1, 2]
    assert again.best_value == min(trial.value for trial in again.trials)
    assert again.best_params == study.best_params
    study.enqueue_trial({"x": 0.5})
    assert [trial.state.name for trial in study.get_trials()].count("WAITING") == 1
    study.optimize(far, 1)
    assert {"x": 0.5} in [trial.params for trial in study.get_trials()]
    assert {trial.state.name for trial in study.get_trials()} == {"COMPLETE"}


def in_parts() -> None:
    """Send a file in parts, each to an address of its own."""
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository as Proxy

    sent: list[str] = []
    put = Proxy._upload_part

    def counted(*given: Any, **named: Any) -> Any:
        part = put(*given, **named)
        sent.append(part.etag)
        return part

    data, size = os.urandom(11 << 20), str(5 << 20)
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = size
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = size
    Proxy._upload_part = staticmethod(counted)  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
        path = Path(folder) / "weights.bin"
        path.write_bytes(data)
        mlflow.log_artifact(str(path), "deep/er")
    Proxy._upload_part = staticmethod(put)  # type: ignore[method-assign, assignment]
    del os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"]
    assert len(set(sent)) == (3 if RELEASE >= (2, 10) else 0), sent  # older ones leave out the run
    got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/er/weights.bin")
    assert Path(got).read_bytes() == data


first = tracking()
experiments()
registry(first)
in_parts()
if importlib.util.find_spec("sklearn"):
    training()
if importlib.util.find_spec("optuna_integration"):
    tuning()
print(f"{NAME}: all is as it should be")
