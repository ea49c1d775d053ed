"""The API's description, made from the routes: docs/reference/openapi.json is this, and a test says so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from chachaml.surfaces.http.routing import Route

__all__ = ["describe"]

_ERROR = {
    "description": "What is wrong.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": {
                        "type": "object",
                        "required": ["code", "message", "hint"],
                        "properties": {
                            "code": {"type": "string", "description": "For machines."},
                            "message": {"type": "string", "description": "What happened, and where."},
                            "hint": {"type": "string", "description": "What to do next; may be empty."},
                            "request_id": {"type": "string", "description": "As in X-Request-Id."},
                        },
                    }
                },
            }
        }
    },
}

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text: a request that is sent again with the same one is done once.",
    "schema": {"type": "string", "maxLength": 200},
}


def describe(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """Return the OpenAPI document (version 3.1) of all routes that say something of themselves."""
    paths: dict[str, dict[str, Any]] = {}
    parts: dict[str, Any] = {}
    for route in routes:
        if route.about is not None:
            path = re.sub(r"\{(\w+):path\}", r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _hoisted(_operation(route), parts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chachaml",
            "version": version,
            "description": "Experiment tracking over HTTP. JSON is strict: NaN and the infinities are the "
            'texts "NaN", "Infinity" and "-Infinity". Times are RFC 3339, or microseconds where it says so.',
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _ERROR},
            "schemas": parts,
        },
    }


def _hoisted(said: Any, parts: dict[str, Any]) -> Any:
    """Return a description whose ``$defs`` are among `parts`, where OpenAPI looks for them.

    Raises:
        ValueError: Two different things have the same name.
    """
    if isinstance(said, list):
        return [_hoisted(one, parts) for one in said]
    if not isinstance(said, dict):
        return said
    for name, part in said.get("$defs", {}).items():
        found = _hoisted(part, parts)
        if parts.setdefault(name, found) != found:
            raise ValueError(f"two schemas are called {name}")
    return {key: _said(key, value, parts) for key, value in said.items() if key != "$defs"}


def _said(key: str, value: Any, parts: dict[str, Any]) -> Any:
    if key == "$ref":
        return value.replace("#/$defs/", "#/components/schemas/")
    if key == "description" and isinstance(value, str):
        return inspect.cleandoc(value)  # as Python 3.13 does with docstrings by itself
    return _hoisted(value, parts)


def _operation(route: Route) -> dict[str, Any]:
    said = {**(route.about or {})}
    if route.method != "GET":
        said["parameters"] = [*said.get("parameters", ()), _KEY]
    said["responses"] = {**said["responses"], "4XX": {"$ref": "#/components/responses/Problem"}}
    if route.needs != "open":
        # Reading and logging need no token where the server serves this machine alone.
        said["security"] = (
            [{"token": []}] if route.needs in ("token", "destroy", "manage") else [{}, {"token": []}]
        )
    return said
