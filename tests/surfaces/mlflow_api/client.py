"""A client that speaks MLflow's REST API, as its libraries do."""

from __future__ import annotations

from typing import Any

import httpx


class Mlflow:
    """A client of MLflow's: it sends JSON, and takes a status apart from what came with it."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def ask(self, method: str, call: str, **given: Any) -> httpx.Response:
        how = {"params": given} if method == "GET" else {"json": given}
        return self.http.request(method, f"/api/2.0/mlflow/{call}", **how)  # type: ignore[arg-type]

    def did(self, method: str, call: str, **given: Any) -> dict[str, Any]:
        answer = self.ask(method, call, **given)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def post(self, call: str, **given: Any) -> dict[str, Any]:
        return self.did("POST", call, **given)

    def get(self, call: str, **given: Any) -> dict[str, Any]:
        return self.did("GET", call, **given)

    def refused(self, method: str, call: str, **given: Any) -> tuple[int, str, str]:
        """Return the status, the code and the message of what is refused."""
        answer = self.ask(method, call, **given)
        told = answer.json()
        assert set(told) == {"error_code", "message"}, told
        return answer.status_code, told["error_code"], told["message"]

    def experiment(self, name: str = "iris", **given: Any) -> str:
        found: str = self.post("experiments/create", name=name, **given)["experiment_id"]
        return found

    def run(self, experiment: str = "0", **given: Any) -> str:
        given = {"start_time": 1_700_000_000_000, **given}
        found: str = self.post("runs/create", experiment_id=experiment, **given)["run"]["info"]["run_id"]
        return found

    def look(self, run: str) -> dict[str, Any]:
        """Return a run: its info, and what it has by key."""
        found = self.get("runs/get", run_id=run)["run"]
        data = {kind: {one["key"]: one for one in some} for kind, some in found["data"].items()}
        return {**found["info"], **data, "inputs": found["inputs"], "outputs": found["outputs"]}

    def search(self, filter: str = "", *experiments: str, **given: Any) -> list[str]:
        """Return the names of runs."""
        given = {"experiment_ids": list(experiments or ("0",)), "filter": filter, **given}
        return [run["info"]["run_name"] for run in self.post("runs/search", **given).get("runs", ())]
