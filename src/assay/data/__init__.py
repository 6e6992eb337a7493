"""Data files to records, splits, and token sequences with loss masks; it knows no model.

prepare_data ─▶ splits ─▶ tokenize ─▶ sequences ─▶ mask_report.check ─▶ write_data
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from assay.data.mask import MaskReport, mask_report
from assay.data.pathologies import PATHOLOGIES, Pathology
from assay.data.prepare import PreparedData, RefusedData, keep_reached, prepare_data
from assay.data.prompts import Prompt, to_prompt
from assay.data.read import ReadResult, SourceCounts, read_sources
from assay.data.records import Message, Record
from assay.data.render_rows import RowRenderer
from assay.data.report import build_report, render_problems, write_data, write_refusal
from assay.data.sequences import TokenSequence
from assay.data.split import Splits, split_records
from assay.data.stored import compute_split_hash, read_split, write_split
from assay.data.token_cache import open_token_cache
from assay.data.tokens import Dropped, Tokenized, tokenize
from assay.data.tool_offers import describe_unoffered_calls, find_unoffered_calls

if TYPE_CHECKING:
    from assay.data.curate.python import check

__all__ = [
    "PATHOLOGIES",
    "Dropped",
    "MaskReport",
    "Message",
    "Pathology",
    "PreparedData",
    "Prompt",
    "ReadResult",
    "Record",
    "RefusedData",
    "RowRenderer",
    "SourceCounts",
    "Splits",
    "TokenSequence",
    "Tokenized",
    "build_report",
    "check",
    "compute_split_hash",
    "describe_unoffered_calls",
    "find_unoffered_calls",
    "keep_reached",
    "mask_report",
    "open_token_cache",
    "prepare_data",
    "read_sources",
    "read_split",
    "render_problems",
    "split_records",
    "to_prompt",
    "tokenize",
    "write_data",
    "write_refusal",
    "write_split",
]


def __getattr__(name: str) -> Any:
    """`check` and `curate`, whose rules are loaded when they are asked for."""
    if name == "check":
        from assay.data.curate.python import check

        return check
    if name == "curate":
        return import_module("assay.data.curate")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
