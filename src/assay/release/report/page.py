"""The order of sections of a run's report."""

from __future__ import annotations

from assay.release.report.charts import chart_data
from assay.release.report.section_data import render_data
from assay.release.report.section_gates import render_gates
from assay.release.report.section_items import render_items
from assay.release.report.section_losses import render_losses
from assay.release.report.section_mask import render_mask
from assay.release.report.section_origin import render_origin
from assay.release.report.section_probes import render_probes
from assay.release.report.section_repair import render_repair
from assay.release.report.section_results import render_classes, render_results
from assay.release.report.section_sweep import render_sweep
from assay.release.report.section_training import render_training
from assay.release.report.section_verdict import render_verdict
from assay.release.report.shell import Section, embed_json, read_asset, render_shell
from assay.release.report.source import ReportSource
from assay.release.wording import STATUS_LABELS

_SECTIONS = (
    ("verdict", "Verdict", render_verdict),
    ("repair", "Repair", render_repair),
    ("results", "Results", render_results),
    ("gates", "Gates", render_gates),
    ("losses", "Losses", render_losses),
    ("probes", "Probes", render_probes),
    ("classes", "Classes", render_classes),
    ("items", "Examples", render_items),
    ("training", "Training", render_training),
    ("sweep", "Sweep", render_sweep),
    ("mask", "Trained text", render_mask),
    ("data", "Data", render_data),
    ("origin", "Origin", render_origin),
)


def render_page(source: ReportSource) -> str:
    """Put the page together; a section that has nothing to say at all is left out."""
    bodies = [(key, title, render(source)) for key, title, render in _SECTIONS]
    return render_shell(
        f"{source.name}: {STATUS_LABELS.get(source.status, source.status)} · Assay",
        [Section(key, title, body) for key, title, body in bodies if body],
        style=read_asset("report.css"),
        script=read_asset("report.js"),
        data=embed_json(chart_data(source.metrics)),
        kind=f"status-{source.status or 'none'}",
    )
