"""The report in a real browser: drawn in both themes, without an error, without a request."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import browse, first_pixel, needs_browser, page_requests

from assay.release import render_report
from assay.runs import RunFolder


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
