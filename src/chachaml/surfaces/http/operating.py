"""The operations over HTTP: one row for each says where it is; all else is read off the operation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from starlette.responses import Response

from chachaml.core.errors import BadValue
from chachaml.ops import OPERATIONS, Operation
from chachaml.ops.operation import with_texts
from chachaml.surfaces.http.actors import Permission
from chachaml.surfaces.http.answers import answer
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

__all__ = ["PLACES", "Place", "description", "needs", "routes"]

_NEEDS: dict[str, Permission] = {"read": "read", "write": "write", "destructive": "destroy"}

_SLOW = (
    "query_sql", "export_runs", "check_alerts", "try_alert", "delete_runs", "read_artifact", "get_usage",
    "preview_retention", "apply_retention",
)  # fmt: skip

_MOST_ROWS, _MOST_POINTS, _MOST_RUNS = 10_000, 100_000, 1_000

_MANAGED = (
    "set_alert", "switch_alert", "mute_alert", "delete_alert", "check_alerts", "try_alert",
    "set_retention_rule", "delete_retention_rule",
)  # fmt: skip
"""Operations that take secrets, send something to somebody, or decide what a server does by itself."""


class Place(NamedTuple):
    """Where an operation is. ``names`` tells which argument is meant by another name than its own."""

    method: str
    path: str
    operation: str
    names: Mapping[str, str] = {}


PLACES = (
    Place("GET", "/api/runs", "list_runs"),
    Place("GET", "/api/runs/{run_id}", "get_run"),
    Place("GET", "/api/search", "search_runs"),
    Place("GET", "/api/best", "best_run"),
    Place("GET", "/api/compare", "compare_runs", {"ids": "run_ids"}),
    Place("GET", "/api/runs/{one}/diff/{other}", "diff_runs"),
    Place("GET", "/api/rows", "export_runs"),
    Place("GET", "/api/series", "get_series", {"ids": "run_ids"}),
    Place("GET", "/api/datasets/{run_id}", "get_datasets"),
    Place("GET", "/api/runs/{run_id}/console", "get_console"),
    Place("GET", "/api/runs/{run_id}/packages", "get_packages"),
    Place("GET", "/api/keys", "list_keys"),
    Place("GET", "/api/runs/{run_id}/artifacts", "list_artifacts"),
    Place("GET", "/api/runs/{run_id}/lineage", "get_run_lineage"),
    Place("POST", "/api/runs/{run_id}/curves", "get_curves"),
    # runs as a table
    Place("GET", "/api/table", "page_runs"),
    Place("GET", "/api/facets", "list_facets"),
    Place("GET", "/api/values", "get_values"),
    Place("GET", "/api/groups", "group_runs"),
    # judging runs
    Place("GET", "/api/series/course", "describe_series", {"ids": "run_ids"}),
    Place("GET", "/api/series/drawing", "draw_series", {"ids": "run_ids"}),
    Place("GET", "/api/leaderboard", "get_leaderboard"),
    Place("GET", "/api/importance", "get_importance"),
    Place("GET", "/api/runs/{one}/why/{other}", "explain_difference"),
    Place("GET", "/api/runs/{run_id}/content/{name:path}", "read_artifact"),
    Place("GET", "/api/views", "list_views"),
    Place("POST", "/api/views", "save_view"),
    Place("DELETE", "/api/views/{name}", "delete_view"),
    # saying more of runs, and putting them right
    Place("GET", "/api/tags/{run_id}", "get_tags"),
    Place("POST", "/api/tags/{run_id}", "add_tag"),
    Place("DELETE", "/api/tags/{run_id}/{key:path}", "remove_tag"),
    Place("POST", "/api/note/{run_id}", "set_note"),
    Place("POST", "/api/runs/{run_id}/rename", "rename_run"),
    Place("POST", "/api/runs/{run_id}/params", "set_param"),
    Place("DELETE", "/api/runs/{run_id}/params/{key:path}", "delete_param"),
    Place("DELETE", "/api/runs/{run_id}/metrics/{key:path}", "delete_metric"),
    Place("GET", "/api/history", "get_history"),
    Place("POST", "/api/undo", "undo"),
    Place("POST", "/api/archive", "archive_runs"),
    Place("POST", "/api/restore", "restore_runs"),
    Place("POST", "/api/move", "move_runs"),
    Place("POST", "/api/delete", "delete_runs"),
    # experiments, and all by SQL
    Place("GET", "/api/experiments", "list_experiments"),
    Place("POST", "/api/experiments", "create_experiment"),
    Place("POST", "/api/sql", "query_sql"),
    # models
    Place("GET", "/api/models", "list_models"),
    Place("GET", "/api/models/{model_name}", "get_model"),
    Place("DELETE", "/api/models/{model_name}", "delete_model"),
    Place("GET", "/api/models/{model_name}/version", "get_model_version"),
    Place("GET", "/api/models/{model_name}/history", "get_model_history"),
    Place("GET", "/api/models/{model_name}/lineage/{version}", "get_model_lineage"),
    Place("GET", "/api/diff/{model_name}/{v1}/{v2}", "diff_model_versions"),
    Place("POST", "/api/w/models", "register_model", {"name": "model_name"}),
    Place("POST", "/api/models/{model_name}/promote", "promote_model"),
    Place("POST", "/api/models/{model_name}/roll-back", "roll_back_model"),
    Place("POST", "/api/models/{model_name}/rename", "rename_model"),
    Place("POST", "/api/models/{model_name}/aliases", "set_model_alias"),
    Place("DELETE", "/api/models/{model_name}/aliases/{alias}", "delete_model_alias"),
    Place("DELETE", "/api/models/{model_name}/versions/{version}", "delete_model_version"),
    Place("POST", "/api/model-note/{model_name}", "describe_model"),
    # pipelines and alerts
    Place("GET", "/api/pipelines", "list_pipelines"),
    Place("GET", "/api/pipelines/{pipeline_id}", "get_pipeline"),
    Place("GET", "/api/alerts", "list_alerts"),
    Place("POST", "/api/alerts", "set_alert"),
    Place("POST", "/api/alerts/check", "check_alerts"),
    Place("GET", "/api/alert-history", "get_alert_history"),
    Place("GET", "/api/alert-preview", "preview_alert"),
    Place("POST", "/api/alerts/{name}/try", "try_alert"),
    Place("POST", "/api/alerts/{name}/switch", "switch_alert"),
    Place("POST", "/api/alerts/{name}/mute", "mute_alert"),
    Place("DELETE", "/api/alerts/{name}", "delete_alert"),
    # upkeep
    Place("GET", "/api/usage", "get_usage"),
    Place("GET", "/api/retention", "list_retention_rules"),
    Place("POST", "/api/retention", "set_retention_rule"),
    Place("GET", "/api/retention/preview", "preview_retention"),
    Place("POST", "/api/retention/apply", "apply_retention"),
    Place("DELETE", "/api/retention/{name}", "delete_retention_rule"),
)
"""Every operation has one place."""


def routes() -> list[Route]:
    """Return the routes of all operations."""
    return [
        Route(
            place.method,
            place.path,
            needs(operation := OPERATIONS[place.operation]),
            partial(_run, place, operation),
            description(place, operation),
        )
        for place in PLACES
    ]


def needs(operation: Operation[..., Any]) -> Permission:
    """Return what it takes to use an operation."""
    return "manage" if operation.name in _MANAGED else _NEEDS[operation.effect]


async def _run(place: Place, operation: Operation[..., Any], request: Request) -> Response:
    texts = place.method in ("GET", "DELETE")
    # An empty field of a form means any.
    given = {name: text for name, text in request.query().items() if text} if texts else request.json_object()
    columns = given.pop("columns", None) if operation.name in _TRIMMED else None
    arguments = _named(place, operation, given, request.path)
    slow = operation.name in _SLOW
    found = await request.work(partial(operation.run, arguments, texts=True), slow=slow)
    return answer(found if columns is None else _trimmed(found, columns))


def _named(
    place: Place, operation: Operation[..., Any], given: dict[str, Any], path: Mapping[str, str]
) -> dict[str, Any]:
    """Return an operation's arguments by their own names."""
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        own = place.names.get(name, name)
        if own in arguments or own in path:
            raise BadValue(f"{own!r} is given twice")
        several = isinstance(value, str) and place.method == "GET" and _is_list(operation, own)
        arguments[own] = [part for part in value.split(",") if part] if several else value
    _check_sizes(arguments)
    if operation.name == "compare_runs" and len(arguments.get("run_ids", ())) < 2:
        raise BadValue("comparing takes two runs at least", "?ids=ID,ID")
    return {**arguments, **path}


