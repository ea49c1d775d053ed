"""The server of the protocol: what it offers, whoever asks and however."""

from __future__ import annotations

from functools import partial
from secrets import token_hex

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

from chachaml.agents.catalogue import INSTRUCTIONS
from chachaml.surfaces.mcp.hosting import Context, Host
from chachaml.surfaces.mcp.prompts import get_prompt, list_prompts
from chachaml.surfaces.mcp.resources import Resources, suggestions
from chachaml.surfaces.mcp.tooling import Tooling
from chachaml.surfaces.mcp.watching import Subscriptions

__all__ = ["Protocol", "make"]

_ANSWER_WITHIN = 600.0
"""Seconds that a person may take to say yes."""


class Protocol:
    """A server of the protocol, and what it has under way.

    Attributes:
        server: The SDK's.
        subscriptions: Who listens to what.
    """

    def __init__(self, server: Server[object], subscriptions: Subscriptions) -> None:
        self.server, self.subscriptions = server, subscriptions


def make(host: Host, secret: str = "") -> Protocol:
    """Return a server of the protocol.

    Args:
        host: Knows who asks, and what they may.
        secret: What it seals questions to people with, as other processes that serve the same; '' for none.
    """
    from chachaml import __version__

    tools, resources, subscriptions = Tooling(host), Resources(host), Subscriptions(host)

    async def complete(context: Context, asked: types.CompleteRequestParams) -> types.CompleteResult:
        argument = asked.argument.name
        if isinstance(asked.ref, types.ResourceTemplateReference) and argument == "name":
            argument = "model" if "://model/" in asked.ref.uri else "experiment"
        values = await host.work(context, partial(suggestions, argument, asked.argument.value))
        return types.CompleteResult(completion=types.Completion(values=values, has_more=False))

    server: Server[object] = Server(
        "chachaml",
        version=__version__,
        title="chachaml experiments",
        instructions=INSTRUCTIONS,
        on_list_tools=tools.list,
        on_call_tool=tools.call,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.templates,
        on_read_resource=resources.read,
        on_subscribe_resource=subscriptions.subscribe,
        on_unsubscribe_resource=subscriptions.unsubscribe,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
    )
    # An answer counts for the call about which it was asked, by the same caller, and for no other.
    security = RequestStateSecurity(
        keys=[secret or token_hex(32)], ttl=_ANSWER_WITHIN, bind_principal=host.principal
    )
    server.middleware.append(RequestStateBoundary(security, default_audience="chachaml"))
    return Protocol(server, subscriptions)
