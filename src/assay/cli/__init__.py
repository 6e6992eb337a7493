"""The command line: parses arguments and calls; all that it does is done by another unit."""

from __future__ import annotations

from assay.cli.app import main

__all__ = ["main"]
