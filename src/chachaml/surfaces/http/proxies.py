"""Proxies in front of the server: what they say of who asks, believed of those alone that are known."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from chachaml.core.errors import BadValue

__all__ = ["Proxies"]

_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:]+))(?::\d+)?")

_Address = IPv4Address | IPv6Address


class Proxies:
    """The proxies that are believed.

    Args:
        known: Their addresses and networks, such as ``10.0.0.5`` and ``172.16.0.0/12``.

    Raises:
        BadValue: One of them is neither.
    """

    def __init__(self, known: tuple[str, ...] = ()) -> None:
        self._known = [_network(one) for one in known]

    def unwrap(self, scope: Scope) -> None:
        """Put into a request what its proxies say: the address of who asks, the scheme, the host.

        ``X-Forwarded-For`` is read from its end, where the nearest proxy wrote: the first address that is
        no proxy of ours is who asks, whatever stands before it.
        """
        peer = (scope.get("client") or ("",))[0]
        if not self._known or not self._is_known(peer):
            return
        headers = Headers(scope=scope)
        scope["client"] = (self._client(headers, peer), 0)
        if (scheme := _last(headers, "x-forwarded-proto")) in ("http", "https"):
            scope["scheme"] = scheme
        if host := _last(headers, "x-forwarded-host"):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *others]

    def _client(self, headers: Headers, peer: str) -> str:
        passed = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for one in reversed(passed):
            found = _bare(one.strip())
            if found is None:
                return peer
            peer = found
            if not self._is_known(found):
                return found
        return peer

    def _is_known(self, address: str) -> bool:
        try:
            found = _mapped(ip_address(address))
        except ValueError:
            return False
        return any(found in network for network in self._known)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise BadValue(
            f"{text!r} is no address of a proxy, and no network", "such as 10.0.0.5 or 172.16.0.0/12"
        ) from None


def _mapped(address: _Address) -> _Address:
    """Return an address of IPv4 as such, though it came by IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _bare(text: str) -> str | None:
    """Return an address without its port, None if it is none."""
    match = None if text.count(":") > 1 and not text.startswith("[") else _PORT.fullmatch(text)
    bare = (match[1] or match[2]) if match else text
    try:
        return str(_mapped(ip_address(bare)))
    except ValueError:
        return None


def _last(headers: Headers, name: str) -> str:
    """Return what the nearest proxy says under a name, '' for nothing."""
    return headers.getlist(name)[-1].rpartition(",")[2].strip() if name in headers else ""
