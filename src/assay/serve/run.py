"""Starts the server on a port: its first key, what it refuses to do, and its end."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from types import FrameType

import uvicorn
from fastapi import FastAPI

from assay.errors import EXIT_OK, Problem, UsageError
from assay.runs.store import SCOPES, Store, add_key, list_keys
from assay.serve.logs import log_to_stderr

KEY_VARIABLE = "ASSAY_API_KEY"


@dataclass(frozen=True)
class Address:
    """Where the server listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8000

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def settle_keys(store: Store, address: Address) -> str:
    """Make sure that there is a key; the new one's secret, where one was drawn, to be shown once.

    Raises:
        UsageError: no key at all, and an address that others reach.
    """
    given = os.environ.get(KEY_VARIABLE, "")
    if given:
        add_key(store, KEY_VARIABLE, SCOPES[:1], secret=given)
        return ""
    if list_keys(store):
        return ""
    if not address.is_loopback:
        raise UsageError(
            Problem(
                got=f"the address {address.host}, which others reach, and a store without keys",
                allowed="a loopback address, until there is a key",
                do=f"set {KEY_VARIABLE}, or start once on 127.0.0.1, which makes and shows a key",
                key="host",
            )
        )
    return add_key(store, "first", SCOPES[:1])[1]


def serve(app: FastAPI, address: Address, *, shown_key: str = "", as_json: bool = False) -> None:
    """Answer requests until SIGINT or SIGTERM; what is being answered then is finished.

    Where it listens, and a key that was drawn, are told first: as lines, or as one line of JSON
    (``{"base_url", "api_key"}``, the latter None without a new one).
    """
    log_to_stderr()
    listener = bind(address)
    host, port = listener.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http://{shown_host}:{port}/v1"
    if as_json:
        sys.stdout.write(json.dumps({"base_url": url, "api_key": shown_key or None}) + "\n")
    else:
        if shown_key:
            sys.stdout.write(f"API key (shown this once): {shown_key}\n")
        sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=30, server_header=False
    )
    # Uvicorn raises the signal that it was ended by once more, for whoever was there before it.
    signal.signal(signal.SIGTERM, _end)
    uvicorn.Server(config).run(sockets=[listener])


def _end(number: int, frame: FrameType | None) -> None:
    """Leave as if all was done: what stands around the server, such as a worker whose job saves a
    checkpoint, is ended first. A second signal does not cut that short."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(EXIT_OK)


def bind(address: Address) -> socket.socket:
    """A socket that listens at `address`.

    Raises:
        UsageError: it cannot be bound.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(1024)
    except OSError as error:
        got = f"{address.host}:{address.port}, which cannot be listened on ({error.strerror})"
        raise UsageError(Problem(got, do="choose another --host or --port", key="host")) from error
    return listener
