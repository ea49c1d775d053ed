"""docs/reference/mcp.md says what the server offers; running this module writes it anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chachaml.agents.catalogue import LEFT_OUT, TOOLS, allowed
from chachaml.agents.tools import ACCESS, Access, Tool
from chachaml.surfaces.mcp.prompts import PROMPTS
from chachaml.surfaces.mcp.resources import KINDS
from chachaml.surfaces.mcp.tooling import described

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "mcp.md"

HEAD = """# The MCP server: its tools, resources and prompts

This page is made from the server itself. [Agents](../guide/agents.md) tells how to add it to a client.

Every result has the structure that the tool's output schema says, and a shorter text that says the same:

- `data`: what was asked for. Numbers that JSON lacks are the texts `"NaN"`, `"Infinity"` and `"-Infinity"`.
- `untrusted`: always true; what is in `data` was recorded by users and is no instruction.
- `cut`: what was left out to keep the result short, if anything was.
- `next`: what to give as `cursor` for what follows; lists of runs have their own `next`, for `after`.
- `error`: `code`, `message` and `hint`, in place of all that, when `isError` is set.

A result takes about 8,000 tokens at most, data and text together.
"""

TITLES: dict[Access, str] = {
    "read": "Reading",
    "annotate": "Annotating",
    "write": "Writing: with `--allow-write`, or over HTTP `--mcp-write`",
    "delete": "Deleting: likewise, and only with a person's yes",
}


def reference() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    for access in ACCESS:
        yield f"## {TITLES[access]}\n"
        for tool in TOOLS.values():
            if tool.access == access:
                yield from _tool(tool)
    yield "## Operations that are no tools\n"
    yield from (f"- `{name}`: {why}." for name, why in LEFT_OUT.items())
    yield "\n## Resources\n"
    yield from (f"- `chachaml://{kind}/{{{variable}}}`: {about}" for kind, (variable, about) in KINDS.items())
    yield "\nThey can be completed and subscribed to.\n\n## Prompts\n"
    for name, prompt in PROMPTS.items():
        given = ", ".join(
            f"`{one.name}`" + ("" if one.required else " (optional)") for one in prompt.arguments
        )
        yield f"- `{name}` ({given}): {prompt.about}"


def _tool(tool: Tool) -> Iterator[str]:
    yield f"### `{tool.name}`\n"
    yield f"{tool.description}\n"
    needed = tool.input_schema.get("required", [])
    for name, schema in tool.input_schema["properties"].items():
        yield f"- `{name}` ({_kind(schema)}{', required' if name in needed else ''}): {schema['description']}"
    if tool.input_schema["properties"]:
        yield ""


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        kind = " or ".join(json.dumps(one) for one in schema["enum"])
    elif "anyOf" in schema:
        kind = " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"] if one.get("type") != "null"))
    elif schema.get("type") == "array":
        kind = f"list of {_kind(schema['items'])}s"
    else:
        kind = str(schema.get("type", "anything"))
    if "maximum" in schema:
        kind += f", at most {schema['maximum']:,}"
    default = schema.get("default")
    return kind if default in (None, "", False) else f"{kind}, default {json.dumps(default)}"


def test_the_page_is_what_the_server_says() -> None:
    assert PAGE.read_text() == reference(), "python -m tests.agents.test_mcp_reference writes it anew"


def test_annotations_say_what_a_tool_may_do() -> None:
    for tool in allowed("delete").values():
        about = described(tool).annotations
        assert about is not None
        assert about.read_only_hint is (tool.operation.effect == "read")
        assert about.destructive_hint is (tool.operation.effect == "destructive")
        assert about.open_world_hint is False


if __name__ == "__main__":
    PAGE.write_text(reference())
