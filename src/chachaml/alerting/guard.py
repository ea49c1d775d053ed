"""Whom may be told: URLs that lead out into the world, or where this user said that they may lead.

Whoever sets an alert names a URL that this machine then calls. So that nobody can make it call what
only it can reach, a name is resolved once, every address of it must be a public one, and the call goes
to that address (as OWASP's cheat sheet on server-side request forgery asks).
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from chachaml.core import configuration
from chachaml.core.errors import BadValue

__all__ = ["Target", "check_url", "is_public", "masked", "vetted"]

_WORLD, _EXAMPLES = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("3fff::/20")
"""What is given out of IPv6 at all, and a part of it that is for books (RFC 9637)."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_HINT = "the setting alert_hosts names others that may be told, such as CHACHAML_ALERT_HOSTS=127.0.0.1:8000"


class Target(NamedTuple):
    """Where to call: the name that was asked for, the address that was found good, and the path."""

    secure: bool
    host: str
    port: int
    address: str
    path: str


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the world at large, whatever it is wrapped in."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        for inner in (ip.ipv4_mapped, ip.sixtofour, _nat64(ip), ip.teredo and ip.teredo[1]):
            if inner:
                return False  # nobody has a reason to name an address in such a way
        if ip not in _WORLD or ip in _EXAMPLES:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _nat64(ip: ipaddress.IPv6Address) -> bool:
    return ip in _NAT64


def check_url(url: str) -> tuple[bool, str, int, str]:
    """Return whether a URL is secure, its host, port and path, if it may be told at all.

    Raises:
        BadValue: Not a URL, or one that leads nowhere good; nobody was called.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
        if not host.isascii():
            host = host.encode("idna").decode()  # which also makes plain digits of odd ones
    except (ValueError, AttributeError, UnicodeError) as error:
        raise BadValue(f"not a URL that can be told: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BadValue(f"an alert is told by https://..., not by {parts.scheme or 'nothing'}")
    if parts.username is not None or parts.password is not None:
        raise BadValue("a URL with a user name or password in it is not told")
    secure = parts.scheme == "https"
    port = port or (443 if secure else 80)
    if not _is_allowed(host, port):
        if not secure or port != 443:
            raise BadValue(f"{host}:{port} is not told: only https on port 443 is", _HINT)
        if _is_odd(host):
            raise BadValue(f"{host} is not a public name or address", _HINT)
    path = parts.path or "/"
    return secure, host, port, f"{path}?{parts.query}" if parts.query else path


def _is_odd(host: str) -> bool:
    """Tell whether a host is no public name: an address that is not public, a number, or a bare word."""
    try:
        return not is_public(host)
    except ValueError:
        last = host.rpartition(".")[2].lower()
        # What C's resolver takes for an address, such as 127.1, 0x7f000001 and 2130706433, ends in a number.
        numeric = last[:1].isdecimal() or last.startswith("0x")
        return numeric or "." not in host or last in ("local", "localhost", "internal", "localdomain")


def _is_allowed(host: str, port: int) -> bool:
    allowed = [one.strip().lower() for one in configuration.text("alert_hosts").split(",") if one.strip()]
    return f"{host}:{port}".lower() in allowed or host.lower() in allowed


def vetted(url: str) -> Target:
    """Return where to call, with the name resolved once and for all.

    Raises:
        BadValue: It may not be told; nobody was called.
        OSError: The name is not known.
    """
    secure, host, port, path = check_url(url)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not _is_allowed(host, port) and not all(map(is_public, addresses)):
        raise BadValue(f"{host} leads to an address that is not public", _HINT)
    return Target(secure, host, port, addresses[0], path)


def masked(url: str) -> str:
    """Return a URL as it may be shown: whoever knows all of it could use it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "…"
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}://…{url[-4:]}"
    tail = f"/…{url[-4:]}" if len(parts.path) > 8 or parts.query else parts.path
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{tail}"
