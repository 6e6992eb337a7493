"""data-report.html: one page on a check of data that needs nothing else; it judges nothing."""

from __future__ import annotations

from assay.release.data_report.page import DataPage, pick_shown, render_data_page

__all__ = ["DataPage", "pick_shown", "render_data_page"]
