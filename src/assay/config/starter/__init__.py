"""Starting points that `assay init` writes: a commented recipe, its schema and example rows."""

from __future__ import annotations

from assay.config.starter.write import TEMPLATES, Starter, write_starter

__all__ = ["TEMPLATES", "Starter", "write_starter"]
