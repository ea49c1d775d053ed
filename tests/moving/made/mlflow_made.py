"""Makes runs with MLflow, and says how MLflow itself reads them: python mlflow_made.py URI FOLDER."""

import json
import math
import os
import sys
import tempfile

os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "false"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType


def make(client, artifacts):
    kwargs = {"artifact_location": artifacts} if artifacts else {}
    one = client.create_experiment("digits", tags={"mlflow.note.content": "Handwritten digits"}, **kwargs)
    other = client.create_experiment("other odd name", **kwargs)
    run = client.create_run(one, start_time=1_700_000_000_000, run_name="first", tags={"mlflow.user": "ada"})
    r = run.info.run_id
    client.log_batch(
        r,
        metrics=[Metric("loss", 1 / (i + 1), 1_700_000_000_000 + 10 * i, i) for i in range(40)]
        + [Metric("loss", 0.5, 1_700_000_000_900, 3)]
        + [Metric("acc", i / 10, 1_700_000_001_000 + i, 10 * i) for i in range(5)]
        + [
            Metric("odd", math.nan, 1_700_000_002_000, 0),
            Metric("odd", math.inf, 1_700_000_002_001, 1),
            Metric("odd", -math.inf, 1_700_000_002_002, 2),
            Metric("odd", 1e-300, 1_700_000_002_003, -5),
        ],
        params=[
            Param("lr", "0.01"),
            Param("depth", "3"),
            Param("name", "résumé 日本語"),
            Param("flag", "True"),
            Param("layers", "[1, 2]"),
            Param("empty", ""),
        ],
        tags=[
            RunTag("team", "vision"),
            RunTag("mlflow.note.content", "# Note\n<b>bold</b>"),
            RunTag("mlflow.source.git.commit", "a" * 40),
            RunTag("mlflow.source.name", "train.py"),
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (
            ("plots/curve.txt", b"a curve"),
            ("model/MLmodel", b"flavors: {}\n"),
            ("raw.bin", bytes(range(256))),
        ):
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        client.log_artifacts(r, folder)
    client.set_terminated(r, "FINISHED", 1_700_000_100_000)
    child = client.create_run(
        one, start_time=1_700_000_200_000, run_name="child", tags={"mlflow.parentRunId": r}
    ).info.run_id
    client.log_metric(child, "loss", 7.25, timestamp=1_700_000_200_500, step=0)
    client.set_terminated(child, "FAILED", 1_700_000_300_000)
    killed = client.create_run(other, start_time=1_700_000_400_000, run_name="killed").info.run_id
    client.set_terminated(killed, "KILLED", 1_700_000_500_000)
    live = client.create_run(other, start_time=1_700_000_600_000, run_name="live").info.run_id
    client.log_metric(live, "loss", 1.0, timestamp=1_700_000_600_500, step=0)
    gone = client.create_run(other, start_time=1_700_000_700_000, run_name="gone").info.run_id
    client.set_terminated(gone, "FINISHED", 1_700_000_800_000)
    client.delete_run(gone)
    client.create_registered_model("net", tags={"task": "digits"}, description="A *net*")
    client.create_model_version(
        "net", f"{client.get_run(r).info.artifact_uri}/model", r, tags={"good": "yes"}, description="v1"
    )
    client.create_model_version("net", f"{client.get_run(r).info.artifact_uri}/model", r)
    for version, stage in (("1", "Production"), ("2", "Staging")):
        try:
            client.transition_model_version_stage("net", version, stage)
        except Exception as error:
            print("no stages:", error, file=sys.stderr)
    client.set_registered_model_alias("net", "champion", "1")


def read(client):
    runs = []
    for experiment in client.search_experiments(ViewType.ALL):
        for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
            history = {}
            for key in run.data.metrics:
                points = client.get_metric_history(run.info.run_id, key)
                history[key] = sorted([m.step, m.timestamp, repr(float(m.value))] for m in points)
            runs.append(
                {
                    "id": run.info.run_id,
                    "experiment": experiment.name,
                    "name": run.info.run_name,
                    "status": run.info.status,
                    "start": run.info.start_time,
                    "end": run.info.end_time,
                    "lifecycle": run.info.lifecycle_stage,
                    "params": dict(run.data.params),
                    "tags": dict(run.data.tags),
                    "metrics": history,
                    "artifacts": sorted(files(client, run.info.run_id)),
                }
            )
    return sorted(runs, key=lambda run: run["start"])


def files(client, run, path=None):
    for each in client.list_artifacts(run, path):
        if each.is_dir:
            yield from files(client, run, each.path)
        else:
            yield each.path, each.file_size


if __name__ == "__main__":
    uri, folder = sys.argv[1], sys.argv[2]
    client = MlflowClient(uri, registry_uri=uri)
    if "--read" not in sys.argv:
        make(client, sys.argv[3] if len(sys.argv) > 3 else None)
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"version": mlflow.__version__, "runs": read(client)}, file, indent=1, sort_keys=True)
