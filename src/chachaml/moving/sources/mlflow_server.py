"""An MLflow server, asked by its REST API; versions 1.x to 3.x answer alike here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

import httpx

from chachaml.core.changes import PointsLogged
from chachaml.core.errors import BadValue, ChachamlError, NotFound, NotSignedIn, StoreUnavailable
from chachaml.core.model import WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, Version, points_of
from chachaml.moving.mlflow_words import STAGES, run_id
from chachaml.moving.sources.mlflow_models import Logged, by_run, logged_by_id, model_name, packed
from chachaml.moving.sources.mlflow_rows import run_row, version_id

__all__ = ["Server"]

_API, _PAGES_API = "/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"
_PAGE, _POINTS = 500, 25_000
_TRIES = 4


class Server:
    """The runs of one server.

    It is shown ``MLFLOW_TRACKING_TOKEN``, or ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``.

    Args:
        url: Its address.
        tally: Hears what cannot be carried.

    Raises:
        BadValue: There is no MLflow server.
    """

    def __init__(self, url: str, tally: Tally) -> None:
        self.place, self._tally = url.rstrip("/"), tally
        token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
        local = httpx.URL(self.place).host in ("127.0.0.1", "::1", "localhost")
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            auth=(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None,
            timeout=60,
            trust_env=not local,
        )
        self._experiments = {
            one["experiment_id"]: one["name"]
            for one in self._pages("POST", "experiments/search", "experiments", view_type="ALL")
        }

    together = 100

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _ask(self, method: str, path: str, /, **given: Any) -> httpx.Response:
        how = {"json": given} if method == "POST" else {"params": given}
        for tried in range(1, _TRIES + 1):
            try:
                answer = self._client.request(method, self.place + path, **how)  # type: ignore[arg-type]
            except httpx.HTTPError as error:
                if tried == _TRIES:
                    raise StoreUnavailable(f"{self.place} cannot be reached: {error}") from None
                continue
            if answer.status_code < 500 or tried == _TRIES:
                break
        if answer.status_code in (401, 403):
            raise NotSignedIn(f"{self.place} wants to know who asks", "set MLFLOW_TRACKING_TOKEN")
        if answer.status_code == 404:
            raise NotFound(f"{self.place} has no {path}")
        if answer.status_code >= 300:
            raise BadValue(f"{self.place} answered {answer.status_code}: {answer.text[:200]}")
        return answer

    def _json(self, method: str, path: str, /, **given: Any) -> dict[str, Any]:
        try:
            found = self._ask(method, _API + path, **given).json()
        except (ValueError, NotFound):
            raise BadValue(
                f"{self.place} is no MLflow server", "give the address of its first page"
            ) from None
        return found if isinstance(found, dict) else {}

    def _pages(self, method: str, path: str, name: str, /, **given: Any) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            asked = {"max_results": _PAGE, **given, **({"page_token": token} if token else {})}
            found = self._json(method, path, **asked)
            yield from found.get(name, ())
            token = found.get("next_page_token") or ""
            if not token:
                return

    def count(self) -> None:
        """Return None: counting would be reading."""

    # runs -------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[Imported]:
        """Yield all runs, by experiment, the oldest first."""
        paths = self._model_paths()
        for experiment, name in self._experiments.items():
            asked = {"experiment_ids": [experiment], "run_view_type": "ALL", "order_by": ["start_time ASC"]}
            for one in self._pages("POST", "runs/search", "runs", **asked):
                yield self._run(one, name, paths)

    def _run(self, one: dict[str, Any], experiment: str, paths: dict[str, list[str]]) -> Imported:
        info, data = one["info"], one.get("data", {})
        run = info.get("run_id") or info["run_uuid"]
        ended = info.get("end_time")
        row = run_row(
            run,
            experiment=experiment,
            name=info.get("run_name", ""),
            user=info.get("user_id", ""),
            status=info.get("status", ""),
            started=int(info.get("start_time") or 0),
            ended=int(ended) if ended else None,
            deleted=info.get("lifecycle_stage") == "deleted",
            params={each["key"]: each.get("value", "") for each in data.get("params", ())},
            tags={each["key"]: each.get("value", "") for each in data.get("tags", ())},
        )
        keys = [each["key"] for each in data.get("metrics", ())]
        files = list(self._files(run, row.ended or row.started))
        for model in self._logged_of.get(run, ()):
            files += self._logged_files(model, row.ended or row.started)
        files += packed(files, paths.get(run, ()))
        return Imported(WholeRun(row), partial(self._points, run, keys), files)

    def _points(self, run: str, keys: list[str]) -> Iterator[PointsLogged]:
        for key in keys:
            asked = {"run_id": run, "metric_key": key, "max_results": _POINTS}
            rows = list(self._pages("GET", "metrics/get-history", "metrics", **asked))
            steps = [int(row.get("step") or 0) for row in rows]
            times = [int(row["timestamp"]) * 1000 for row in rows]
            yield points_of(run_id(run), key, steps, times, [float(row["value"]) for row in rows])

    def _files(self, run: str, time: int, path: str = "") -> Iterator[File]:
        asked = {"run_id": run, **({"path": path} if path else {})}
        try:
            found = list(self._pages("GET", "artifacts/list", "files", **asked))
        except (BadValue, StoreUnavailable) as error:
            self._tally.leave("artifacts", f"of run {run}", error.message)
            return
        for one in found:
            if one.get("is_dir"):
                yield from self._files(run, time, one["path"])
            else:
                fetch = partial(self._content, "/get-artifact", run_uuid=run, path=one["path"])
                yield File(one["path"], fetch, time)

    @cached_property
    def _logged(self) -> dict[str, Logged]:
        rows = []
        for experiment in self._experiments:
            token: str | None = ""
            while token is not None:
                asked = {"experiment_ids": [experiment], **({"page_token": token} if token else {})}
                try:
                    found = self._ask("POST", _API + "logged-models/search", **asked).json()
                except (NotFound, ValueError):  # a server of a release before 3
                    return {}
                for info in (one["info"] for one in found.get("models", ())):
                    if run := info.get("source_run_id"):
                        made = int(info.get("creation_timestamp_ms") or 0)
                        rows.append((made, info["model_id"], run, info.get("name") or info["model_id"], ""))
                token = found.get("next_page_token") or None
        return logged_by_id(rows)

    @cached_property
    def _logged_of(self) -> dict[str, list[Logged]]:
        return by_run(self._logged)

    def _logged_files(self, model: Logged, time: int, path: str = "") -> Iterator[File]:
        root = f"{_PAGES_API}logged-models/{model.id}/artifacts/"
        try:
            asked = {"artifact_directory_path": path} if path else {}
            found = self._ask("GET", root + "directories", **asked).json().get("files", ())
        except (ChachamlError, ValueError) as error:
            self._tally.leave("logged model", f"{model.folder} ({model.id})", str(error))
            return
        for one in found:
            name = one["path"]
            if one.get("is_dir"):
                yield from self._logged_files(model, time, name)
            else:
                fetch = partial(self._content, root + "files", artifact_file_path=name)
                yield File(f"{model.folder}/{name}", fetch, time)

    def _content(self, place: str, /, **asked: str) -> bytes:
        return self._ask("GET", place, **asked).content

    # models -----------------------------------------------------------------------------------------

    def _all_versions(self) -> list[dict[str, Any]]:
        try:
            found = list(self._pages("GET", "model-versions/search", "model_versions"))
        except BadValue:  # a server without a registry
            return []
        return sorted(found, key=lambda one: (one["name"], int(one["version"])))

    def _path_of(self, one: dict[str, Any]) -> str:
        source, run = one.get("source") or "", one.get("run_id") or ""
        root = source[: source.find(f"/{run}/artifacts")] + f"/{run}/artifacts"
        return model_name(source, root, self._logged)

    def _model_paths(self) -> dict[str, list[str]]:
        paths: dict[str, list[str]] = {}
        for one in self._all_versions():
            paths.setdefault(one.get("run_id") or "", []).append(self._path_of(one))
        return paths

    def versions(self) -> Iterator[Version]:
        """Yield all versions of models, ascending."""
        models = {}
        for one in self._all_versions():
            name, number, run = one["name"], int(one["version"]), one.get("run_id") or ""
            if name not in models:
                models[name] = self._json("GET", "registered-models/get", name=name).get(
                    "registered_model", {}
                )
            path = self._path_of(one)
            if not run or not path:
                why = f"its files are at {one.get('source')}, not with a run"
                self._tally.leave("version", f"{number} of {name}", why)
                continue
            created = int(one.get("creation_timestamp") or 0)
            yield Version(
                id=version_id(name, number, run, created),
                model=name,
                number=number,
                run=run_id(run),
                artifact=f"{path}.zip",
                time=created * 1000,
                by=one.get("user_id") or "",
                stage=STAGES.get(one.get("current_stage") or "", "none"),
                description=one.get("description") or "",
                model_description=models[name].get("description") or "",
                tags=_tags(one),
                model_tags=_tags(models[name]),
                aliases=[
                    each["alias"]
                    for each in models[name].get("aliases", ())
                    if int(each["version"]) == number
                ],
            )


def _tags(one: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each.get("value") or "" for each in one.get("tags", ())}
