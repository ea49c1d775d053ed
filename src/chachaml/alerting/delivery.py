"""Telling people: what is sent, how it is signed, and that nothing of the answer comes back."""

from __future__ import annotations

import base64
import hmac
import http.client
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from chachaml.alerting.guard import Target, vetted
from chachaml.core import configuration
from chachaml.core.errors import BadValue, MissingExtra
from chachaml.core.ids import short
from chachaml.core.model import EventRow
from chachaml.core.values import json_ready

__all__ = ["TIMEOUT", "Answer", "is_ours", "message", "send", "wait_after"]

TIMEOUT = 5.0
"""Seconds for each part of a call."""

_WAITS = (10, 60, 300, 1_800, 7_200)
"""Seconds to wait after the first failure, the second, and so on."""

_MARKS = {"info": "ℹ️", "warning": "⚠️", "error": "🚨"}  # noqa: RUF001 - that is the sign


class Answer(NamedTuple):
    """How a delivery went: never what was answered."""

    ok: bool
    outcome: str
    final: bool = False
    """Whether trying again is of no use."""


def wait_after(attempts: int) -> int:
    """Return how many seconds to wait after so many failures; 0 to give up."""
    return _WAITS[attempts - 1] if attempts <= len(_WAITS) else 0


def is_ours(url: str) -> bool:
    """Tell whether a URL is a webhook, which chachaml calls itself; apprise is for others."""
    return url.startswith(("https://", "http://"))


# what is sent -------------------------------------------------------------------------------------


def message(event: EventRow, form: str, host: str) -> dict[str, Any]:
    """Return what is sent as JSON.

    Every form has ``text``, in Slack's markup, which Mattermost and others read too.
    """
    title = f"Resolved: {event.title}" if event.resolved else event.title
    mark = "✅" if event.resolved else _MARKS[event.level]
    text = f"{mark} *{_escaped(title)}*: {_escaped(event.text)}\nrun `{short(event.run)}`"
    if form == "slack" or (form == "auto" and host == "hooks.slack.com"):
        return {"text": text}
    return {
        "text": text,
        "type": "alert.resolved" if event.resolved else "alert.fired",
        "id": event.id,
        "alert": event.alert,
        "title": event.title,
        "message": event.text,
        "level": event.level,
        "run": event.run,
        "value": json_ready(event.value),
        "time": datetime.fromtimestamp(event.time / 1e6, UTC).isoformat(),
    }


def _escaped(text: str) -> str:
    """Return text that Slack shows as it is: no mention, no link (https://api.slack.com/reference/surfaces)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _signed(event: EventRow, body: bytes, now: int) -> dict[str, str]:
    """Return headers that prove who sent it (https://www.standardwebhooks.com)."""
    about = {"webhook-id": event.id, "webhook-timestamp": str(now)}
    if not event.secret:
        return about
    signed = b".".join([event.id.encode(), str(now).encode(), body])
    mac = base64.b64encode(hmac.new(event.secret.encode(), signed, "sha256").digest()).decode()
    return {**about, "webhook-signature": f"v1,{mac}"}


# sending ------------------------------------------------------------------------------------------


def send(event: EventRow, url: str) -> Answer:
    """Tell one target of an event; never raises."""
    try:
        return _post(event, vetted(url)) if is_ours(url) else _by_apprise(event, url)
    except (BadValue, MissingExtra) as error:
        return Answer(False, error.message, final=True)
    except ssl.SSLError as error:
        return Answer(False, f"TLS failed: {error.reason}")
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, f"{type(error).__name__}")


def _post(event: EventRow, target: Target) -> Answer:
    body = msgspec.json.encode(message(event, event.form, target.host))
    headers = {
        "content-type": "application/json",
        "user-agent": "chachaml",
        **_signed(event, body, int(time.time())),
    }
    call = _Call(target)
    try:
        call.request("POST", target.path, body, headers)
        status = call.getresponse().status
    finally:
        call.close()
    gone = status in (400, 401, 403, 404, 410)
    return Answer(200 <= status < 300, f"HTTP {status}", final=gone)


class _Call(http.client.HTTPConnection):
    """A call to the address that was vetted, under the name that was asked for. Follows no redirects."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT)
        self._target = target
        if target.secure:
            self.default_port = 443

    def connect(self) -> None:
        """Connect to the address, whatever the name means by now."""
        plain = socket.create_connection((self._target.address, self._target.port), TIMEOUT)
        if self._target.secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self._target.host)
        else:
            self.sock = plain


def _by_apprise(event: EventRow, url: str) -> Answer:
    """Tell one of the services that apprise knows; which of them call where is not for us to vet."""
    if not configuration.flag("alert_apprise"):
        raise BadValue("services of apprise are not told", "CHACHAML_ALERT_APPRISE=on allows them")
    try:
        import apprise
    except ImportError:
        raise MissingExtra("apprise is not installed", "pip install 'chachaml[alerts]'") from None
    teller = apprise.Apprise()
    if not teller.add(url):
        return Answer(False, "apprise knows no such service", final=True)
    kinds = {"info": "info", "warning": "warning", "error": "failure"}
    kind = "success" if event.resolved else kinds[event.level]
    told = teller.notify(body=f"{event.text}\nrun {short(event.run)}", title=event.title, notify_type=kind)
    return Answer(bool(told), "told" if told else "apprise could not tell it")
