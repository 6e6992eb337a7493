"""The base model: what is fine-tuned; it does not look whether the model exists."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from assay.config.setting import REQUIRED, Section, setting


class BaseConfig(Section):
    """The model to start from."""

    name: str = setting(
        REQUIRED,
        "The base model: `tiny` (embedded), a folder in Transformers layout, or a Hub id "
        "`organisation/name`.",
        example="base: tiny",
        min_length=1,
    )
    revision: str | None = setting(
        None,
        "Branch, tag or commit of a Hub model.",
        reason="the Hub's main branch; the commit is written into the manifest",
    )
    trust_remote_code: bool = setting(
        False,
        "Whether Python code that comes with the base may run.",
        reason="code from elsewhere runs only when a recipe says so",
    )
    new_tokens: list[Annotated[str, Field(min_length=1)]] = setting(
        None,
        "Texts that become one token each; their rows of the embedding are trained too.",
        reason="the tokenizer stays as it is",
        factory=list,
    )
