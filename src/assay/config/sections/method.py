"""How weights are changed: one block per method; it builds no adapter."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from assay.config.setting import Section, setting
from assay.config.shorthand import expand_block


class AdapterConfig(Section):
    """What all methods with low-rank adapters share (Hu et al. 2021)."""

    type: str
    rank: int = setting(
        16,
        "Inner size of each adapter.",
        unit="dimensions",
        reason="enough for most specialist tasks; more memory and little gain beyond",
        ge=1,
        le=4096,
    )
    alpha: float | None = setting(
        None,
        "Scale of the adapter: its output is multiplied by alpha / rank.",
        reason="found by rule from the rank",
        gt=0,
        le=65536,
    )


class LoraConfig(AdapterConfig):
    """Low-rank adapters beside frozen weights."""

    type: Literal["lora"] = setting(
        "lora",
        "How the weights are changed.",
        reason="needs little memory, and the base stays as it was",
    )
    dropout: float = setting(
        0.0,
        "Share of the adapter's inputs set to zero while training.",
        unit="ratio",
        reason="early stopping and few epochs come first against overfitting",
        ge=0,
        lt=1,
    )
    target_modules: Literal["all-linear"] | list[Annotated[str, Field(min_length=1)]] = setting(
        "all-linear",
        "Which linear layers get an adapter: all but the output head, or a list of name endings.",
        reason="adapting every linear layer learns as well as full tuning on small data",
    )


class QloraConfig(AdapterConfig):
    """Adapters beside frozen weights that are held in few bits (Dettmers et al. 2023).

    As published: on every linear layer but the output head, and without dropout. Both are settings
    of `lora` alone.
    """

    type: Literal["qlora"] = setting(
        "qlora", "How the weights are changed.", reason="named by the recipe"
    )
    quantization: Literal["nf4", "fp4", "int8"] = setting(
        "nf4",
        "Format of the base's linear layers while tuning; the baseline is measured in it too.",
        reason="a quarter of bf16's memory, with the least error of the four-bit formats",
    )
    double_quantization: bool = setting(
        True,
        "Whether the scales of a four-bit format are quantised as well.",
        reason="saves 0.4 bits a weight at hardly any error; int8 has none to save",
    )


class FullConfig(Section):
    """All weights are trained."""

    type: Literal["full"] = setting(
        "full", "How the weights are changed.", reason="named by the recipe"
    )


METHODS: dict[str, type[Section]] = {
    "lora": LoraConfig,
    "qlora": QloraConfig,
    "full": FullConfig,
}


def _get_type(value: Any) -> str:
    """The `type` of a block or section; adapters where it is left out."""
    if isinstance(value, dict):
        return str(value.get("type", "lora"))
    return str(getattr(value, "type", "lora"))


Method = Annotated[
    Annotated[
        Annotated[LoraConfig, Tag("lora")]
        | Annotated[QloraConfig, Tag("qlora")]
        | Annotated[FullConfig, Tag("full")],
        Discriminator(_get_type),
    ],
    BeforeValidator(
        expand_block("method"),
        json_schema_input_type=Literal["lora", "qlora", "full"]
        | LoraConfig
        | QloraConfig
        | FullConfig,
    ),
]
