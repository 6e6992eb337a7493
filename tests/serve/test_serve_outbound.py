"""Where the server may send requests: what is refused, and what a checked name is pinned to."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from hypothesis import given
from hypothesis import strategies as st
from sockets import serving

from assay.serve.outbound import (
    AddressRefused,
    Resolve,
    _Pinned,
    check_address,
    is_reachable,
    open_async_client,
    open_client,
)

PRIVATE = (
    "127.0.0.1",
    "127.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[::1]",
    "[fc00::1]",
    "[fec0::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[2002:0a00:0001::1]",
    "[::127.0.0.1]",
)
NEVER = (
    "0.0.0.0",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "224.0.0.1",
    "[ff02::1]",
    "255.255.255.255",
    "240.0.0.1",
    "[::]",
)
DISGUISED = ("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "%31%32%37.0.0.1")


def refuse_all(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host} must not be asked for")


def know(*addresses: str) -> Resolve:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize("host", [*PRIVATE, *NEVER, *DISGUISED])
def test_special_addresses_are_refused_in_whatever_form(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(f"http://{host}/x", allow_private=False, resolve=refuse_all)


@pytest.mark.parametrize("host", NEVER + DISGUISED)
def test_some_are_refused_where_private_ones_are_allowed(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(f"http://{host}/x", allow_private=True, resolve=refuse_all)


@pytest.mark.parametrize("host", PRIVATE)
def test_private_ones_are_allowed_by_the_flag(host: str) -> None:
    found = check_address(f"https://{host}:8443/x", allow_private=True, resolve=refuse_all)
    assert (found.port, len(found.addresses)) == (8443, 1)


def test_full_width_digits_are_the_address_that_they_spell() -> None:
    with pytest.raises(AddressRefused):
        check_address("http://127。0。0。1/", allow_private=False, resolve=refuse_all)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "gopher://example.com",
        "//example.com",
        "example.com",
        "http://",
        "http://user:word@example.com/",
        "http://example.com:0/",
        "http://example.com:70000/",
        "http://①②⑦.⓪.⓪.①/",
        "https://example.com/" + "x" * 3000,
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(url, allow_private=True, resolve=know("93.184.216.34"))


def test_a_name_is_refused_for_any_of_its_addresses() -> None:
    good = check_address("https://example.com", allow_private=False, resolve=know("93.184.216.34"))
    assert (good.host, good.port, good.addresses) == ("example.com", 443, ("93.184.216.34",))
    for bad in (["93.184.216.34", "10.0.0.1"], ["::ffff:127.0.0.1"], ["odd"], []):
        with pytest.raises(AddressRefused):
            check_address("https://example.com", allow_private=False, resolve=know(*bad))


def test_a_name_without_addresses_is_refused_by_key() -> None:
    def fail(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    with pytest.raises(AddressRefused, match="does not resolve") as caught:
        check_address("https://gone.example/?secret", allow_private=False, resolve=fail, key="url")
    assert caught.value.problems[0].key == "url"
    assert "secret" not in str(caught.value)


@given(st.ip_addresses(v=4))
def test_an_address_within_ipv6_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    value = int(address)
    forms = (0xFFFF << 32 | value, int(ipaddress.ip_address("64:ff9b::")) | value)
    sixtofour = ipaddress.IPv6Address(0x2002 << 112 | value << 80 | 1)
    for inner in (*map(ipaddress.IPv6Address, forms), sixtofour):
        for allowed in (False, True):
            judged = is_reachable(inner, allow_private=allowed)
            assert judged == is_reachable(address, allow_private=allowed)


@pytest.fixture(scope="module")
def listener() -> Iterator[str]:
    app = FastAPI()

    @app.post("/moved")
    def move() -> RedirectResponse:
        return RedirectResponse("/told", 307)

    @app.post("/told")
    async def tell(request: Request) -> dict[str, str]:
        return {"host": request.headers["host"], "body": (await request.body()).decode()}

    with serving(app) as url:
        yield url.removesuffix("/v1")


def test_a_request_goes_to_the_address_that_was_checked(listener: str) -> None:
    port = listener.rpartition(":")[2]
    asked: list[str] = []

    def rebind(host: str, port: int) -> Sequence[str]:
        """A name that leads elsewhere each time that it is asked for."""
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    with open_client(allow_private=True, timeout_s=5, resolve=rebind) as client:
        told = client.post(f"http://hook.example:{port}/told", content=b"text").json()
    assert told == {"host": f"hook.example:{port}", "body": "text"}
    assert asked == ["hook.example"]


def test_a_name_that_turns_private_is_refused_when_it_is_asked(listener: str) -> None:
    url = f"http://hook.example:{listener.rpartition(':')[2]}/told"
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])

    def rebind(host: str, port: int) -> Sequence[str]:
        return next(answers)

    check_address(url, allow_private=False, resolve=rebind)
    with (
        open_client(allow_private=False, timeout_s=5, resolve=rebind) as client,
        pytest.raises(AddressRefused),
    ):
        client.post(url)


def test_no_redirection_is_followed(listener: str) -> None:
    with open_client(allow_private=True, timeout_s=5) as client:
        answer = client.post(f"{listener}/moved")
        assert (answer.status_code, answer.headers["location"]) == (307, "/told")
        with pytest.raises(AddressRefused):
            client.post("http://169.254.169.254/")


def test_no_proxy_of_the_environment_is_asked(
    listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with open_client(allow_private=True, timeout_s=5) as client:
        assert client.post(f"{listener}/told").status_code == 200


def test_the_next_address_is_tried_where_the_first_does_not_answer(listener: str) -> None:
    url = f"http://two.example:{listener.rpartition(':')[2]}/told"
    # Nobody listens at the first: the server is on 127.0.0.1 alone.
    resolve = know("127.0.0.2", "127.0.0.1")
    with open_client(allow_private=True, timeout_s=5, resolve=resolve) as client:
        assert client.post(url, content=b"once").json()["body"] == "once"


def test_the_same_holds_for_a_running_loop(listener: str) -> None:
    url = f"http://two.example:{listener.rpartition(':')[2]}"

    async def ask() -> tuple[int, int]:
        resolve = know("127.0.0.2", "127.0.0.1")
        async with open_async_client(allow_private=True, timeout_s=5, resolve=resolve) as client:
            told = await client.post(f"{url}/told", content=b"x")
            moved = await client.post(f"{url}/moved", content=b"x")
        return told.status_code, moved.status_code

    assert asyncio.run(ask()) == (200, 307)

    async def ask_private() -> None:
        async with open_async_client(allow_private=False, timeout_s=5) as client:
            await client.post(f"{url.replace('two.example', '127.0.0.1')}/told")

    with pytest.raises(AddressRefused):
        asyncio.run(ask_private())


def test_tls_is_checked_against_the_name_and_not_the_address() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    pinned = _Pinned(httpx.MockTransport(answer), False, know("93.184.216.34"))
    with httpx.Client(transport=pinned) as client:
        client.post("https://example.com/hook?x=1", content=b"{}")
    (request,) = seen
    assert str(request.url) == "https://93.184.216.34/hook?x=1"
    assert request.extensions["sni_hostname"] == "example.com"
    assert request.headers["host"] == "example.com"
