"""Makes runs with logged models, as MLflow has them since version 3: python mlflow_logged_made.py URI FOLDER."""

import sys
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient


def main(uri, folder):
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    place = None if uri.startswith("file:") else f"{folder}/artifacts"
    experiment = client.create_experiment("logged", artifact_location=place)
    run = client.create_run(experiment, start_time=1_700_000_000_000, run_name="trains").info.run_id
    files = Path(folder) / "model"
    files.mkdir(exist_ok=True)
    client.create_registered_model("net")
    for number in (1, 2):  # two by one name, as checkpoints are
        (files / "MLmodel").write_text(f"flavors: {{}}\nnumber: {number}\n")
        model = client.create_logged_model(experiment, name="net", source_run_id=run)
        client.log_model_artifacts(model.model_id, str(files))
        client.finalize_logged_model(model.model_id, "READY")
        client.create_model_version("net", f"models:/{model.model_id}", run)
    client.set_registered_model_alias("net", "best", "2")
    client.set_terminated(run, "FINISHED", 1_700_000_100_000)


main(*sys.argv[1:])
