"""Where the server may send requests of its own: the one place that decides about addresses.

`check_address` resolves a URL's host and refuses what is not the public network; the clients of
`open_client` and `open_async_client` do so for every request, and connect to the very address that
was checked, so that a name which is resolved again later leads nowhere else. They follow no
redirection and read no proxy of the environment. Nothing of a URL but its host is ever told.

Source of the special addresses: IANA's registries (RFC 6890), by way of `ipaddress`; addresses of
IPv4 within IPv6: RFC 4291 2.5.5, RFC 3056, RFC 4380, RFC 6052.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from assay.errors import Problem, UsageError

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""The IP addresses of a host; an OSError where it has none."""
MAX_URL_CHARS = 2048
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_PORTS = {"http": 80, "https": 443}
# Connections are kept by address, and two names of one address have certificates of their own.
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)
# The last part of a host that is a number makes all of it one: 127.1, 0x7f000001, 017700000001.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?")


class AddressRefused(UsageError):
    """A URL that the server does not send anything to."""


@dataclass(frozen=True)
class Destination:
    """A URL that may be asked: its host, and the addresses that were checked, in order."""

    url: httpx.URL
    host: str
    port: int
    addresses: tuple[str, ...]


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses that this machine knows for `host`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_address(
    url: str | httpx.URL,
    *,
    allow_private: bool,
    resolve: Resolve = resolve_host,
    key: str = "url",
) -> Destination:
    """The destination of `url`, all of whose addresses may be reached.

    Args:
        allow_private: loopback and private networks, too; link-local addresses, under which
            clouds keep credentials, multicast and reserved ones are refused all the same.
        key: by which the problem is named.

    Raises:
        AddressRefused: no http or https URL, one with credentials, a host that does not resolve or
            is a number in disguise, or any address that may not be reached.
    """
    parsed = _parse(url, key)
    host = parsed.raw_host.decode("ascii").rstrip(".")
    port = parsed.port or _PORTS[parsed.scheme]
    literal = _read_ip(host)
    if literal is None and _NUMBER.fullmatch(host):
        raise _refuse(f"the host {host!r}", "a name, or an address in its usual form", key)
    try:
        found = [host] if literal is not None else list(resolve(host, port))
    except (OSError, UnicodeError) as error:
        raise _refuse(f"the host {host!r}, which does not resolve", "", key) from error
    addresses = [_read_ip(one) for one in found]
    if not addresses or not all(
        one is not None and is_reachable(one, allow_private=allow_private) for one in addresses
    ):
        allowed = "public addresses" + (", or private ones" if allow_private else "")
        raise _refuse(f"the host {host!r}, which leads into a network of its own", allowed, key)
    return Destination(parsed, host, port, tuple(map(str, addresses)))


def is_reachable(address: Ip, *, allow_private: bool) -> bool:
    """Whether a request may go to an address, and to what it carries of IPv4."""
    inner = _find_inner(address)
    if inner is not None:
        return is_reachable(inner, allow_private=allow_private)
    if address.is_multicast or address.is_link_local or address.is_unspecified:
        return False
    if address.is_reserved and not address.is_loopback:
        return False
    is_site = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return allow_private or (address.is_global and not is_site)


def open_client(
    *, allow_private: bool, timeout_s: float, resolve: Resolve = resolve_host
) -> httpx.Client:
    """A client whose every request is checked and goes to the address that was checked."""
    inner = httpx.HTTPTransport(trust_env=False, limits=_NO_REUSE)
    transport = _Pinned(inner, allow_private, resolve)
    return httpx.Client(
        transport=transport, timeout=timeout_s, follow_redirects=False, trust_env=False
    )


def open_async_client(
    *, allow_private: bool, timeout_s: float, resolve: Resolve = resolve_host
) -> httpx.AsyncClient:
    """The same for a running loop; names are resolved in a thread."""
    inner = httpx.AsyncHTTPTransport(trust_env=False, limits=_NO_REUSE)
    transport = _AsyncPinned(inner, allow_private, resolve)
    return httpx.AsyncClient(
        transport=transport, timeout=timeout_s, follow_redirects=False, trust_env=False
    )


@dataclass(frozen=True)
class _Pinned(httpx.BaseTransport):
    inner: httpx.BaseTransport
    allow_private: bool
    resolve: Resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        found = check_address(request.url, allow_private=self.allow_private, resolve=self.resolve)
        for address in found.addresses[:-1]:
            try:
                return self.inner.handle_request(_pin(request, found, address))
            except httpx.ConnectError:
                continue  # nothing was sent; the next address may answer
        return self.inner.handle_request(_pin(request, found, found.addresses[-1]))

    def close(self) -> None:
        self.inner.close()


@dataclass(frozen=True)
class _AsyncPinned(httpx.AsyncBaseTransport):
    inner: httpx.AsyncBaseTransport
    allow_private: bool
    resolve: Resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        found = await asyncio.to_thread(
            check_address, request.url, allow_private=self.allow_private, resolve=self.resolve
        )
        for address in found.addresses[:-1]:
            try:
                return await self.inner.handle_async_request(_pin(request, found, address))
            except httpx.ConnectError:
                continue
        return await self.inner.handle_async_request(_pin(request, found, found.addresses[-1]))

    async def aclose(self) -> None:
        await self.inner.aclose()


def _pin(request: httpx.Request, found: Destination, address: str) -> httpx.Request:
    """The request to an address in place of the name, which stays in Host and in the TLS check."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        # httpx has written Host of the name already, and does not write it again.
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": found.host},
    )


def _parse(url: str | httpx.URL, key: str) -> httpx.URL:
    allowed = "an http or https URL"
    try:
        if len(str(url)) > MAX_URL_CHARS:
            raise _refuse("a URL that is too long", f"{MAX_URL_CHARS:,} characters", key)
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise _refuse("no URL", allowed, key) from error
    if parsed.scheme not in _PORTS or not parsed.host:
        raise _refuse(f"a URL of the scheme {parsed.scheme!r}", allowed, key)
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _refuse(f"the port {parsed.port}", "1 to 65535", key)
    if parsed.userinfo:
        raise _refuse("a URL with a name or password in it", allowed, key)
    return parsed


def _read_ip(text: str) -> Ip | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _find_inner(address: Ip) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    is_plain = address.is_loopback or address.is_unspecified
    if address in _NAT64 or (address in _COMPATIBLE and not is_plain):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _refuse(got: str, allowed: str, key: str) -> AddressRefused:
    do = "name a host of the public network, or allow private addresses where the server is started"
    return AddressRefused(Problem(got, allowed, do if "network" in got else "", key=key))
