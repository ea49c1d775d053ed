"""The page of the HTTP API: every route with what it needs, takes and answers, from the OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docs.site.markdown import code, prose, table

from chachaml.surfaces.http.everything import all_routes, description

__all__ = ["page"]

HEAD = """# The HTTP API

Every route of the server, made from the same description that it serves as `/api/openapi.json`
([OpenAPI 3.1](openapi.json)); `/api/docs` of a running server tries them out. [The guide](../guide/http.md) shows the API
in use, from `curl`, Go and JavaScript.

JSON is strict: NaN and the infinities are the texts `"NaN"`, `"Infinity"` and `"-Infinity"`. What is wrong comes with a
status of 4xx and `{"error": {"code", "message", "hint"}}`, its codes being those of the [errors](errors.md). Anything but
`GET` takes an `Idempotency-Key`: a request that is sent again with the same one is done once. What a route needs:

| needs | who may |
|---|---|
| open | anybody who reaches the server |
| read | on this machine everybody; on a team's server those who may read |
| write | likewise those who may write |
| token, destroy | writers who show a token |
| manage | admins who show a token |

"""

Said = dict[str, Any]


def page() -> str:
    """Return the page."""
    document: Said = description()
    needs = {(route.method, route.path.replace(":path}", "}")): route.needs for route in all_routes().all}
    parts = [HEAD]
    for group, places in sorted(_groups(document["paths"]).items()):
        parts.append(f"## {group}\n")
        for path, method, said in places:
            parts.append(_route(path, method, said, needs[method, path]))
    parts.append("## Schemas\n\nWhat answers consist of.\n")
    parts += [_schema(name, said) for name, said in sorted(document["components"]["schemas"].items())]
    return "\n".join(parts)


def _groups(paths: Said) -> dict[str, list[tuple[str, str, Said]]]:
    found: dict[str, list[tuple[str, str, Said]]] = {}
    for path, methods in paths.items():
        names = path.split("/")
        group = "/".join(names[: 4 if names[2:3] == ["w"] else 3])
        found.setdefault(group, []).extend((path, method.upper(), said) for method, said in methods.items())
    return found


def _route(path: str, method: str, said: Said, needs: str) -> str:
    fields = [
        (code(one["name"]), one["in"], _type(one["schema"]), prose(one.get("description", "")))
        for one in said["parameters"]
        if one["in"] != "header"
    ]
    fields += _body(said.get("requestBody"))
    return "\n".join(
        [
            f"### `{method} {path}`\n",
            f"{prose(said['summary'])} Needs {needs}.\n",
            prose(said.get("description", "")) + "\n",
            table(("name", "in", "type", ""), fields),
            f"Answers {_answer(said['responses'])}.\n",
        ]
    )


def _body(said: Said | None) -> list[tuple[str, str, str, str]]:
    rows = []
    for kind, content in (said or {}).get("content", {}).items():
        schema = content.get("schema", {})
        if not (properties := schema.get("properties")):
            rows.append(("", "body", code(kind), prose(schema.get("description", ""))))
        for name, one in (properties or {}).items():
            must = " (required)" if name in schema.get("required", ()) else ""
            rows.append((code(name), "body", _type(one) + must, prose(one.get("description", ""))))
    return rows


def _answer(responses: Said) -> str:
    good = {status: said for status, said in responses.items() if status.startswith(("1", "2", "3"))}
    return "; ".join(
        f"{status}: "
        + (" or ".join(_contents(said)) or prose(said.get("description", "nothing")).rstrip("."))
        for status, said in good.items()
    )


def _contents(said: Said) -> Iterable[str]:
    for kind, content in said.get("content", {}).items():
        yield _type(content["schema"]) if content.get("schema") else code(kind)


def _schema(name: str, said: Said) -> str:
    required = said.get("required", ())
    rows = [
        (
            code(key),
            _type(one) + ("" if key in required else ", may be missing"),
            prose(one.get("description", "")),
        )
        for key, one in said.get("properties", {}).items()
    ]
    about = prose(said.get("description", ""))
    return f"### {name}\n\n{about}\n\n{table(('field', 'type', ''), rows) or _type(said) + chr(10)}"


def _type(said: Any) -> str:
    """Return in words of what kind a value is."""
    if not isinstance(said, dict) or not said:
        return "anything"
    if "$ref" in said:
        name = said["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in said:
        return " or ".join(code(value or '""') for value in said["enum"])
    if "const" in said:
        return code(said["const"])
    if "anyOf" in said:
        return " or ".join(dict.fromkeys(_type(one) for one in said["anyOf"]))
    if said.get("type") == "array":
        return f"list of {_type(said.get('items') or {})}" if said.get("items") else "list"
    if said.get("type") == "object" and isinstance(said.get("additionalProperties"), dict):
        return f"object of {_type(said['additionalProperties'])}"
    return str(said.get("type", "anything")) + (f", `{said['default']}`" if said.get("default") else "")
