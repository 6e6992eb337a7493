"""Rows that call tools without offering any: learned as they stand, and told; it refuses nothing.

A chat template shows a model the tools it is offered. A row without them teaches the model to call
a tool that it was never shown, which is rarely what was meant, but can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.data.records import Record


def find_unoffered_calls(records: Sequence[Record]) -> list[str]:
    """Places (`file:line`) of the records that call tools and offer none, each once."""
    found = (
        record.place
        for record in records
        if not record.tools and any(message.get("tool_calls") for message in record.messages)
    )
    return list(dict.fromkeys(found))


def describe_unoffered_calls(places: Sequence[str]) -> str:
    """One sentence on at least one place: how many rows, the first, and what to do."""
    return (
        f"rows that call tools and offer none: {len(places):,} (first: {places[0]}), trained"
        " without tools in the prompt; give them a column `tools` if the model is to be offered"
        " any"
    )
