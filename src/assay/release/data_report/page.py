"""The page on a check of data: what it is made of, and the order of its sections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from assay.data.curate import Checked, Finding
from assay.data.curate.changes import Changes
from assay.data.curate.clusters import Cluster, find_clusters, pick_clusters
from assay.data.curate.look import pick_findings
from assay.data.curate.parts import ReadRow
from assay.data.curate.plan import hide_span
from assay.data.curate.survey import MAX_TOKENISED, Survey, survey_rows
from assay.release.data_report.section_changes import render_changes
from assay.release.data_report.section_clusters import render_clusters
from assay.release.data_report.section_findings import render_findings
from assay.release.data_report.section_lengths import render_lengths
from assay.release.data_report.section_origins import render_origins
from assay.release.data_report.section_overview import render_overview
from assay.release.data_report.section_set import render_set
from assay.release.data_report.view import build_view
from assay.release.report.html import Html
from assay.release.report.shell import Section, embed_json, read_asset, render_shell

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer

MAX_FINDINGS = 5_000
MAX_ROWS = 2_000
MAX_CLUSTERS = 60
_PACKAGE = "assay.release.data_report"


@dataclass(frozen=True)
class DataPage:
    """What the page shows.

    Attributes:
        shown: findings that are listed, by severity, the rules in turn.
        all_of_rows: every finding of the rows that are shown, since what one rule hides must not be
            told by the row of another.
        changes: what a plan does, or None.
        tokenizer: the base's, for tokens and the exact loss mask, or None.
    """

    title: str
    checked: Checked
    shown: Sequence[Finding]
    all_of_rows: Sequence[Finding]
    survey: Survey
    changes: Changes | None = None
    tokenizer: ChatTokenizer | None = None

    @cached_property
    def clusters(self) -> list[Cluster]:
        """Every case of several rows, largest first."""
        return find_clusters(self.checked.findings)

    @cached_property
    def drawn(self) -> list[Cluster]:
        """Those that the map shows."""
        return pick_clusters(self.clusters, most=MAX_CLUSTERS)

    @classmethod
    def build(
        cls,
        title: str,
        checked: Checked,
        rows: Iterable[ReadRow],
        *,
        tokenizer: ChatTokenizer | None = None,
        num_tokenised: int = MAX_TOKENISED,
        is_masked: bool = False,
    ) -> DataPage:
        """Gather it from a check and the rows that were checked, read once more, in their order.

        Args:
            is_masked: of what a plan would mask, only the ends are shown.
        """
        show = hide_span if is_masked else keep
        shown = [show(one) for one in pick_shown(checked)]
        places = {one.number: one.place for one in shown}
        wanted = dict(islice(places.items(), MAX_ROWS))
        survey = survey_rows(
            rows, checked, wanted=wanted, tokenizer=tokenizer, num_tokenised=num_tokenised
        )
        own = [show(one) for one in checked.findings if one.number in survey.rows]
        return cls(title, checked, shown, own, survey, tokenizer=tokenizer)


def keep(finding: Finding) -> Finding:
    """The finding as it is."""
    return finding


def pick_shown(checked: Checked) -> list[Finding]:
    """The findings that a page lists."""
    return pick_findings(checked, most=MAX_FINDINGS)


def render_data_page(page: DataPage) -> str:
    """The page as HTML of one self-contained file, in UTF-8, that loads and asks for nothing."""
    found: list[tuple[str, str, Html | None]] = [
        ("verdict", "Overview", render_overview(page)),
        ("lengths", "Lengths", render_lengths(page.survey)),
        ("set", "The set", render_set(page.checked.insights)),
        ("findings", "Findings", render_findings(page)),
        ("clusters", "Clusters", render_clusters(page)),
        ("origins", "Origin and licence", render_origins(page)),
        ("changes", "Before and after", render_changes(page.changes)),
    ]
    return render_shell(
        f"{page.title}: {page.checked.verdict} · Assay",
        [Section(key, title, body) for key, title, body in found if body],
        style=read_asset("report.css") + read_asset("data.css", package=_PACKAGE),
        script=read_asset("report.js") + read_asset("data.js", package=_PACKAGE),
        data=embed_json(build_view(page)),
        kind=f"status-{page.checked.verdict}",
    )
