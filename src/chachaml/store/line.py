"""The line to a server: requests that are tried again, and answers that are errors of chachaml's."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx
import msgspec

from chachaml.core import errors
from chachaml.core.errors import ChachamlError, StoreUnavailable
from chachaml.store.zstd import compress, expand

__all__ = ["Line"]

_CONNECT, _ANSWER = 5.0, 30.0
"""Seconds to wait for a connection, and for each piece of an answer."""

_TRIES = 3
_BUSY = (429, 502, 503, 504)
"""Answers after which the same may be asked again."""

_LONGEST_PAUSE = 2.0
_WORTH_PACKING = 1024
_MOST = 1 << 30
"""Bytes of the largest answer that is unpacked."""

_CLASSES: dict[str, type[ChachamlError]] = {
    value.code: value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, ChachamlError) and value is not errors.BadQuery
}


class _Envelope(msgspec.Struct):
    """What a server says when something is wrong."""

    code: str = ""
    message: str = ""
    hint: str = ""


class _Problem(msgspec.Struct):
    error: _Envelope


class Line:
    """Asks one server. May be used from any thread.

    Args:
        url: Where the server is, such as ``http://127.0.0.1:8080``, also below a path.
        token: Tells who asks, '' for nobody; asked anew when it is good no more, as after a server's restart.
    """

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self.url, self._token = url.rstrip("/"), token
        self._shown = token()
        local = httpx.URL(self.url).host in ("127.0.0.1", "::1", "localhost")
        self._client = httpx.Client(
            timeout=httpx.Timeout(_ANSWER, connect=_CONNECT),
            auth=self._sign,
            trust_env=not local,  # a proxy knows no way to this machine's own addresses
        )

    def _sign(self, request: httpx.Request) -> httpx.Request:
        if token := self._shown:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    def _renew(self) -> bool:
        """Take the token anew; tell whether it is another one."""
        before, self._shown = self._shown, self._token()
        return self._shown != before

    def ask(
        self, method: str, path: str, data: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the body of the answer. What is asked must be such that asking twice does no harm.

        Args:
            method: As in HTTP.
            path: Below the server's URL, quoted.
            data: What to send, as msgpack.
            headers: Others.

        Raises:
            StoreUnavailable: The server cannot be reached, or has trouble.
            ChachamlError: What the server says.
        """
        given = {"Content-Type": "application/msgpack", "Accept-Encoding": "zstd", **(headers or {})}
        if data is not None and len(data) >= _WORTH_PACKING:
            data, given = compress(data, 1), {**given, "Content-Encoding": "zstd"}
        for tried in range(1, _TRIES + 1):
            try:
                # Not `request`: it would unpack by itself, without a limit.
                with self._client.stream(method, self.url + path, content=data, headers=given) as answer:
                    body = b"".join(answer.iter_raw())
                if answer.status_code == 401 and self._renew():
                    continue
                if answer.status_code not in _BUSY or tried == _TRIES:
                    return self._read(answer, body)
                _pause(tried, answer.headers.get("retry-after", ""))
            except httpx.TransportError as error:
                if tried == _TRIES:
                    raise self._away(error) from error
                _pause(tried)
            except (httpx.InvalidURL, httpx.HTTPError) as error:
                raise self._away(error) from error
        raise StoreUnavailable(f"the token for {self.url} changes all the time", "set CHACHAML_TOKEN")

    def _read(self, answer: httpx.Response, body: bytes) -> bytes:
        if answer.headers.get("content-encoding") == "zstd":
            try:
                body = expand(body, _MOST)
            except ValueError as error:
                raise StoreUnavailable(f"what {self.url} answered is damaged: {error}") from None
        if answer.status_code < 300:
            return body
        raise self._error(answer.status_code, body)

    def _error(self, status: int, body: bytes) -> ChachamlError:
        """Return what went wrong, as the server tells it."""
        try:
            told = msgspec.json.decode(body, type=_Problem).error
        except (msgspec.MsgspecError, ValueError):
            return StoreUnavailable(f"{self.url} answered {status}", "is it a chachaml server?")
        if status >= 500 or told.code not in _CLASSES:
            return StoreUnavailable(f"{self.url}: {told.message}", told.hint)
        return _CLASSES[told.code](told.message, told.hint)

    def _away(self, error: Exception) -> StoreUnavailable:
        why = str(error) or type(error).__name__
        return StoreUnavailable(f"the server {self.url} cannot be reached: {why}", "is it running there?")

    @contextmanager
    def reading(self, path: str, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Give a large answer's bytes as they come.

        Args:
            path: Below the server's URL, quoted.
            start: The byte to begin with.

        Raises:
            StoreUnavailable: The server cannot be reached, or the line breaks.
            ChachamlError: What the server says.
        """
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        try:
            with self._client.stream("GET", self.url + path, headers=headers) as answer:
                if answer.status_code >= 300:
                    raise self._error(answer.status_code, answer.read())
                yield answer.iter_raw()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def attempt(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return the status and the body of the answer to a request that may well be refused.

        Raises:
            StoreUnavailable: The server cannot be reached, or the line breaks.
        """
        answer = self._once(method, path, None, headers)
        return answer.status_code, answer.content

    def look(self, path: str) -> Mapping[str, str] | None:
        """Return the headers that GET would answer with, None if nothing is there.

        Raises:
            StoreUnavailable: The server cannot be reached.
            ChachamlError: What the server says.
        """
        answer = self._once("HEAD", path, None, {})
        if answer.status_code == 404:
            return {"": "", **answer.headers} if "upload-offset" in answer.headers else None
        if answer.status_code >= 300:
            with self.reading(path):  # which says what is wrong: an answer to HEAD has no body
                raise self._error(answer.status_code, b"")
        return answer.headers

    def send(self, method: str, path: str, data: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Send bytes; return the headers of the answer.

        Raises:
            StoreUnavailable: The server cannot be reached, or the line breaks.
            ChachamlError: What the server says.
        """
        answer = self._once(method, path, data, headers)
        if answer.status_code >= 300:
            raise self._error(answer.status_code, answer.content)
        return answer.headers

    def _once(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._client.request(method, self.url + path, content=data, headers=dict(headers))
            if answer.status_code == 401 and self._renew():
                answer = self._client.request(method, self.url + path, content=data, headers=dict(headers))
        except httpx.HTTPError as error:
            raise self._away(error) from error
        return answer

    def delete_blob(self, digest: str) -> int:
        """Have bytes deleted that nothing needs; return how many came back.

        Raises:
            StoreUnavailable: The server cannot be reached.
            ChachamlError: What the server says.
        """
        freed: int = msgspec.json.decode(self.ask("DELETE", f"/api/blobs/{digest}"))["freed"]
        return freed

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _pause(tried: int, told: str = "") -> None:
    """Wait before the next try: as long as was told, within limits, or longer each time."""
    wait = float(told) if told.isdigit() else 0.1 * 2**tried
    time.sleep(min(wait, _LONGEST_PAUSE) * random.uniform(0.5, 1.0))
