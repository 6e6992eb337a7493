"""The report in a real browser: drawn in both themes, without an error, without a request."""

import json
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.release import render_report
from assay.runs import RunFolder

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


@needs_browser
@pytest.mark.parametrize("held", [False, True])
def test_the_report_draws_without_error_or_request(
    make_run: Callable[..., RunFolder], tmp_path: Path, held: bool
) -> None:
    page, log = tmp_path / "report.html", tmp_path / "net.json"
    page.write_text(render_report(make_run(held=held)), encoding="utf-8")
    done = browse(page, "--dump-dom", f"--log-net-log={log}", fragment="#theme=dark")
    assert "CONSOLE" not in done.stderr
    assert "Refused to" not in done.stderr
    dom = done.stdout
    assert f"<h1>{'Held' if held else 'Released'}</h1>" in dom
    assert '<table class="results">' in dom
    assert 'class="curve validation"' in dom
    assert '<html lang="en" data-theme="dark">' in dom
    assert "owned" not in dom[: dom.index("</head>")]
    assert page_requests(log) == []


@needs_browser
def test_the_log_would_show_a_request(tmp_path: Path) -> None:
    page, log = tmp_path / "leaky.html", tmp_path / "net.json"
    page.write_text('<img src="http://tracker.example/x.png"><script>oops()</script>')
    done = browse(page, "--dump-dom", f"--log-net-log={log}")
    assert "CONSOLE" in done.stderr
    assert page_requests(log) == ["http://tracker.example/x.png"]


@needs_browser
@pytest.mark.parametrize(
    ("theme", "pixel"), [("light", (0xF6, 0xF5, 0xF1)), ("dark", (0x13, 0x13, 0x12))]
)
def test_both_themes_are_painted(
    make_run: Callable[..., RunFolder], tmp_path: Path, theme: str, pixel: tuple[int, int, int]
) -> None:
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(render_report(make_run()), encoding="utf-8")
    browse(page, f"--screenshot={shot}", fragment=f"#theme={theme}")
    assert first_pixel(shot.read_bytes()) == pixel
    preferred = "0" if theme == "dark" else "1"
    browse(page, f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={preferred}")
    assert first_pixel(shot.read_bytes()) == pixel
