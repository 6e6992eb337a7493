"""The data: sources, splits and what happens to rows that do not fit; it opens no file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from assay.config.setting import REQUIRED, Section, setting
from assay.config.shorthand import expand_block, expand_list

SourceFormat = Literal[
    "auto",
    "chat",
    "sharegpt",
    "alpaca",
    "completion",
    "text",
    "preference",
    "openai_preference",
    "rated",
    "stepwise",
    "prompt",
]


class SourceConfig(Section):
    """One file, folder or Hub dataset, and how to read it."""

    path: str = setting(
        REQUIRED,
        "A file, a folder or a Hub dataset id. Files are looked for from the recipe's folder.",
        example="data.train: train.jsonl",
        min_length=1,
    )
    format: SourceFormat = setting(
        "auto",
        "The shape of a row. Messages, and rows of sharegpt and alpaca, go through the base's chat "
        "template; prompts, completions, pairs and ratings of texts alone are rendered without it.",
        reason="recognised from the first rows; the report says which it was",
    )
    columns: dict[str, str] = setting(
        None,
        "Which column of the file holds which field of the format: `{field: column}`.",
        reason="the file's columns have the format's own names",
        factory=dict,
    )
    weight: float = setting(
        1.0,
        "How often each training row of this source is used: 1 once, 2 twice, 0.5 half of the rows "
        "(drawn by seed). Held-out rows are untouched, and so are other sources.",
        unit="times",
        reason="every row is used once an epoch",
        gt=0,
        le=1000,
    )
    revision: str | None = setting(
        None,
        "Branch, tag or commit of a Hub dataset.",
        reason="the Hub's main branch; the commit is written into the manifest",
    )
    split: str = setting(
        "train",
        "Which split of a Hub dataset to read.",
        reason="the usual name of the rows to learn from",
        min_length=1,
    )
    name: str | None = setting(
        None,
        "Configuration of a Hub dataset (its subset).",
        reason="the dataset's only or default configuration",
    )
    limit: int | None = setting(
        None, "Read at most this many rows, from the first.", unit="rows", reason="all rows", ge=1
    )
    provenance: dict[Literal["source", "licence", "consent", "collected"], str] = setting(
        None,
        "Where the rows come from, for all that have no column of their own that says so: source, "
        "licence, consent, collected (ISO 8601).",
        reason="rows say it themselves, or the report says that they do not",
        factory=dict,
    )
    role: Literal["task", "extra", "anchor"] = setting(
        "task",
        "task: learned from, and held out for validation and test; extra: learned from alone; "
        "anchor: its answers are not learned, but there the tuned model is held to what the base "
        "says (KL divergence of the base), so that it is not forgotten.",
        reason="what is learned is also tested",
    )


_STRING_OR_SOURCE = Annotated[
    SourceConfig,
    BeforeValidator(expand_block("data.train.*"), json_schema_input_type=str | SourceConfig),
]
Sources = Annotated[
    list[_STRING_OR_SOURCE],
    BeforeValidator(
        expand_list, json_schema_input_type=str | SourceConfig | list[str | SourceConfig]
    ),
]


class DataConfig(Section):
    """What is learned from, what is held out, and what happens to rows that do not fit."""

    train: Sources = setting(
        REQUIRED,
        "The rows to learn from: a path, a source block, or a list of them.",
        example="data.train: train.jsonl",
        min_length=1,
    )
    validation: Sources | None = setting(
        None,
        "Rows on which prompt, epoch and checkpoint are chosen.",
        reason="held out from data.train by data.validation_ratio",
        min_length=1,
    )
    test: Sources | None = setting(
        None,
        "Rows on which the result is confirmed, once.",
        reason="held out from data.train by data.test_ratio",
        min_length=1,
    )
    validation_ratio: float = setting(
        0.1,
        "Share of data.train held out for validation when data.validation is not given.",
        unit="ratio",
        reason="enough to choose by, and leaves most rows to learn from",
        ge=0,
        lt=1,
    )
    test_ratio: float = setting(
        0.1,
        "Share of data.train held out for the final test when data.test is not given.",
        unit="ratio",
        reason="gates need untouched rows",
        ge=0,
        lt=1,
    )
    group_by: str | None = setting(
        None,
        "Column whose equal values stay in one split (a customer, a document).",
        reason="rows are independent of each other",
        min_length=1,
    )
    system: str | None = setting(
        None,
        "System prompt for rows that have none; also the prompt the release is used with.",
        reason="rows are trained as they are",
        min_length=1,
    )
    on_bad_rows: Literal["refuse", "drop"] = setting(
        "refuse",
        "What to do about rows that cannot be used: stop, or leave them out and say so.",
        reason="a bad row is usually a mistake in how the file was made",
    )
    on_too_long: Literal["refuse", "drop", "keep_end"] = setting(
        "refuse",
        "What to do about rows longer than data.max_seq_len: stop, leave them out, or keep the "
        "last tokens.",
        reason="an answer is never cut silently",
    )
    max_seq_len: int | None = setting(
        None,
        "Longest sequence that is trained on.",
        unit="tokens",
        reason="the base's own context",
        ge=16,
        le=4_194_304,
    )
    rules: dict[str, Any] = setting(
        None,
        "What is done about findings, by rule (`assay data rules` lists them): a severity (info, "
        "warning, error, off), an action that is carried out (drop, mask, repair, relabel, keep), "
        "or a block of severity, action, allow (texts that are no finding) and the rule's own "
        "options.",
        reason="errors stop the run before anything is trained, warnings are in its report",
        factory=dict,
    )
    accept: list[str] = setting(
        None,
        "Rules whose errors may stand, and pathologies of the loss mask, by name; or `all`. The "
        "verdict says so.",
        reason="an error in the data, or a pathological mask, stops the run before the first step",
        factory=list,
    )
