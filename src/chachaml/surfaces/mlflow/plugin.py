"""``chachaml://``: MLflow's clients on a store of this machine, without a server to be started.

MLflow finds this by its entry points. A server is run in a thread of the client's process, on a port of its
own that only this machine reaches, for as long as the process lives.
"""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

from chachaml import connection
from chachaml.core.access import new_token
from chachaml.core.settings import store_path
from chachaml.surfaces.http.service import Options
from chachaml.surfaces.http.serving import in_background, listen, origins_of

__all__ = ["registry_store", "tracking_store"]


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:  # noqa: ARG001 - as MLflow calls it
    """Return MLflow's own client of a store.

    Args:
        store_uri: ``chachaml://`` for the store in use, or with a path behind it.
        artifact_uri: Of no use: artifacts are kept with the store.
    """
    from mlflow.store.tracking.rest_store import RestStore

    return RestStore(lambda: _credentials(store_uri))


def registry_store(store_uri: str, tracking_uri: str | None = None) -> Any:  # noqa: ARG001 - as MLflow calls it
    """Return MLflow's own client of a store's models; see `tracking_store`."""
    from mlflow.store.model_registry.rest_store import RestStore

    return RestStore(lambda: _credentials(store_uri))


def _credentials(store_uri: str) -> Any:
    from mlflow.utils.rest_utils import MlflowHostCreds

    return MlflowHostCreds(_served(store_uri.partition("://")[2]))


@cache
def _served(path: str) -> str:
    """Serve the store at a path, '' for the one in use, until the process ends; return the address."""
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    options = Options(
        origins_of("127.0.0.1", port),
        session=new_token(),
        artifacts_at=f"{url}/api/2.0/mlflow-artifacts/artifacts",
    )
    serving = in_background(connection.at(store_path(path or None)), options, sockets)
    serving.__enter__()
    atexit.register(serving.__exit__, None, None, None)
    return url
