"""What goes wrong at a provider, in our words: what happened and what to do, and never a key."""

from __future__ import annotations

from typing import Any

from chachaml.core.errors import ProviderError

__all__ = ["Broken", "as_problem"]

_LONGEST = 300

_PASSING = ("overloaded_error", "api_error", "rate_limit_error", "server_error", "rate_limit_exceeded")
"""What providers call trouble that passes, when they tell of it in the midst of a reply."""


class Broken(ProviderError):
    """The reply was cut off on the way."""


def as_problem(error: Exception, provider: str, key: str, *, begun: bool) -> ProviderError:
    """Return what an SDK's error means.

    Args:
        error: As the SDK, or the HTTP client below it, raised it.
        provider: Whom it was asked of.
        key: The key in use, which what is told must not contain.
        begun: Whether a reply had begun; before that, the SDK has tried again by itself.
    """
    status = getattr(error, "status_code", None)
    kind = getattr(error, "type", None) or _field(getattr(error, "body", None), "type", "code")
    said = _clean(_message(error), key)
    if status is None or status < 400:
        return _on_the_way(str(kind or ""), said, provider) if begun else _unreached(said, provider)
    if status in (401, 403):
        return ProviderError(f"{provider} does not take this key ({status})", "check the key, and its rights")
    if status == 404:
        return ProviderError(
            f"{provider}: {said}", "is there a model of that name? chachaml ask --model NAME"
        )
    if status == 429:
        return ProviderError(
            f"{provider} is at its limit for this key: {said}", "wait a little, or look at the key's budget"
        )
    if status >= 500:
        return ProviderError(f"{provider} is in trouble ({status}): {said}", "try again in a while")
    return ProviderError(f"{provider} refuses ({status}): {said}")


def _on_the_way(kind: str, said: str, provider: str) -> ProviderError:
    if kind and kind not in _PASSING:
        return ProviderError(f"{provider}: {said}")
    return Broken(f"{provider} broke off in the midst of a reply: {said}", "try again in a while")


def _unreached(said: str, provider: str) -> ProviderError:
    return ProviderError(f"{provider} cannot be reached: {said}", "is there a way to it from this machine?")


def _message(error: Exception) -> str:
    told = _field(getattr(error, "body", None), "message") or getattr(error, "message", "") or str(error)
    return str(told) or type(error).__name__


def _field(body: Any, *names: str) -> Any:
    """Return a field of what a provider says is wrong, which some put into ``error`` and some do not."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(inner, dict):
        return None
    return next((inner[name] for name in names if inner.get(name)), None)


def _clean(text: str, key: str) -> str:
    if key:
        text = text.replace(key, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
