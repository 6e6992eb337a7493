"""The base model: what is fine-tuned; it does not look whether the model exists."""

from __future__ import annotations

from typing import Literal

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
    dtype: Literal["auto", "fp32", "bf16"] = setting(
        "auto",
        "Number format in which the base's weights are held.",
        reason="the format the weights were saved in where the device has it, else fp32",
    )
    trust_remote_code: bool = setting(
        False,
        "Whether Python code that comes with the base may run.",
        reason="code from elsewhere runs only when a recipe says so",
    )
