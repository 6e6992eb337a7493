"""What follows a verdict: report and card, and the signature of a run that is released.

It reads stored files alone, so that a run which was cut off here is finished without a model.
"""

from __future__ import annotations

from assay.release import SigningKey, release_run, render_card, render_report
from assay.runs import RunFolder, read_json, write_text


def publish(run: RunFolder, key: SigningKey | None) -> str | None:
    """Write report and card of a run that was judged; with a key, sign them too: its fingerprint.

    Raises:
        ReleaseError: a key was given for a run that is held.
    """
    if key is not None:
        return release_run(run, key=key).fingerprint
    write_text(run.report, render_report(run))
    write_text(run.card, render_card(run))
    return None


def is_released(run: RunFolder) -> bool:
    """Whether the verdict of a run that was judged is a release."""
    return bool(read_json(run.verdict).get("status") == "released")


def is_published(run: RunFolder) -> bool:
    """Whether everything that follows the verdict is there: report and card, or the release."""
    if run.release.exists() and run.signature.exists():
        return True
    return not is_released(run) and run.report.exists() and run.card.exists()