def _check_sizes(arguments: Mapping[str, Any]) -> None:
    """Refuse to answer with more than one page can use: a client asks for the next one.

    Raises:
        BadValue: Says how much there may be.
    """
    for name, most in (("limit", _MOST_ROWS), ("max_points", _MOST_POINTS)):
        given = str(arguments.get(name, ""))
        if given.lstrip("+-").isdigit() and (len(given) > 12 or int(given) > most):
            raise BadValue(
                f"{name} is at most {most:,} here", "ask for the rest by the next page, or a window"
            )
    runs = arguments.get("run_ids")
    if isinstance(runs, list) and len(runs) > _MOST_RUNS:
        raise BadValue(f"at most {_MOST_RUNS:,} runs at once", "ask in several requests")


def _is_list(operation: Operation[..., Any], name: str) -> bool:
    return name in operation.types and str(operation.types[name]).startswith("list[")


# columns ------------------------------------------------------------------------------------------

_TRIMMED = ("list_runs", "search_runs")
_MAPS = ("params", "metrics", "tags", "summaries", "environment")


def _trimmed(page: Any, columns: str) -> dict[str, Any]:
    """Return a page of runs with no more than what was asked for, and the id.

    Args:
        page: The runs.
        columns: Fields of runs, and keys as in searches, between commas: ``name,metrics.loss``.
    """
    wanted = [one.strip() for one in columns.split(",") if one.strip()]
    known = type(page.runs[0]).__struct_fields__ if page.runs else ()
    for one in wanted:
        if known and one not in known and one.partition(".")[0] not in _MAPS:
            raise BadValue(f"runs have no column {one!r}", "such as name,status,metrics.loss,params.lr")
    return {"runs": [_trim(run, wanted) for run in page.runs], "next": page.next}


