"""Runs, experiments, models and notes as resources: their addresses, lists, contents and completion."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from chachaml.agents.catalogue import TOOLS
from chachaml.agents.tools import as_json
from chachaml.agents.wording import fenced
from chachaml.core.errors import ChachamlError, NotFound
from chachaml.display.words import safe
from chachaml.ops import OPERATIONS
from chachaml.surfaces.mcp.hosting import Context, Host

__all__ = ["KINDS", "Address", "Resources", "address", "suggestions", "uri_of"]

_ADDRESS = re.compile(r"chachaml://(run|experiment|model|note)/([^/?#]+)")
_PAGE = 50
_MOST = 100

KINDS = {
    "run": ("id", "A run: status, params, metrics, artifacts, environment."),
    "experiment": ("name", "An experiment: what it is about, and its newest runs."),
    "model": ("name", "A model with its versions."),
    "note": ("id", "The note of a run, in Markdown."),
}


class Address(NamedTuple):
    """What an address means: a kind of thing, and which."""

    kind: str
    name: str


def address(uri: str) -> Address:
    """Return what an address means.

    Raises:
        NotFound: It is none of ours.
    """
    match = _ADDRESS.fullmatch(uri)
    if match is None:
        raise NotFound(f"there is nothing at {uri[:200]!r}", "chachaml://run/{id}, experiment, model or note")
    return Address(match[1], unquote(match[2]))


def uri_of(kind: str, name: str) -> str:
    """Return the address of something."""
    return f"chachaml://{kind}/{quote(name, safe='')}"


class Resources:
    """Lists and reads resources.

    Args:
        host: Knows who asks.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def list(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Return the experiments and models, then the runs, newest first, page by page."""
        cursor = (asked.cursor if asked else None) or ""
        found, behind = await _answer(self._host.work(context, partial(_listed, cursor)))
        return types.ListResourcesResult(resources=found, next_cursor=behind)

    async def templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Return the kinds of addresses."""
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    name=kind,
                    uri_template=f"chachaml://{kind}/{{{variable}}}",
                    description=about,
                    mime_type=_type_of(kind),
                )
                for kind, (variable, about) in KINDS.items()
            ]
        )

    async def read(
        self, context: Context, asked: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Return what is at an address."""
        uri = str(asked.uri)
        kind, text = await _answer(self._host.work(context, partial(_contents, uri)))
        contents = types.TextResourceContents(uri=uri, mime_type=_type_of(kind), text=text)
        return types.ReadResourceResult(contents=[contents])


async def _answer(found: Any) -> Any:
    """Return what an awaitable gives; an error of ours becomes one of the protocol's.

    Raises:
        MCPError: Says what is wrong.
    """
    try:
        return await found
    except ChachamlError as error:
        told = {"code": error.code, "hint": error.hint}
        raise MCPError(types.INVALID_PARAMS, error.message[:1_000], told) from None


def _type_of(kind: str) -> str:
    return "text/markdown" if kind == "note" else "application/json"


def _listed(cursor: str) -> tuple[list[types.Resource], str | None]:
    found: list[types.Resource] = []
    if not cursor:
        experiments = OPERATIONS["list_experiments"].run({})[:_PAGE]
        found += [_resource("experiment", one.name, one.name, one.description) for one in experiments]
        models = OPERATIONS["list_models"].run({})[:_PAGE]
        found += [_resource("model", one.name, one.name, one.description) for one in models]
    page = OPERATIONS["list_runs"].run({"limit": _PAGE, "after": cursor})
    for run in page.runs:
        found.append(_resource("run", run.id, run.name, f"{run.status} run of {run.experiment}"))
        if run.note:
            found.append(_resource("note", run.id, f"note of {run.name}", ""))
    return found, page.next


def _resource(kind: str, name: str, title: str, about: str) -> types.Resource:
    return types.Resource(
        uri=uri_of(kind, name),
        name=safe(title)[:200] or name,
        description=safe(about)[:300] or None,
        mime_type=_type_of(kind),
    )


def _contents(uri: str) -> tuple[str, str]:
    """Return the kind of what is at an address, and it as text."""
    kind, name = address(uri)
    if kind == "note":
        return kind, fenced(OPERATIONS["get_run"].run({"run_id": name}).note)
    if kind == "run":
        return kind, _called("get_run", run_id=name)
    if kind == "model":
        return kind, _called("get_model", model_name=name)
    if not any(one.name == name for one in OPERATIONS["list_experiments"].run({})):
        raise NotFound(f"there is no experiment {name[:200]!r}", "list_experiments names them all")
    return kind, _called("list_runs", experiment=name)


def _called(tool: str, **arguments: str) -> str:
    found = TOOLS[tool].call(arguments)
    if found.failed:
        about = found.data["error"]
        raise NotFound(about["message"], about["hint"])
    return as_json(found.data)


# completion ---------------------------------------------------------------------------------------


def suggestions(argument: str, begun: str) -> list[str]:
    """Return what an argument of an address or a prompt may be, by its name and how it begins."""
    known = _KNOWN.get(argument)
    if known is None:
        return []
    *before, last = begun.split(",") if argument == "run_ids" else [begun]
    fitting = [one for one in known() if one.lower().startswith(last.strip().lower())]
    return [",".join([*before, one]) for one in fitting[:_MOST]]


def _runs() -> list[str]:
    runs = OPERATIONS["list_runs"].run({"limit": 1_000}).runs
    return [one.short_id for one in runs] + [one.id for one in runs]


def _experiments() -> list[str]:
    return [one.name for one in OPERATIONS["list_experiments"].run({})]


def _models() -> list[str]:
    return [one.name for one in OPERATIONS["list_models"].run({})]


def _metrics() -> list[str]:
    return list(OPERATIONS["list_keys"].run({})["metric"])


_KNOWN: dict[str, Callable[[], list[str]]] = {
    "id": _runs,
    "run_id": _runs,
    "run_ids": _runs,
    "experiment": _experiments,
    "model": _models,
    "metric": _metrics,
}
