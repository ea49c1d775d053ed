"""Tools of language models: how long each takes on a large store, and how many tokens it answers with."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering

__all__ = ["fill", "measure", "tools"]

_TRIES = 5


def measure(bench: Bench) -> Section:
    """Measure every tool that reads or annotates."""
    runs = bench.n(10_000, 60)
    section = Section(
        "Tools of language models",
        f"A store of {runs:,} runs, each of 12 params, 8 metrics, 4 tags and a note; 200 of them with a "
        "curve of 5,000 points, 40 versions of a model, 30 pipelines. Each tool is called in the process of "
        "the MCP server, without the line to a client. Tokens are estimated from above, data and text "
        "together.",
    )
    # Charts need pillow, which is not among what chachaml needs, so this is measured where the tests run.
    here = Bench({"chachaml": Path(sys.executable)}, quick=bench.quick)
    with bench.reporting("chachaml", "agents"), bench.folder() as folder:
        here.work(folder, "agents.fill", n=runs)
        found = here.work(folder, "agents.tools")
        rows = [[name, engineering(one["ms"]), f"{one['tokens']:,}"] for name, one in found.items()]
        section.tables.append(Table(["tool", "ms, median", "tokens"], rows))
        section.targets = [
            Target("slowest tool, median", max(one["ms"] for one in found.values()), 200, "ms"),
            Target("largest result", max(one["tokens"] for one in found.values()), 8_000, "tokens"),
        ]
    return section


def fill(folder: Path, tool: str, n: int) -> Result:
    """Make the store."""
    import chachaml as ml

    chance = random.Random(5)
    ml.connect(folder / "runs.db")
    for number in range(n):
        curve = number % max(1, n // 200) == 0
        with ml.start_run(f"experiment {number % 20}", name=f"run {number}", tags=_tags(number)) as run:
            lr = 10 ** chance.uniform(-5, -1)
            ml.log_params({"lr": lr, **{f"group.param{key}": chance.randrange(50) for key in range(11)}})
            ml.log_metrics({f"metric{key}": chance.random() for key in range(7)})
            for step in range(5_000 if curve else 1):
                ml.log_metric("val/loss", lr + 1 / (step + 1) + chance.random() / 10, step)
            if curve:
                ml.log_table("table", [{"a": row, "b": chance.random()} for row in range(2_000)])
                ml.log_dataset([[number]], name="digits", role="train")
        if number % max(1, n // 40) == 0:
            ml.registry.register_model("classifier", "table", run=run)
    for number in range(30):
        ml.pipeline.run("chain", [("one", lambda: 1), ("two", lambda: 2)], params={"number": number})
    ml.alerts.set_alert("odd", metric="val/loss", nan=True)
    ml.flush()
    return {}


def _tags(number: int) -> dict[str, str]:
    return {
        "team": f"team {number % 7}",
        "kind": "sweep",
        "seed": str(number),
        "note": f"Note {number}. " * 20,
    }


def tools(folder: Path, tool: str) -> Result:
    """Call each tool some times."""
    import chachaml as ml
    from chachaml.agents.catalogue import allowed
    from chachaml.agents.sizing import tokens

    ml.connect(folder / "runs.db")
    found: Result = {}
    for name, arguments in _calls(ml).items():
        offered, spent = allowed("annotate")[name.split(" ")[0]], []
        for _ in range(_TRIES):
            begin = perf_counter()
            result = offered.call(arguments)
            spent.append(perf_counter() - begin)
            assert not result.failed, (name, result.text)
        size = tokens(json.dumps(result.data, separators=(",", ":"))) + tokens(result.text)
        found[name] = {"ms": sorted(spent)[_TRIES // 2] * 1e3, "tokens": size}
    missing = set(allowed("annotate")) - {name.split(" ")[0] for name in found}
    assert not missing, missing
    return found


def _calls(ml: Any) -> dict[str, dict[str, Any]]:
    """Return what each tool is asked: what gives the most, where there is a choice."""
    curved = ml.runs("metrics.`val/loss`.count > 100", limit=50)
    one, other = curved[0].id, curved[1].id
    many, key = [run.id for run in curved], "val/loss"
    pipeline = ml.pipeline.list(1)[0].id
    return {
        "list_runs": {"limit": 100},
        "list_runs by filter": {"filter": "params.lr < 0.001", "order_by": "metrics.`val/loss`.min"},
        "search_runs": {"metric_key": "metric1", "op": ">", "metric_value": 0.5, "limit": 100},
        "get_run": {"run_id": one},
        "best_run": {"metric": key, "direction": "min"},
        "compare_runs": {"run_ids": many},
        "diff_runs": {"one": one, "other": other},
        "export_runs": {"limit": 100},
        "get_series": {"run_ids": many, "metric": key, "max_points": 1_000},
        "describe_series": {"run_ids": many, "metric": key},
        "draw_series": {"run_ids": many[:10], "metric": key},
        "get_values": {"fields": ["params.lr", "metrics.metric1"], "limit": 1_000},
        "group_runs": {"by": ["tags.team"], "fields": ["metrics.metric1"]},
        "get_leaderboard": {"metric": key, "limit": 100},
        "get_importance": {"metric": key},
        "explain_difference": {"one": one, "other": other, "metric": key},
        "get_datasets": {"run_id": one},
        "get_run_lineage": {"run_id": one},
        "preview_alert": {"metric": key, "op": ">", "threshold": 0.5},
        "get_console": {"run_id": one},
        "get_packages": {"run_id": one},
        "list_keys": {},
        "list_artifacts": {"run_id": one},
        "read_artifact": {"run_id": one, "name": "table", "limit": 1_000},
        "get_tags": {"run_id": one},
        "get_history": {"limit": 100},
        "list_experiments": {},
        "list_models": {},
        "get_model": {"model_name": "classifier"},
        "get_model_version": {"model_name": "classifier", "version": 1},
        "get_model_history": {"model_name": "classifier", "limit": 100},
        "get_model_lineage": {"model_name": "classifier", "version": 1},
        "diff_model_versions": {"model_name": "classifier", "v1": 1, "v2": 2},
        "list_pipelines": {"limit": 100},
        "get_pipeline": {"pipeline_id": pipeline},
        "list_alerts": {},
        "get_alert_history": {"limit": 100},
        "add_tag": {"run_id": one, "key": "seen", "value": "yes"},
        "set_note": {"run_id": one, "note": "Seen."},
        "create_experiment": {"name": "experiment 1", "description": "One."},
    }
