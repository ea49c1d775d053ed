"""A place in an object store: how it is found, how it is asked, and what its errors mean.

The one module that knows obstore. Where a bucket is, is said by whoever runs the store, by argument or
setting; no client of a server ever names one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chachaml.core import configuration
from chachaml.core.errors import BadValue, ChachamlError, MissingExtra, StoreUnavailable

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

__all__ = ["Bucket", "open_bucket"]

_RETRY: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
"""What slows down or breaks is asked again, each time after a longer pause."""

_CHUNK = 4 << 20
_AT_ONCE = 4
"""Parts of an upload that are on their way at the same time."""

_REREAD = timedelta(minutes=5)
"""After which credentials of a profile are read again: they may have been renewed meanwhile."""

_CODE = re.compile(r"<Code>(\w+)</Code>")

_MEANINGS = {
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "set the clock; timedatectl says how it is"),
    "ExpiredToken": ("the credentials are over", "sign in anew, such as: aws sso login"),
    "TokenRefreshRequired": ("the credentials are over", "sign in anew, such as: aws sso login"),
    "InvalidAccessKeyId": ("the access key is unknown there", "check AWS_ACCESS_KEY_ID, or the profile"),
    "SignatureDoesNotMatch": ("the secret key is wrong", "check AWS_SECRET_ACCESS_KEY, or the profile"),
    "AccessDenied": ("these credentials may not do that", "allow reading, writing, listing and deleting"),
    "NoSuchBucket": ("there is no such bucket", "make it first; chachaml makes none"),
    "SlowDown": ("it is asked too much at once", "what is logged waits, and is sent later"),
}


class Bucket:
    """What one place in an object store holds. May be used from any thread.

    Args:
        url: Where it is, for people.
        store: How obstore knows it.
    """

    def __init__(self, url: str, store: ObjectStore) -> None:
        self.url, self._store = url, store

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Turn what obstore raises into an error that says what to do."""
        try:
            yield
        except ChachamlError:
            raise
        except FileNotFoundError as error:
            if _code_of(error) == "NoSuchBucket":
                raise self._trouble(doing, error) from error
            raise
        except Exception as error:  # obstore's have no common base with those of its streams
            raise self._trouble(doing, error) from error

    def _trouble(self, doing: str, error: Exception) -> StoreUnavailable:
        told, code = str(error).partition("\n\nDebug source")[0], _code_of(error)
        if code in _MEANINGS:
            why, hint = _MEANINGS[code]
            return StoreUnavailable(f"{self.url} cannot be {doing}: {why} ({code})", hint)
        short = " ".join(told.split())[:300]
        return StoreUnavailable(f"{self.url} cannot be {doing}: {short}", "is it reachable from here?")

    def about(self, key: str) -> ObjectMeta | None:
        """Return what is known of an object, None if there is none."""
        import obstore

        with self._telling("read"):
            try:
                return obstore.head(self._store, key)
            except FileNotFoundError as error:
                if _code_of(error) == "NoSuchBucket":
                    raise
                return None

    def attributes(self, key: str) -> tuple[ObjectMeta, Mapping[str, str]] | None:
        """Return what is known of an object and what was said when it was put, None if there is none."""
        import obstore

        with self._telling("read"):
            try:
                found = obstore.get(self._store, key, options={"head": True})
            except FileNotFoundError as error:
                if _code_of(error) == "NoSuchBucket":
                    raise
                return None
            return found.meta, cast("Mapping[str, str]", found.attributes)

    def stream(self, key: str, start: int) -> tuple[Iterator[bytes], int | None]:
        """Return an object's bytes from `start` on, as they come, and its size: None if there is none."""
        import obstore

        with self._telling("read"):
            try:
                if start and (found := self._stretch(key, start)):
                    return self._pieces(iter(found.stream(_CHUNK))), found.meta["size"]
                found = obstore.get(self._store, key)
            except FileNotFoundError as error:
                if _code_of(error) == "NoSuchBucket":
                    raise
                return iter(()), None
            return _behind(self._pieces(iter(found.stream(_CHUNK))), start), found.meta["size"]

    def _stretch(self, key: str, start: int) -> GetResult | None:
        """Return an object from `start` on, None from a store that does not do that as it should."""
        import obstore
        from obstore.exceptions import GenericError

        try:
            return obstore.get(self._store, key, options={"range": {"offset": start}})
        except GenericError as error:
            if "non-partial" in str(error):
                return None
            raise

    def _pieces(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        with self._telling("read"):
            yield from stream

    def read(self, key: str) -> Iterator[bytes]:
        """Yield an object's bytes."""
        return self.stream(key, 0)[0]

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """Yield what is known of all objects below a prefix."""
        import obstore

        with self._telling("listed"):
            for some in obstore.list(self._store, prefix, chunk_size=1000):
                yield from some

    def put(self, key: str, data: bytes, attributes: Mapping[str, str]) -> None:
        """Keep an object, whole."""
        import obstore

        with self._telling("written"):
            obstore.put(self._store, key, data, attributes=dict(attributes), use_multipart=False)

    def put_parts(self, key: str, pieces: Iterator[bytes], attributes: Mapping[str, str], size: int) -> None:
        """Keep an object that comes in pieces of `size` bytes; none of it if they break off with an error."""
        import obstore

        with self._telling("written"):
            obstore.put(
                self._store,
                key,
                pieces,
                attributes=dict(attributes),
                use_multipart=True,
                chunk_size=size,
                max_concurrency=_AT_ONCE,
            )

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, whether they are there or not."""
        import obstore

        with self._telling("written"):
            for key in keys:
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue

    def sign(self, method: str, key: str, good_for: timedelta) -> str:
        """Return an address for one object and one method that needs no credentials.

        Raises:
            StoreUnavailable: There are no credentials to sign it with.
        """
        import obstore

        with self._telling("signed for"):
            return obstore.sign(cast("Any", self._store), cast("Any", method), key, good_for)


def _behind(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Yield what comes behind the first `start` bytes."""
    for piece in pieces:
        if start < len(piece):
            yield piece[start:]
        start = max(0, start - len(piece))


def _code_of(error: BaseException) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


# opening ------------------------------------------------------------------------------------------


def open_bucket(url: str) -> Bucket:
    """Return a place in an object store; nothing is asked of it before it is needed.

    Args:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``.

    Raises:
        BadValue: No such address, or there is no such profile.
        MissingExtra: obstore is not installed.
    """
    try:
        from obstore.store import AzureStore, GCSStore
    except ImportError:
        raise MissingExtra("artifacts in a bucket need obstore", "pip install 'chachaml[s3]'") from None
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if not bucket or not re.fullmatch(r"[\w.\-/]*", prefix, re.ASCII) or ".." in prefix.split("/"):
        raise BadValue(f"{url!r} is no address of a bucket", "s3://bucket/prefix")
    about: dict[str, Any] = {"prefix": prefix or None, "retry_config": _RETRY}
    store: ObjectStore
    if scheme == "s3":
        store = _open_s3(bucket, about)
    elif scheme == "gs":
        store = GCSStore(bucket, **about)
    else:
        store = AzureStore(bucket, **about)
    return Bucket(url.rstrip("/"), store)


def _open_s3(bucket: str, about: dict[str, Any]) -> ObjectStore:
    from obstore.store import S3Store

    profile = _profile()
    said = {**_environment(), **{key: value for key, value in _settings().items() if value}}
    endpoint = said.get("endpoint") or profile.get("endpoint_url", "")
    config: dict[str, Any] = {
        "region": said.get("region") or profile.get("region") or "us-east-1",
        "virtual_hosted_style_request": False if endpoint else "." not in bucket,
    }
    client: ClientConfig = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=5)}
    if endpoint:
        config["endpoint"] = endpoint
        client["allow_http"] = endpoint.startswith("http://")
    if provider := _credentials(profile):
        about = {**about, "credential_provider": provider}
    return S3Store(bucket, config=cast("Any", config), client_options=client, **about)


