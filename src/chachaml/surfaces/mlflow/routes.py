"""Where MLflow's calls are: under ``/api`` and ``/ajax-api``, in all versions, with what each needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from chachaml.surfaces.http.actors import Permission
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Endpoint, Route
from chachaml.surfaces.mlflow import (
    artifacts,
    experiments,
    inputs,
    logged,
    metrics,
    models,
    registering,
    registry,
    runs,
    searching,
    uploads,
)
from chachaml.surfaces.mlflow.asked import Asked, endpoint
from chachaml.surfaces.mlflow.errors import Refused, told, unsupported

__all__ = ["routes"]

SPOKEN = "3.3.2"
"""The version that is said to be here: from 3.4 on, clients send traces in a way that is not offered."""

_BASE = "/{api:api|ajax-api}/{version:2.0|3.0|2.0/preview}/mlflow"
_PROXY = "/{api:api|ajax-api}/2.0/mlflow-artifacts"

_ABSENT = {
    "traces": "traces are not kept here: log metrics, tags and artifacts",
    "webhooks": "there are no webhooks here: chachaml's alerts tell Slack, mail and others",
    "scorers": "scorers are not kept here",
    "datasets": "evaluation data sets are not kept here: log data sets as inputs of runs",
    "gateway": "there is no gateway here",
    "gateway-proxy": "there is no gateway here",
    "prompt-optimization": "prompts are not optimized here",
    "jobs": "there are no jobs here",
    "workspaces": "there are no workspaces here",
    "artifacts": "artifacts are sent and fetched through the mlflow-artifacts proxy",
}


def _call(method: str, path: str, needs: Permission, act: Any) -> Route:
    return Route(method, f"{_BASE}/{path}", needs, endpoint(act), tell=told)


def _hot(path: str, act: Endpoint) -> Route:
    return Route("POST", f"{_BASE}/{path}", "write", act, tell=told)


def routes() -> list[Route]:
    """Return all of MLflow's routes, those that are asked for most often first."""
    return [*_tracking(), *_artifacts(), *_models(), *_registry(), *_probes(), *_rest()]


def _tracking() -> list[Route]:
    return [
        _hot("runs/log-batch", logged.log_batch),
        _hot("runs/log-metric", logged.log_metric),
        _hot("runs/log-parameter", logged.log_param),
        _hot("runs/set-tag", logged.set_tag),
        _call("POST", "runs/delete-tag", "write", logged.delete_tag),
        _call("POST", "runs/log-model", "write", logged.log_model),
        _call("POST", "runs/log-inputs", "write", inputs.log_inputs),
        _call("POST", "runs/outputs", "write", inputs.log_outputs),
        _call("POST", "runs/create", "write", runs.create),
        _call("GET", "runs/get", "read", runs.get),
        _call("POST", "runs/update", "write", runs.update),
        _call("POST", "runs/delete", "write", runs.delete),
        _call("POST", "runs/restore", "write", runs.restore),
        _call("POST", "runs/search", "read", searching.search),
        _call("GET", "metrics/get-history", "read", metrics.history),
        _call("GET", "metrics/get-history-bulk", "read", metrics.bulk),
        _call("GET", "metrics/get-history-bulk-interval", "read", metrics.interval),
        _call("POST", "experiments/create", "write", experiments.create),
        _call("GET", "experiments/get", "read", experiments.get),
        _call("GET", "experiments/get-by-name", "read", experiments.get_by_name),
        _call("GET", "experiments/search", "read", experiments.search),
        _call("POST", "experiments/search", "read", experiments.search),
        _call("GET", "experiments/list", "read", experiments.search),
        _call("POST", "experiments/update", "write", experiments.update),
        _call("POST", "experiments/delete", "write", experiments.delete),
        _call("POST", "experiments/restore", "write", experiments.restore),
        _call("POST", "experiments/set-experiment-tag", "write", experiments.set_tag),
        _call("POST", "experiments/delete-experiment-tag", "write", experiments.delete_tag),
    ]


def _artifacts() -> list[Route]:
    proxy, parts = f"{_PROXY}/artifacts", f"{_PROXY}/mpu"
    return [
        _call("GET", "artifacts/list", "read", artifacts.list_of_run),
        Route("GET", proxy, "read", endpoint(artifacts.list_proxied), tell=told),
        Route("GET", proxy + "/{path:path}", "read", artifacts.download, tell=told),
        Route("PUT", proxy + "/{path:path}", "write", artifacts.upload, limit=None, tell=told),
        Route("DELETE", proxy + "/{path:path}", "write", endpoint(artifacts.delete), tell=told),
        Route("POST", f"{parts}/create/{{path:path}}", "write", endpoint(uploads.create), tell=told),
        Route(
            "PUT", f"{parts}/parts/{{upload}}/{{number}}", "write", uploads.put_part, limit=None, tell=told
        ),
        Route("POST", f"{parts}/complete/{{path:path}}", "write", uploads.finish, tell=told),
        Route("POST", f"{parts}/abort/{{path:path}}", "write", endpoint(uploads.abort), tell=told),
        Route("GET", _PROXY + "/presigned/{path:path}", "read", endpoint(artifacts.presigned), tell=told),
        Route("GET", "/get-artifact", "read", artifacts.get_artifact, tell=told),
    ]


