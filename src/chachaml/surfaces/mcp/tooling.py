"""Tools over the protocol: their list, their calls, and the yes of a person before anything is deleted."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from chachaml.agents.catalogue import allowed
from chachaml.agents.tools import Result, Tool, failure
from chachaml.core.errors import AccessDenied, ChachamlError
from chachaml.display.words import count, safe
from chachaml.ops import OPERATIONS
from chachaml.surfaces.mcp.hosting import Context, Host

__all__ = ["Tooling", "described"]

_CONFIRM = "confirm"
_ASKED = "asked"

_AGAIN_CHANGES = frozenset({"rename_run", "roll_back_model", "register_model", "mute_alert"})
"""Tools that write, and do something more when they are called again."""


class Tooling:
    """Lists and calls tools.

    Args:
        host: Knows who asks.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def list(self, context: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """Return the tools that who asks may use."""
        return types.ListToolsResult(tools=[described(one) for one in self._tools(context).values()])

    def _tools(self, context: Context) -> dict[str, Tool]:
        return allowed(self._host.access(context))

    async def call(
        self, context: Context, asked: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Call a tool; what would delete something is first put to a person."""
        tool = self._tools(context).get(asked.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {safe(asked.name[:60])!r} here")
        arguments = asked.arguments or {}
        if tool.access == "delete" and not arguments.get("dry_run"):
            answer = await self._confirmed(context, tool, asked)
            if answer is not None:
                return answer
        return _answered(await self._host.work(context, partial(tool.call, arguments)))

    # asking a person ------------------------------------------------------------------------------

    async def _confirmed(
        self, context: Context, tool: Tool, asked: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult | None:
        """Return None once a person has said yes; else the question, or why nothing is done."""
        if not _can_ask(context):
            return _answered(failure(_NOBODY_TO_ASK))
        modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
        said: types.InputResponse | None = None
        if modern and asked.request_state == _ASKED:
            said = (asked.input_responses or {}).get(_CONFIRM)
        if said is None:
            question = await self._question(context, tool, asked.arguments or {})
            if isinstance(question, Result):
                return _answered(question)
            if modern:
                request = types.ElicitRequest(params=question)
                return types.InputRequiredResult(input_requests={_CONFIRM: request}, request_state=_ASKED)
            said = await self._ask(context, question)
        yes = isinstance(said, types.ElicitResult) and said.action == "accept"
        if yes and isinstance(said, types.ElicitResult) and (said.content or {}).get(_CONFIRM) is True:
            return None
        return _answered(failure(AccessDenied(f"{tool.name}: the person said no; nothing was deleted")))

    async def _ask(self, context: Context, question: types.ElicitRequestFormParams) -> types.InputResponse:
        try:
            return await context.session.elicit_form(
                question.message, question.requested_schema, context.request_id
            )
        except NoBackChannelError:
            return types.ElicitResult(action="cancel")

    async def _question(
        self, context: Context, tool: Tool, arguments: Mapping[str, Any]
    ) -> types.ElicitRequestFormParams | Result:
        """Return what to ask, with all that is at stake; a failure if it could not be done anyway."""
        try:
            stake = await self._host.work(context, partial(_at_stake, tool, arguments))
        except ChachamlError as error:
            return failure(error)
        shown = safe(json.dumps(arguments, ensure_ascii=False))[:1_000]
        return types.ElicitRequestFormParams(
            message=f"{tool.operation.summary}\n\n{stake}\n\n{tool.name} {shown}",
            requested_schema={
                "type": "object",
                "properties": {
                    _CONFIRM: {"type": "boolean", "title": "Delete for good", "default": False},
                },
                "required": [_CONFIRM],
            },
        )


_NOBODY_TO_ASK = AccessDenied(
    "deleting takes a person's yes, and this client cannot ask for it",
    "a person may do it by themselves: chachaml delete, chachaml models delete, chachaml alerts delete",
)


def _can_ask(context: Context) -> bool:
    able = context.session.client_capabilities
    return able is not None and able.elicitation is not None


def _at_stake(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Return in words what would be deleted."""
    if tool.name != "delete_runs":
        return "This cannot be undone."
    found = OPERATIONS["delete_runs"].run({**arguments, "dry_run": True})
    names = [safe(OPERATIONS["get_run"].run({"run_id": run}).name)[:60] for run in found.runs[:5]]
    more = f" and {len(found.runs) - 5:,} more" if len(found.runs) > 5 else ""
    held = f"{count(found.points, 'point')} and {count(found.artifacts, 'artifact')}"
    return f"{count(len(found.runs), 'run')} with {held}: {', '.join(names)}{more}. This cannot be undone."


# as the protocol has it ---------------------------------------------------------------------------


def described(tool: Tool) -> types.Tool:
    """Return a tool as the protocol describes it."""
    reads = tool.access == "read"
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=reads,
            destructive_hint=tool.access == "delete",
            idempotent_hint=reads or tool.name not in _AGAIN_CHANGES,
            open_world_hint=False,
        ),
    )


def _answered(found: Result) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=found.text)]
    content += [
        types.ImageContent(data=base64.b64encode(one.data).decode(), mime_type=one.content_type)
        for one in found.images
    ]
    return types.CallToolResult(content=content, structured_content=found.data, is_error=found.failed)
