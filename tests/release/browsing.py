"""How tests look at a page in a real browser: its DOM, its console, its requests, its pixels."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--window-size=1200,900",
]
_BROWSER = "not an origin"
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")


def browse(page: Path, *options: str, fragment: str = "") -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    profile = page.parent / f"profile{len(list(page.parent.iterdir()))}"
    profile.mkdir()
    # Every name resolves to nothing, so even a request that is made goes nowhere.
    own = [f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [BROWSER, *FLAGS, *own, *options, f"file://{page}{fragment}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def page_requests(log: Path) -> list[str]:
    """Addresses that the page asked for; what the browser asks for itself has no origin."""
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return [event["url"] for event in events if event.get("initiator", _BROWSER) != _BROWSER]


def first_pixel(png: bytes) -> tuple[int, int, int]:
    """The pixel in the upper left corner: before it nothing is, so no PNG filter changes it."""
    at, compressed = 8, b""
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            compressed += png[at + 8 : at + 8 + size]
        at += 12 + size
    row = zlib.decompress(compressed)
    return row[1], row[2], row[3]
