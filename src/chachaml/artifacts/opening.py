"""Where a bucket is, and whose credentials open it.

That is said by whoever runs the store, by argument or setting; no client of a server ever names one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chachaml.artifacts.bucket import Bucket
from chachaml.core import configuration
from chachaml.core.errors import BadValue, MissingExtra

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

__all__ = ["open_bucket"]

_RETRY: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=20)}
"""What slows down or breaks is asked again, each time after a longer pause."""

_CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=5),
    "timeout": timedelta(minutes=5),
    "allow_http": True,  # of an endpoint that is named as such; there is none by default
}

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""The usual variables, the last of which is obstore's own."""

_REREAD = timedelta(minutes=5)
"""After which credentials of a profile are read again: they may have been renewed meanwhile."""


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
    about: dict[str, Any] = {"prefix": prefix or None, "retry_config": _RETRY, "client_options": _CLIENT}
    store: ObjectStore
    if scheme == "s3":
        store = _open_s3(bucket, about)
    elif scheme == "gs":
        store = GCSStore(bucket, **about)
    else:
        store = AzureStore(bucket, **about)
    return Bucket(url.rstrip("/"), store, {"x-ms-blob-type": "BlockBlob"} if scheme == "az" else {})


def _open_s3(bucket: str, about: dict[str, Any]) -> ObjectStore:
    from obstore.store import S3Store

    profile, endpoint = _profile(), _said("s3_endpoint", *_ENDPOINTS)
    endpoint = endpoint or profile.get("endpoint_url", "")
    region = _said("s3_region", "AWS_REGION", "AWS_DEFAULT_REGION") or profile.get("region", "us-east-1")
    config: dict[str, Any] = {
        "region": region,
        "virtual_hosted_style_request": not endpoint and "." not in bucket,
    }
    if endpoint:
        config["endpoint"] = endpoint
    # As with Amazon's own clients: what TLS keeps from being changed is not hashed once more to be signed.
    config["unsigned_payload"] = not endpoint.lower().startswith("http://")
    if provider := _credentials(profile):
        about["credential_provider"] = provider
    return S3Store(bucket, config=cast("Any", config), **about)


def _said(setting: str, *variables: str) -> str:
    """Return what a setting says, else the first of the usual variables that says something."""
    told = [configuration.text(setting), *(os.environ.get(name, "") for name in variables)]
    return next(filter(None, told), "")


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
