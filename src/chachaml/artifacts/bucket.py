"""A place in an object store: how it is asked, and what its errors mean.

The one module that asks obstore. Nothing but plain requests for whole objects and ranges of them is needed,
which every compatible store answers alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from chachaml.core.errors import ChachamlError, StoreUnavailable

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta
    from obstore.store import ObjectStore

__all__ = ["About", "Bucket"]

_CHUNK = 4 << 20
_CODE = re.compile(r"<Code>(\w+)</Code>")

_PUT = "putat"
"""The name under which an object says when its bytes were put, in seconds since 1970."""

_SAVED = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
"""Told to whoever opens an object's own address: a browser must not show it."""

_MEANINGS = {
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "set the clock; timedatectl says how it is"),
    "ExpiredToken": ("the credentials are over", "sign in anew, such as: aws sso login"),
    "TokenRefreshRequired": ("the credentials are over", "sign in anew, such as: aws sso login"),
    "InvalidAccessKeyId": ("the access key is unknown there", "check AWS_ACCESS_KEY_ID, or the profile"),
    "SignatureDoesNotMatch": ("the secret key is wrong", "check AWS_SECRET_ACCESS_KEY, or the profile"),
    "AccessDenied": ("these credentials may not do that", "allow reading, writing, listing and deleting"),
    "NoSuchBucket": ("there is no such bucket", "make it first; chachaml makes none"),
    "PermanentRedirect": ("it is in another region", "name the region: CHACHAML_S3_REGION"),
    "AuthorizationHeaderMalformed": ("it is in another region", "name the region: CHACHAML_S3_REGION"),
    "SlowDown": ("it is asked too much at once", "what is logged waits, and is sent later"),
}

_REFUSALS = {"PermissionDeniedError": "AccessDenied", "UnauthenticatedError": "AccessDenied"}
"""What an error means that comes without a code, as answers to HEAD do."""


_process: dict[str, int] = {}
"""The process that asked first: obstore has threads, which a forked one lacks and would wait for forever."""


class About(NamedTuple):
    """What is known of an object."""

    key: str
    size: int
    modified: float
    """When it was written, by the clock of the object store, in seconds since 1970."""
    put: float = 0.0
    """When its bytes were put, by the clock of who did; 0 if that is not known."""

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]


class Bucket:
    """What one place in an object store holds. May be used from any thread.

    Args:
        url: Where it is, for people.
        store: How obstore knows it.
        put_headers: What has to be sent with a `PUT` to an address that was signed.
    """

    def __init__(self, url: str, store: ObjectStore, put_headers: Mapping[str, str]) -> None:
        self.url, self._store, self.put_headers = url, store, dict(put_headers)
        self._cuts = True
        """Whether it gives ranges when asked for them."""

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Turn what obstore raises into an error that says what to do, but that nothing is there."""
        if _process.setdefault("id", os.getpid()) != os.getpid():
            raise StoreUnavailable(
                f"{self.url} cannot be {doing} by a process that was forked from one that uses it",
                "the other one sends what is logged here; or start processes by spawn",
            )
        try:
            yield
        except ChachamlError:
            raise
        except Exception as error:  # obstore's have no common base with those of its streams
            if isinstance(error, FileNotFoundError) and _code_of(error) != "NoSuchBucket":
                raise
            raise self._trouble(doing, error) from error

    def _trouble(self, doing: str, error: Exception) -> StoreUnavailable:
        code = _code_of(error) or _REFUSALS.get(type(error).__name__, "")
        if code in _MEANINGS:
            why, hint = _MEANINGS[code]
            return StoreUnavailable(f"{self.url} cannot be {doing}: {why} ({code})", hint)
        short = " ".join(str(error).partition("\n\nDebug source")[0].split())[:300]
        return StoreUnavailable(f"{self.url} cannot be {doing}: {short}", "is it reachable from here?")

    def about(self, key: str) -> About | None:
        """Return what is known of an object, None if there is none."""
        import obstore

        try:
            with self._telling("read"):
                found = obstore.get(self._store, key, options={"head": True})
        except FileNotFoundError:
            return None
        return _about(found.meta, cast("Mapping[str, str]", found.attributes))

    def stream(self, key: str, start: int = 0) -> tuple[Iterator[bytes], int | None]:
        """Return an object's bytes from `start` on, as they come, and its size: None if there is none."""
        import obstore

        try:
            with self._telling("read"):
                if start and (found := self._stretch(key, start)):
                    return self._pieces(found), found.meta["size"]
                found = obstore.get(self._store, key)
        except FileNotFoundError:
            return iter(()), None
        return _behind(self._pieces(found), start), found.meta["size"]

    def _stretch(self, key: str, start: int) -> GetResult | None:
        """Return an object from `start` on, None from a store that gives all of it instead."""
        import obstore
        from obstore.exceptions import GenericError

        if not self._cuts:
            return None
        try:
            return obstore.get(self._store, key, options={"range": {"offset": start}})
        except GenericError as error:
            if "non-partial" not in str(error):
                raise
            self._cuts = False
            return None

    def _pieces(self, found: GetResult) -> Iterator[bytes]:
        with self._telling("read"):
            yield from cast("Iterator[bytes]", iter(found.stream(_CHUNK)))

    def list(self, prefix: str) -> Iterator[About]:
        """Yield what is known of all objects below a prefix, sorted by their keys."""
        import obstore

        with self._telling("listed"):
            for some in obstore.list(self._store, prefix, chunk_size=1000):
                yield from map(_about, some)

    def put(self, key: str, data: bytes | bytearray, put: float = 0.0) -> None:
        """Keep an object.

        Args:
            key: Its key.
            data: Its bytes.
            put: When they were put first, in seconds since 1970; 0 if it does not matter.
        """
        import obstore

        told = {**_SAVED, _PUT: f"{put:.6f}"} if put else _SAVED
        with self._telling("written"):
            obstore.put(self._store, key, data, attributes=cast("Any", told), use_multipart=False)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, whether they are there or not."""
        import obstore

        try:
            with self._telling("written"):
                obstore.delete(self._store, list(keys))
        except FileNotFoundError:  # some stores tell of the first that is not there, and go no further
            for key in keys:
                with suppress(FileNotFoundError), self._telling("written"):
                    obstore.delete(self._store, key)

    def sign(self, method: str, key: str, good_for: timedelta) -> str:
        """Return an address for one object and one method that needs no credentials.

        Raises:
            StoreUnavailable: There are no credentials to sign it with.
        """
        import obstore

        with self._telling("signed for"):
            return obstore.sign(cast("Any", self._store), cast("Any", method), key, good_for)


def _about(meta: ObjectMeta, attributes: Mapping[str, str] | None = None) -> About:
    put = float((attributes or {}).get(_PUT, "0"))
    return About(meta["path"], meta["size"], meta["last_modified"].timestamp(), put)


def _behind(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Yield what comes behind the first `start` bytes."""
    for piece in pieces:
        if start < len(piece):
            yield piece[start:]
        start = max(0, start - len(piece))


def _code_of(error: BaseException) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""
