"""What a client of MLflow's asks for: its arguments, checked as MLflow checks them, and the store for it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.responses import Response

from chachaml.core.changes import Batch, Change
from chachaml.core.checks import check_change
from chachaml.core.errors import BadValue
from chachaml.core.ids import command_id
from chachaml.core.settings import current_user
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Endpoint
from chachaml.surfaces.mlflow.errors import invalid

__all__ = ["Asked", "Given", "answered", "endpoint", "pages"]

_JSON = "application/json"
_NUMBER = re.compile(r"[-+]?\d{1,19}(\.\d{1,17})?([eE][-+]?\d{1,2})?")
"""A number as text, which is whole in 1e+05 too, as R's client writes 100000."""
_CLIENT = re.compile(r"mlflow-python-client/(\d+)")


class Given:
    """Arguments of a request, or of a part of it.

    Args:
        values: By name.
        where: What to put before a name in messages, such as ``metrics[0].``.
        texts: Whether they come from a query string, where all is text.
    """

    def __init__(self, values: dict[str, Any], where: str = "", *, texts: bool = False) -> None:
        self.values, self._where, self._texts = values, where, texts

    def text(self, name: str, default: str | None = None, *, empty: bool = False) -> str:
        """Return a text. Without a default it has to be given; only with `empty` may it be ''."""
        value = self.values.get(name)
        if isinstance(value, list) and self._texts:
            value = value[0]
        if value is None or (value == "" and not empty):
            if default is None:
                raise self.missing(name)
            return default
        if not isinstance(value, str):
            raise self.wrong(name, value)
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number, which may come as a text."""
        value = self.values.get(name)
        if isinstance(value, list) and self._texts:
            value = value[0]
        if value is None or value == "":
            if default is None:
                raise self.missing(name)
            return default
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value) if value.lstrip("-+").isdigit() else float(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise self.wrong(name, value)
        return value

    def flag(self, name: str) -> bool:
        """Return a truth value, which may come as a text."""
        value = self.values.get(name, False)
        value = value[0] if isinstance(value, list) and value else value
        if str(value).lower() not in ("true", "false"):
            raise self.wrong(name, value)
        return str(value).lower() == "true"

    def several(self, name: str) -> list[str]:
        """Return a list of texts; one text alone stands for a list of one."""
        value = self.values.get(name) or []
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(name, value)
        return value

    def parts(self, name: str) -> list[Given]:
        """Return a list of objects."""
        value = self.values.get(name) or []
        if not isinstance(value, list):
            raise self.wrong(name, value)
        return [self._part(f"{name}[{no}]", one) for no, one in enumerate(value)]

    def part(self, name: str) -> Given:
        """Return an object."""
        return self._part(name, self.values.get(name))

    def _part(self, name: str, value: Any) -> Given:
        if not isinstance(value, dict):
            raise self.missing(name) if value is None else self.wrong(name, value)
        return Given(value, f"{self._where}{name}.")

    def pairs(self, name: str) -> dict[str, str]:
        """Return a list of keys and values as a dict: of two values for one key the last one stays."""
        return {one.text("key"): one.text("value", "", empty=True) for one in self.parts(name)}

    def most(self, default: int, cap: int) -> int:
        """Return how many results there may be."""
        most = self.whole("max_results", default)
        if not 0 < most <= cap:
            raise invalid(
                f"Invalid value {most} for parameter 'max_results' supplied. It must be from 1 to {cap}."
            )
        return most

    def missing(self, name: str) -> Exception:
        """Return the error of an argument that is not given."""
        return invalid(
            f"Missing value for required parameter '{self._where}{name}'. "
            "See the API docs for more information about request parameters."
        )

    def wrong(self, name: str, value: object, why: str = "") -> Exception:
        """Return the error of an argument that is not what it should be."""
        shown = msgspec.json.encode(value).decode()[:200]
        return invalid(f"Invalid value {shown} for parameter '{self._where}{name}' supplied. {why}".rstrip())


class Asked(Given):
    """One request of a client of MLflow's.

    Args:
        request: As it came.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.service, self.actor = request, request.service, request.actor
        self.store = request.store
        self.root = self.service.options.artifacts_at
        self.user = self.actor.name or current_user()
        found = _CLIENT.match(request.headers.get("user-agent", ""))
        self.client = int(found[1]) if found else 0
        """Major version of the Python client; 0 for others."""
        body = request.method != "GET" and bool(request.data)
        super().__init__(_body(request) if body else _query(request), texts=not body)

    def apply(self, *changes: Change) -> None:
        """Make changes at once.

        Raises:
            Refused: What contradicts what is there.
        """
        for change in changes:
            check_change(change)
        receipt = self.store.apply(Batch(changes, command=command_id()))
        self.service.note({run for change in changes if (run := getattr(change, "run", ""))})
        for conflict in receipt.conflicts:
            raise invalid(conflict.what)

    @staticmethod
    def now() -> int:
        """Return the time in microseconds."""
        return time.time_ns() // 1000


def _body(request: Request) -> dict[str, Any]:
    given = request.content_type()
    if given not in ("", _JSON):
        raise invalid(f"Bad Request. Content-Type must be '{_JSON}', not '{given[:80]}'.")
    try:
        found = msgspec.json.decode(request.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"Malformed request body: {error}") from None
    if not isinstance(found, dict):
        raise invalid("Malformed request body: it must be a JSON object")
    return found


def _query(request: Request) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, value in request.pairs():
        found.setdefault(name.removesuffix("[]"), []).append(value)
    return found


def answered(data: Any) -> Response:
    """Return data as an answer; what is None is left out by whoever made it, as MLflow does."""
    return Response(msgspec.json.encode(data), 200, None, _JSON)


def endpoint(act: Callable[[Asked], Any]) -> Endpoint:
    """Return the endpoint that does something, in a thread, and answers what comes of it."""

    async def respond(request: Request) -> Response:
        asked = Asked(request)
        return answered(await request.work(lambda: act(asked)) or {})

    return respond


def pages(asked: Given, rows: list[Any], most: int) -> tuple[list[Any], str]:
    """Return one page of rows that are all here, and the token of the next one ('' at the end)."""
    token = asked.text("page_token", "")
    if token and not re.fullmatch(r"from-\d{1,12}", token):
        raise BadValue("Invalid page token: it must be one that came with the page before")
    start = int(token.removeprefix("from-")) if token else 0
    end = start + most
    return rows[start:end], f"from-{end}" if end < len(rows) else ""