def _trim(run: Any, wanted: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": run.id}
    for one in wanted:
        field, dot, key = one.partition(".")
        if not dot:
            row[one] = getattr(run, one)
        elif key in (kept := getattr(run, field)):
            row.setdefault(field, {})[key] = kept[key]
    return row


# description --------------------------------------------------------------------------------------


def description(place: Place, operation: Operation[..., Any]) -> dict[str, Any]:
    """Return what OpenAPI says of an operation."""
    schema = operation.input_schema()
    parts = schema.pop("$defs", {})
    names = {own: name for name, own in place.names.items()}
    fields = {names.get(own, own): (own, about) for own, about in schema["properties"].items()}
    in_path = [name for name, (own, _) in fields.items() if "{" + own in place.path]
    required = {names.get(own, own) for own in schema.get("required", ())}
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter("path", name, fields[name][1], required=True) for name in in_path],
    }
    if operation.details:
        said["description"] = operation.details
    others = {name: about for name, (_, about) in fields.items() if name not in in_path}
    if place.method in ("GET", "DELETE"):
        said["parameters"] += [
            _parameter("query", name, about, required=name in required) for name, about in others.items()
        ]
        if operation.name in _TRIMMED:
            said["parameters"].append(_parameter("query", "columns", _COLUMNS))
    else:
        body = {"type": "object", "properties": others, "additionalProperties": False}
        if needed := sorted(required - {*in_path}):
            body["required"] = needed
        said["requestBody"] = {
            "required": bool(needed),
            "content": {"application/json": {"schema": {**body, **({"$defs": parts} if parts else {})}}},
        }
    result = {} if operation.name in _TRIMMED else with_texts(operation.output_schema())
    said["responses"] = {"200": {"description": "Done.", "content": {"application/json": {"schema": result}}}}
    return said


_COLUMNS = {
    "type": "string",
    "description": "No more than these, between commas: fields of runs, and keys as in searches.",
}


def _parameter(where: str, name: str, schema: Mapping[str, Any], *, required: bool = False) -> dict[str, Any]:
    about = dict(schema)
    text = about.pop("description", "")
    said = {"name": name, "in": where, "required": required, "description": text, "schema": about}
    if about.get("type") == "array":
        said |= {"style": "form", "explode": False}
    return said
