"""Where things are by MLflow's URIs: each means artifacts of a run, or nothing; none is kept or opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from chachaml.core.errors import BadValue
from chachaml.core.ids import is_id
from chachaml.core.model import ArtifactRow
from chachaml.core.names import check_artifact_name
from chachaml.surfaces.mlflow.errors import invalid

__all__ = ["MODEL_ID", "Place", "artifact_path", "listed", "model_root", "place_of", "proxied", "run_root"]

MODEL_ID = re.compile(r"m-[0-9a-f]{32}")

_PROXY = "/mlflow-artifacts/artifacts/"


class Place(NamedTuple):
    """Artifacts below a path: of a run, or of a logged model by its id."""

    owner: str
    path: str

    @property
    def is_model(self) -> bool:
        """Whether the owner is a logged model."""
        return self.owner.startswith("m-")


def run_root(root: str, experiment: str, run: str) -> str:
    """Return the URI of a run's artifacts, below that of all."""
    return f"{root}/{experiment}/{run}/artifacts"


def model_root(root: str, experiment: str, model: str) -> str:
    """Return the URI of a logged model's artifacts, below that of all."""
    return f"{root}/{experiment}/models/{model}/artifacts"


def artifact_path(path: str) -> str:
    """Return a path below a root, '' for the root itself.

    Raises:
        Refused: It leads elsewhere.
    """
    cleaned = path.strip("/") if path in ("", "/", ".") else path
    if cleaned in ("", "."):
        return ""
    again = unquote(cleaned)
    if again != cleaned and (".." in again or "/" in again.replace(cleaned, "")):
        raise invalid("Invalid path")
    try:
        return check_artifact_name(cleaned)
    except BadValue:
        raise invalid("Invalid path") from None


def proxied(path: str) -> Place:
    """Return what a path of the artifact proxy means.

    Raises:
        Refused: It is none that a run's or model's URI leads to.
    """
    parts = path.split("/")
    if len(parts) >= 4 and parts[1] == "models" and parts[3] == "artifacts" and MODEL_ID.fullmatch(parts[2]):
        return Place(parts[2], artifact_path("/".join(parts[4:])))
    if len(parts) >= 3 and parts[2] == "artifacts" and is_id(parts[1]):
        return Place(parts[1], artifact_path("/".join(parts[3:])))
    artifact_path(path)
    raise invalid(
        "Invalid path: artifacts are kept below <experiment id>/<run id>/artifacts, "
        "or <experiment id>/models/<model id>/artifacts"
    )


def place_of(source: str) -> Place | None:
    """Return what a URI that a client names as the source of a model means; None for ``models:/name/...``.

    Raises:
        Refused: It is a path, or leads to another place than artifacts kept here.
    """
    try:
        parts = urlsplit(source)
    except ValueError:
        raise _foreign(source) from None
    path = parts.path
    if parts.scheme == "runs":
        run, _, rest = path.lstrip("/").partition("/")
        if not is_id(run):
            raise _foreign(source)
        return Place(run, artifact_path(rest))
    if parts.scheme == "models":
        model, _, rest = path.lstrip("/").partition("/")
        return Place(model, artifact_path(rest)) if MODEL_ID.fullmatch(model) else None
    if parts.scheme == "mlflow-artifacts":
        return proxied(path.strip("/"))
    if parts.scheme in ("http", "https") and _PROXY in path:
        return proxied(path.partition(_PROXY)[2].strip("/"))
    raise _foreign(source)


def _foreign(source: str) -> Exception:
    return invalid(
        f"Invalid model version source: '{source[:300]}'. It must be artifacts that this server keeps: "
        "runs:/<run id>/<path>, models:/<model id>, or a URI that the server gave"
    )


def listed(artifacts: Iterable[ArtifactRow], folder: str) -> list[dict[str, Any]]:
    """Return what is in a folder, by base names."""
    start = f"{folder}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for one in artifacts:
        if one.name.startswith(start):
            name, slash, _ = one.name.removeprefix(start).partition("/")
            about = {"path": name, "is_dir": bool(slash)}
            found.setdefault(name, about if slash else {**about, "file_size": one.size})
    return [found[name] for name in sorted(found)]
