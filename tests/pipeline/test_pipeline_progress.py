"""Progress lines: what they say, and a time left by this sitting's rate."""

import io

import pytest

from assay.pipeline.progress import PlainProgress
from assay.release.wording import duration


def test_time_left_counts_only_this_sitting(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("assay.pipeline.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=0)
    progress.stage("tune", "tune")
    for step in (900, 910):  # resumed at 900 of 1,000; ten steps take 20 s
        record = {"step": step, "train/loss": 1.0, "tokens_per_s": 5.0}
        progress.step(record, 1000)
        now[0] += 20
    assert stream.getvalue().splitlines()[-1].endswith("3 min 00 s left")


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
