"""report.html: one page that holds all of a run and needs nothing else; computes no statistic."""

from __future__ import annotations

from typing import Any

from assay.release.report.page import render_page
from assay.release.report.source import read_source
from assay.runs import RunFolder


def render_report(
    run: RunFolder,
    *,
    signer: str | None = None,
    overrides: list[dict[str, Any]] | None = None,
) -> str:
    """Render the report of a run, whatever of it is there; what is missing reads "not measured".

    Args:
        run: the run folder.
        signer: key id of who signs this release (64 hex digits); None while nobody does.
        overrides: entries of the release manifest; default: those of the signed release, if any.

    Returns:
        HTML of one self-contained file, in UTF-8, that loads and asks for nothing.
    """
    return render_page(read_source(run, signer=signer, overrides=overrides))