def _settings() -> dict[str, str]:
    return {"endpoint": configuration.text("s3_endpoint"), "region": configuration.text("s3_region")}


def _environment() -> dict[str, str]:
    """Return what the usual variables say."""
    given = os.environ.get
    endpoint = given("AWS_ENDPOINT_URL_S3") or given("AWS_ENDPOINT_URL") or ""
    return {"endpoint": endpoint, "region": given("AWS_REGION") or given("AWS_DEFAULT_REGION") or ""}


def _profile() -> dict[str, str]:
    """Return what the profile in use says, in ``~/.aws/config`` and ``~/.aws/credentials``.

    Raises:
        BadValue: It is named, and there is none.
    """
    import configparser

    named = configuration.text("s3_profile") or os.environ.get("AWS_PROFILE", "")
    name = named or "default"
    found: dict[str, str] = {}
    for variable, file in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        parser = configparser.RawConfigParser()
        parser.read(Path(os.environ.get(variable) or f"~/.aws/{file}").expanduser())
        for section in (name, f"profile {name}"):
            if parser.has_section(section):
                found |= dict(parser.items(section))
    if named and not found:
        raise BadValue(f"there is no profile {named!r} in ~/.aws", "aws configure list-profiles names them")
    return {**found, "name": name} if found else {}


def _credentials(profile: dict[str, str]) -> Callable[[], Any] | None:
    """Return what gives a profile's credentials, None where obstore finds others by itself.

    Those of the environment come first, unless a profile is named in so many words.
    """
    named = configuration.text("s3_profile") or os.environ.get("AWS_PROFILE")
    if not profile or (os.environ.get("AWS_ACCESS_KEY_ID") and not named):
        return None
    if "aws_access_key_id" in profile:
        return _from_profile
    if any(key.startswith(("sso_", "role_", "credential_")) for key in profile):
        try:
            import boto3
            from obstore.auth.boto3 import Boto3CredentialProvider
        except ImportError:
            raise MissingExtra(
                f"profile {profile['name']!r} gets its credentials from elsewhere, which needs boto3",
                "pip install boto3",
            ) from None
        return cast("Callable[[], Any]", Boto3CredentialProvider(boto3.Session(profile_name=profile["name"])))
    return None


def _from_profile() -> dict[str, Any]:
    profile = _profile()
    return {
        "access_key_id": profile.get("aws_access_key_id", ""),
        "secret_access_key": profile.get("aws_secret_access_key", ""),
        "token": profile.get("aws_session_token") or None,
        "expires_at": datetime.now(UTC) + _REREAD,
    }