def _models() -> list[Route]:
    one = "logged-models/{model_id}"
    return [
        _call("POST", "logged-models", "write", models.create),
        _call("POST", "logged-models/search", "read", models.search),
        _call("GET", one, "read", models.get),
        _call("PATCH", one, "write", models.finalize),
        _call("DELETE", one, "write", models.delete),
        _call("PATCH", f"{one}/tags", "write", models.set_tags),
        _call("DELETE", f"{one}/tags/{{key:path}}", "write", models.delete_tag),
        _call("POST", f"{one}/params", "write", models.log_params),
        _call("GET", f"{one}/artifacts/directories", "read", models.directories),
        Route("GET", f"{_BASE}/{one}/artifacts/files", "read", artifacts.model_file, tell=told),
    ]


def _registry() -> list[Route]:
    model, version = "registered-models", "model-versions"
    return [
        _call("POST", f"{model}/create", "write", registry.create),
        _call("GET", f"{model}/get", "read", registry.get),
        _call("GET", f"{model}/search", "read", registry.search),
        _call("POST", f"{model}/search", "read", registry.search),  # as R's client asks
        _call("GET", f"{model}/list", "read", registry.search),
        _call("PATCH", f"{model}/update", "write", registry.update),
        _call("POST", f"{model}/rename", "write", registry.rename),
        _call("DELETE", f"{model}/delete", "destroy", registry.delete),
        _call("GET", f"{model}/get-latest-versions", "read", registry.latest_versions),
        _call("POST", f"{model}/get-latest-versions", "read", registry.latest_versions),
        _call("POST", f"{model}/set-tag", "write", registry.set_tag),
        _call("DELETE", f"{model}/delete-tag", "write", registry.delete_tag),
        _call("GET", f"{model}/alias", "read", registry.get_by_alias),
        _call("POST", f"{model}/alias", "write", registry.set_alias),
        _call("DELETE", f"{model}/alias", "write", registry.delete_alias),
        _call("POST", f"{version}/create", "write", registering.create_version),
        _call("GET", f"{version}/get", "read", registry.get_version),
        _call("GET", f"{version}/search", "read", registry.search_versions),
        _call("PATCH", f"{version}/update", "write", registry.update_version),
        _call("DELETE", f"{version}/delete", "destroy", registry.delete_version),
        _call("POST", f"{version}/transition-stage", "write", registry.transition),
        _call("GET", f"{version}/get-download-uri", "read", registry.download_uri),
        _call("POST", f"{version}/set-tag", "write", registry.set_version_tag),
        _call("DELETE", f"{version}/delete-tag", "write", registry.delete_version_tag),
    ]


# what clients look for ----------------------------------------------------------------------------


def _probes() -> list[Route]:
    return [
        Route("GET", "/health", "open", _health),
        Route("GET", "/version", "open", _version),
        Route("GET", "/experiments/{experiment_id}", "read", _experiment, tell=told),
        _call("GET", "server-info", "read", _server_info),
    ]


async def _health(request: Request) -> Response:  # noqa: ARG001 - as every endpoint
    return PlainTextResponse("OK")


async def _version(request: Request) -> Response:  # noqa: ARG001 - as every endpoint
    return PlainTextResponse(SPOKEN)


async def _experiment(request: Request) -> Response:
    """Send a browser, which has an experiment's id from a link of MLflow's, to its runs."""
    no = request.path["experiment_id"]
    one = await request.work(lambda: experiments.known(Asked(request), no))
    query = urlencode({"experiment": one.name})
    return RedirectResponse(f"{request.service.options.prefix}/runs?{query}", 302)


def _server_info(asked: Asked) -> Any:  # noqa: ARG001 - as every call
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
    }


def _rest() -> list[Route]:
    """Return the routes of all that is not here, which are told so in words that clients understand."""
    return [
        Route(method, _BASE + "/{call:path}", "read", _absent, tell=told)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ]


async def _absent(request: Request) -> Response:
    family = request.path["call"].partition("/")[0]
    if family in _ABSENT:
        raise unsupported(_ABSENT[family])
    raise Refused("ENDPOINT_NOT_FOUND", f"Endpoint not found: {request.path['call'][:200]}")
