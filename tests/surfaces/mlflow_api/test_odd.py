"""Whatever is sent to MLflow's routes is answered in MLflow's words, and is never the server's fault."""

from __future__ import annotations

import re
from typing import Any

from tests.surfaces.mlflow_api.client import Mlflow

from chachaml.surfaces.mlflow.routes import routes

NAMES = """experiment_id experiment_name name new_name key value timestamp step metrics params tags datasets
models filter order_by page_token max_results experiment_ids run_view_type view_type metric_key run_ids
path version stage alias source model_id status model_json artifact_location start_time end_time
run_name""".split()
ODD: tuple[Any, ...] = (
    "", "\0", "../../etc/passwd", -1, 2**70, 1.5, True, None, [None], ["x"], [{}], {"x": 1}, "9" * 30,
    [{"key": "k", "value": 1, "timestamp": 1}], [{"key": ["k"]}],
)  # fmt: skip


def test_no_argument_breaks_the_server(owner: Mlflow) -> None:
    run = owner.run()
    for route in routes():
        path = re.sub(r"\{\w+:([^}|]+)\|[^}]*\}", r"\1", route.path)
        path = re.sub(r"\{\w+(:path)?\}", "x", path)
        for odd in ODD:
            given = {**dict.fromkeys(NAMES, odd), "run_id": run}
            how: dict[str, Any] = {"params": given} if route.method == "GET" else {"json": given}
            answer = owner.http.request(route.method, path, **how)
            assert answer.status_code < 500 or answer.status_code == 501, (path, odd, answer.text)
            assert answer.status_code < 400 or answer.json()["error_code"], (path, odd)
