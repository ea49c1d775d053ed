"""Operations: what outsiders may give them, how they are described, and that all surfaces say the same."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from tests.surfaces.test_cli import document, run

import chachaml as ml
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.values import json_ready
from chachaml.ops import OPERATIONS, operation

TRAINING = """
import chachaml as ml
from chachaml.ops import OPERATIONS
for lr in (0.1, 0.01):
    with ml.start_run("iris", name=f"lr={lr}", tags={"kind": "sweep"}):
        ml.log_params({"lr": lr, "layers": [8, 8]})
        ml.log_metric("loss", 1 / lr, 1)
        ml.log_metric("loss", float("nan"), 2)
        ml.log_text("notes/a.md", "# a")
        ml.log_dataset([[1, 2], [3, 4]], name="digits", role="train")
        ml.registry.register_model("m", "notes/a.md", stage="production")
ml.registry.set_alias("m", "best", 2)
ml.alerts.set_alert("odd", metric="loss", nan=True)
ml.alerts.set_alert("tells", status="failed", webhook_url="https://hooks.example.invalid/x")
ml.alerts.check_alerts()
ml.pipeline.run("chain", [("load", lambda: [1]), ("fit", lambda ctx: ctx.prev_result)], params={"k": 1})
ml.add_tag(ml.runs(experiment="iris")[0].id, "seen", "yes")
ml.archive_runs(ml.runs(experiment="iris")[1].id)
OPERATIONS["save_view"](name="mine", state="?q=status = failed")
ml.retention.set_rule("all", archive_after_days=0)
"""

Case = tuple[str, dict[str, Any], list[str]]

# An operation, arguments for it, and the command that says the same. RUN and OLD stand for two runs' ids.
CASES: list[Case] = [
    ("list_runs", {"experiment": "iris"}, ["runs", "-e", "iris"]),
    ("list_runs", {"archived": None, "limit": 1}, []),
    ("list_runs", {"filter": "params.lr = 0.01"}, ["search", "params.lr = 0.01"]),
    ("list_runs", {"status": "archived", "order_by": "params.lr"}, []),
    ("search_runs", {"metric_key": "loss", "op": ">", "metric_value": 50, "any": True}, []),
    ("get_run", {"run_id": "RUN"}, ["show", "RUN"]),
    ("best_run", {"metric": "loss", "direction": "min"}, ["best", "loss", "--min"]),
    ("compare_runs", {"run_ids": ["RUN", "OLD"]}, ["compare", "RUN", "OLD"]),
    ("diff_runs", {"one": "RUN", "other": "RUN"}, ["diff", "RUN", "RUN"]),
    ("export_runs", {"experiment": "iris"}, ["export", "-e", "iris"]),
    ("get_series", {"run_ids": ["RUN"], "metric": "loss"}, ["plot", "RUN", "loss"]),
    ("get_series", {"run_ids": ["RUN"], "metric": "loss", "from_step": 2}, []),
    ("describe_series", {"run_ids": ["RUN", "OLD"], "metric": "loss"}, []),
    ("draw_series", {"run_ids": ["RUN", "OLD"], "metric": "loss", "log": True}, []),
    ("get_leaderboard", {"metric": "loss", "direction": "min"}, []),
    ("get_importance", {"metric": "loss"}, []),
    ("explain_difference", {"one": "RUN", "other": "OLD"}, []),
    ("read_artifact", {"run_id": "RUN", "name": "notes/a.md"}, []),
    ("get_datasets", {"run_id": "RUN"}, []),
    ("get_console", {"run_id": "RUN"}, []),
    ("get_packages", {"run_id": "RUN"}, []),
    ("get_run_lineage", {"run_id": "RUN"}, []),
    ("get_curves", {"run_id": "RUN", "keys": ["loss", "none"], "points": 5}, []),
    ("list_keys", {}, []),
    ("get_tags", {"run_id": "RUN"}, ["tag", "RUN"]),
    ("add_tag", {"run_id": "RUN", "key": "k", "value": "v"}, ["tag", "RUN", "k=v"]),
    ("remove_tag", {"run_id": "RUN", "key": "kind"}, ["tag", "RUN", "--remove", "kind"]),
    ("set_note", {"run_id": "RUN", "note": "# Why"}, ["note", "RUN", "# Why"]),
    ("rename_run", {"run_id": "RUN", "name": "better"}, ["rename", "RUN", "better"]),
    (
        "set_param",
        {"run_id": "RUN", "key": "new", "value": [1, "a"]},
        ["set-param", "RUN", "new", '[1, "a"]'],
    ),
    (
        "set_param",
        {"run_id": "RUN", "key": "lr", "value": "auto", "force": True},
        ["set-param", "RUN", "lr", "auto", "--force"],
    ),
    ("delete_param", {"run_id": "RUN", "key": "lr"}, ["delete-param", "RUN", "lr"]),
    ("delete_metric", {"run_id": "RUN", "key": "loss"}, ["delete-metric", "RUN", "loss"]),
    ("get_history", {"limit": 1}, ["history", "-n", "1"]),
    ("get_history", {"run_id": "OLD"}, ["history", "OLD"]),
    ("undo", {"number": 1}, ["undo", "1"]),
    ("archive_runs", {"experiment": "iris", "dry_run": True}, ["archive", "-e", "iris", "--dry-run"]),
    ("restore_runs", {"run_ids": ["OLD"]}, ["restore", "OLD"]),
    ("move_runs", {"experiment": "wine", "run_ids": ["RUN"]}, ["move", "wine", "RUN"]),
    ("delete_runs", {"archived": True}, ["delete", "--archived", "--yes"]),
    ("delete_runs", {"run_ids": ["RUN"], "cascade": True}, ["delete", "RUN", "--cascade", "--yes"]),
    ("list_experiments", {}, ["experiments"]),
    ("list_alerts", {"inactive": True}, ["alerts", "--inactive"]),
    (
        "set_alert",
        {"name": "new", "metric": "loss", "op": "<", "threshold": 0.5, "cooldown": 60},
        ["alerts", "set", "new", "--metric", "loss", "--op", "<", "--threshold", "0.5", "--cooldown", "60"],
    ),
    ("set_alert", {"name": "odd", "metric": "loss", "nan": True, "keep_targets": True}, []),
    (
        "preview_alert",
        {"metric": "loss", "op": "<", "threshold": 50},
        ["alerts", "preview", "--metric", "loss", "--op", "<", "--threshold", "50"],
    ),
    ("check_alerts", {}, ["alerts", "check"]),
    ("try_alert", {"name": "tells"}, ["alerts", "try", "tells"]),
    ("get_alert_history", {"name": "odd"}, ["alerts", "history", "odd"]),
    ("switch_alert", {"name": "odd", "state": "off"}, ["alerts", "switch", "odd", "off"]),
    ("mute_alert", {"name": "odd", "minutes": 0}, ["alerts", "mute", "odd", "--minutes", "0"]),
    ("delete_alert", {"name": "odd"}, ["alerts", "delete", "odd"]),
    ("get_usage", {}, ["usage"]),
    ("list_retention_rules", {}, ["retention"]),
    (
        "set_retention_rule",
        {"name": "best", "experiment": "iris", "delete_after_days": 0.5, "keep_best": 2, "metric": "loss"},
        [
            "retention",
            "set",
            "best",
            "-e",
            "iris",
            "--delete-after",
            "0.5",
            "--keep-best",
            "2",
            "--metric",
            "loss",
        ],
    ),
    ("preview_retention", {"limit": 2}, ["retention", "preview", "-n", "2"]),
    ("apply_retention", {}, ["retention", "apply", "--yes"]),
    ("delete_retention_rule", {"name": "all"}, ["retention", "delete", "all"]),
    ("list_pipelines", {"limit": 5}, ["pipelines", "-n", "5"]),
    ("get_pipeline", {"pipeline_id": "PIPE"}, ["pipelines", "show", "PIPE"]),
    ("list_models", {}, ["models"]),
    ("get_model", {"model_name": "m"}, ["models", "show", "m"]),
    ("get_model_version", {"model_name": "m"}, ["models", "version", "m"]),
    ("get_model_version", {"model_name": "m", "version": 2}, ["models", "version", "m", "2"]),
    (
        "get_model_version",
        {"model_name": "m", "alias": "best"},
        ["models", "version", "m", "--alias", "best"],
    ),
    ("get_model_history", {"model_name": "m", "limit": 2}, ["models", "history", "m", "-n", "2"]),
    ("get_model_lineage", {"model_name": "m", "version": 1}, ["models", "lineage", "m", "1"]),
    ("diff_model_versions", {"model_name": "m", "v1": 1, "v2": 2}, ["models", "diff", "m", "1", "2"]),
    (
        "register_model",
        {"model_name": "new", "run_id": "RUN", "artifact": "notes/a.md", "stage": "staging"},
        ["models", "register", "new", "RUN", "notes/a.md", "--stage", "staging"],
    ),
    (
        "promote_model",
        {"model_name": "m", "version": 2, "stage": "staging", "comment": "why"},
        ["promote", "m", "2", "staging", "--comment", "why"],
    ),
    ("promote_model", {"model_name": "m", "version": 2}, ["promote", "m", "2"]),
    ("set_model_alias", {"model_name": "m", "alias": "a", "version": 1}, ["models", "alias", "m", "a", "1"]),
    ("delete_model_alias", {"model_name": "m", "alias": "best"}, ["models", "unalias", "m", "best"]),
    ("describe_model", {"model_name": "m", "note": "# N"}, ["models", "describe", "m", "--note", "# N"]),
    ("rename_model", {"model_name": "m", "new_name": "n"}, ["models", "rename", "m", "n"]),
    ("roll_back_model", {"model_name": "m"}, ["models", "roll-back", "m"]),
    (
        "delete_model_version",
        {"model_name": "m", "version": 1},
        ["models", "delete-version", "m", "1", "--yes"],
    ),
    ("delete_model", {"model_name": "m", "force": True}, ["models", "delete", "m", "--force", "--yes"]),
    (
        "create_experiment",
        {"name": "iris", "owner": "ada"},
        ["create-experiment", "iris", "--owner", "ada"],
    ),
    ("save_view", {"name": "best", "state": "?sort=metrics.loss asc", "experiment": "iris"}, []),
    ("list_views", {}, []),
    ("delete_view", {"name": "mine"}, []),
    ("page_runs", {"offset": 1, "limit": 1, "keys": ["loss"]}, []),
    ("list_facets", {"experiment": "iris"}, []),
    ("get_values", {"fields": ["status", "metrics.loss.min"]}, []),
    ("group_runs", {"by": ["experiment"], "fields": ["metrics.loss"]}, []),
    ("list_artifacts", {"run_id": "RUN", "prefix": "notes/"}, ["artifacts", "ls", "RUN", "notes/"]),
    (
        "query_sql",
        {"sql": "SELECT name FROM runs ORDER BY name"},
        ["query", "--sql", "SELECT name FROM runs ORDER BY name"],
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run([sys.executable, "-c", TRAINING], folder)
    return folder


@pytest.fixture
def ids(made: Path, tmp_path: Path) -> dict[str, str]:
    """Use a copy of the store, and return what the names of its runs stand for."""
    shutil.copytree(made, tmp_path / "own", dirs_exist_ok=True)
    ml.connect(tmp_path / "own" / "chachaml.db")
    pipe = ml.pipeline.list()[0].id
    return {"RUN": ml.runs(experiment="iris")[0].id, "OLD": ml.runs(archived=True)[0].id, "PIPE": pipe}


def with_ids(ids: dict[str, str], given: Any) -> Any:
    if isinstance(given, dict):
        return {key: with_ids(ids, value) for key, value in given.items()}
    if isinstance(given, list):
        return [with_ids(ids, value) for value in given]
    return ids.get(given, given) if isinstance(given, str) else given


def as_json(result: object) -> Any:
    return json.loads(json.dumps(json_ready(msgspec.to_builtins(result)), allow_nan=False))


@pytest.mark.parametrize(
    ("name", "arguments", "words"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)]
)
def test_commands_and_operations_say_the_same(
    name: str, arguments: dict[str, Any], words: list[str], ids: dict[str, str], made: Path, tmp_path: Path
) -> None:
    said = as_json(OPERATIONS[name].run(with_ids(ids, arguments)))
    schema = OPERATIONS[name].output_schema()
    Draft202012Validator.check_schema(schema)
    assert said is not None
    if words:
        shutil.copytree(made, tmp_path / "theirs")
        theirs = document(tmp_path / "theirs", *with_ids(ids, words))
        assert without_times(theirs) == without_times(said)


def without_times(said: Any) -> Any:
    """Leave out when it was done, which differs between two doings."""
    if isinstance(said, list):
        return [without_times(one) for one in said]
    return (
        {k: without_times(v) for k, v in said.items() if k not in ("time", "created", "id", "set", "saved")}
        if isinstance(said, dict)
        else said
    )


def test_every_operation_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_arguments_are_described(name: str) -> None:
    schema = OPERATIONS[name].input_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert all(one["description"] for one in schema.get("properties", {}).values())
    for _, arguments, _ in (case for case in CASES if case[0] == name):
        Draft202012Validator(schema).validate(arguments)


def test_bad_arguments_are_refused_with_what_is_taken(ids: dict[str, str]) -> None:
    list_runs = OPERATIONS["list_runs"]
    with pytest.raises(BadValue, match=r"list_runs: Expected `int`, got `str` - at `\$.limit`"):
        list_runs.run({"limit": "many"})
    with pytest.raises(BadValue, match="unknown field `experimnt`") as error:
        list_runs.run({"experimnt": "iris"})
    assert "it takes: filter, order_by, experiment" in error.value.hint
    with pytest.raises(BadValue, match="missing required field `run_id`"):
        OPERATIONS["get_run"].run({})
    with pytest.raises(BadValue, match=">= 1"):
        list_runs.run({"limit": 0})
    with pytest.raises(NotFound):
        OPERATIONS["get_run"].run({"run_id": "0000"})


def test_a_query_string_gives_texts(ids: dict[str, str]) -> None:
    found = OPERATIONS["list_runs"].run({"limit": "1", "archived": "true"}, texts=True)
    assert [one.id for one in found.runs] == [ids["OLD"]]
    with pytest.raises(BadValue):
        OPERATIONS["list_runs"].run({"limit": "1"})


def test_an_argument_without_a_word_about_it_is_a_mistake() -> None:
    def silent(key: str) -> None:
        """Do something.

        Args:
            other: Not this one.
        """

    with pytest.raises(TypeError, match="says nothing of key"):
        operation("read")(silent)


def test_effects_say_what_an_operation_may_do(ids: dict[str, str]) -> None:
    """What is called a read leaves the store as it is."""
    before = ml.sql("SELECT * FROM runs").to_dicts(), ml.history()
    for name, arguments, _ in CASES:
        if OPERATIONS[name].effect == "read":
            OPERATIONS[name].run(with_ids(ids, arguments))
    assert (ml.sql("SELECT * FROM runs").to_dicts(), ml.history()) == before
    destructive = [one.name for one in OPERATIONS.values() if one.effect == "destructive"]
    assert destructive == [
        "delete_runs", "delete_model_version", "delete_model", "delete_alert", "set_retention_rule",
        "delete_retention_rule", "apply_retention",
    ]  # fmt: skip
