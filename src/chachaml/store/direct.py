"""Bytes that go straight to where a server keeps them and come from there, if its owner allows that.

What the server gives away for it are addresses in its bucket, each good for one piece and some minutes. Where
they lead nowhere from this machine, bytes go through the server as they do without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import httpx
import msgspec

from chachaml.store.line import Line

__all__ = ["Direct"]

_CONNECT, _ANSWER = 5.0, 60.0
"""Seconds to wait for a connection, and for each piece of an answer."""

_TRIES = 3


class _Address(msgspec.Struct):
    """What a server answers."""

    address: str
    headers: dict[str, str] = {}
    start: int = 0
    whole: int = 0


class Direct:
    """Sends and fetches bytes past a server. May be used from any thread.

    Args:
        line: The line to the server.
    """

    def __init__(self, line: Line) -> None:
        self._line, self._is_on = line, True

    @cached_property
    def _client(self) -> httpx.Client:
        """What shows nobody the token."""
        return httpx.Client(timeout=httpx.Timeout(_ANSWER, connect=_CONNECT))

    def _address(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> _Address | None:
        """Return where bytes can go, None if through the server alone; it is not asked again then."""
        if not self._is_on:
            return None
        status, body = self._line.attempt(method, path, headers or {})
        if status < 300:
            return msgspec.json.decode(body, type=_Address)
        self._is_on = status not in (405, 409)
        return None

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a blob, from wherever they come.

        Args:
            path: The blob's at the server.

        Raises:
            StoreUnavailable: Neither way leads to them.
            NotFound: They are not there.
        """
        at = tried = 0
        while tried < _TRIES and (address := self._address("GET", f"{path}/address?at={at}")):
            before = at
            try:
                for piece in self._read(address, at - address.start):
                    at += len(piece)
                    yield piece
            except httpx.HTTPError as error:
                self._note(error)
            if at >= address.whole:
                return
            tried = 0 if at > before else tried + 1
        with self._line.reading(path, at) as rest:
            yield from rest

    def _note(self, error: httpx.HTTPError) -> None:
        """Ask for no more addresses if those that there are lead nowhere."""
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            self._is_on = False

    def _read(self, address: _Address, start: int) -> Iterator[bytes]:
        headers = {**address.headers, **({"Range": f"bytes={start}-"} if start else {})}
        with self._client.stream("GET", address.address, headers=headers) as answer:
            answer.raise_for_status()
            ahead = start if answer.status_code == 200 else 0  # some give all of it
            for piece in answer.iter_raw():
                if ahead < len(piece):
                    yield piece[ahead:]
                ahead = max(0, ahead - len(piece))

    def put(self, path: str, at: int, piece: bytes) -> bool:
        """Put a piece of a blob that begins at `at`; tell whether it is there.

        Raises:
            StoreUnavailable: The server cannot be reached.
        """
        address = self._address("POST", f"{path}/address", {"Upload-Offset": str(at)})
        if address is None:
            return False
        try:
            self._client.put(address.address, content=piece, headers=address.headers).raise_for_status()
        except httpx.HTTPError as error:
            self._note(error)
            return False
        return True

    def close(self) -> None:
        """Let go of the connections."""
        if "_client" in vars(self):
            self._client.close()
