"""How weights are changed: one block per method; it builds no adapter."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag

from assay.config.setting import REQUIRED, Section, setting
from assay.config.shorthand import expand_block

Flavour = Literal["rslora", "dora", "pissa", "lora_plus"]
LoraType = Literal["lora", "rslora", "dora", "pissa"]
MethodType = Literal[LoraType, "lora_plus", "qlora", "freeze", "full", "peft"]
LORA_PLUS_RATIO = 16.0
"""The published ratio of both learning rates (Hayou et al. 2024)."""
Name = Annotated[str, Field(min_length=1)]
StartFrom = str | list[Name] | dict[str, float] | None

_START_FROM = {
    "allowed": "a folder, a list of folders, or a map of folders to weights",
    "reason": "a fresh adapter",
}


class MethodSection(Section):
    """What every method says of itself beside its settings.

    `trains_base` says whether weights of the base itself change, so that a whole model is saved.
    """

    trains_base: ClassVar[bool] = False


class AdapterConfig(MethodSection):
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
        "Scale of the adapter: its output is multiplied by alpha / rank (rslora: by alpha / the "
        "square root of rank).",
        reason="found by rule from the rank",
        gt=0,
        le=65536,
    )
    dropout: float = setting(
        0.0,
        "Share of the adapter's inputs set to zero while training.",
        unit="ratio",
        reason="early stopping and few epochs come first against overfitting",
        ge=0,
        lt=1,
    )
    target_modules: Literal["all-linear"] | list[Name] = setting(
        "all-linear",
        "Which linear layers get an adapter: all but the output head, or a list of name endings.",
        reason="adapting every linear layer learns as well as full tuning on small data",
    )
    flavours: list[Flavour] = setting(
        None,
        "Variants on top: rslora (scale that fits any rank), dora (direction and length apart), "
        "pissa (starts from the largest singular values), lora_plus (B learns faster than A).",
        reason="the method's own alone",
        factory=list,
    )
    start_from: StartFrom = setting(
        None,
        "Adapters to go on from, each a folder in PEFT's layout; several are summed by weight.",
        **_START_FROM,
    )

    @property
    def all_flavours(self) -> frozenset[str]:
        """The flavours of `flavours` and of the method's own name."""
        return frozenset(self.flavours) | ({self.type} & set(get_args(Flavour)))


class LoraConfig(AdapterConfig):
    """Low-rank adapters beside frozen weights, plain or of one flavour."""

    type: LoraType = setting(
        "lora",
        "How the weights are changed.",
        reason="needs little memory, and the base stays as it was",
    )


class LoraPlusConfig(AdapterConfig):
    """Low-rank adapters whose B learns faster than their A (Hayou et al. 2024)."""

    type: Literal["lora_plus"] = setting(
        "lora_plus", "How the weights are changed.", reason="named by the recipe"
    )
    learning_rate_ratio: float = setting(
        LORA_PLUS_RATIO,
        "Learning rate of B as a multiple of that of A, which is train.learning_rate.",
        unit="times",
        reason="the published ratio; it is also that of the flavour lora_plus elsewhere",
        ge=1,
        le=10_000,
    )


class QloraConfig(AdapterConfig):
    """Adapters beside frozen weights that are held in few bits (Dettmers et al. 2023)."""

    type: Literal["qlora"] = setting(
        "qlora", "How the weights are changed.", reason="named by the recipe"
    )
    quantization: Literal["nf4", "fp4", "int8"] = setting(
        "nf4",
        "Format of the base's linear layers while tuning; the baseline is measured in it too. The "
        "scales of four-bit formats are quantised as well.",
        reason="a quarter of bf16's memory, with the least error of the four-bit formats",
    )


class FreezeConfig(MethodSection):
    """Some of the base's own weights are trained, the others stay."""

    trains_base: ClassVar[bool] = True

    type: Literal["freeze"] = setting(
        "freeze", "How the weights are changed.", reason="named by the recipe"
    )
    top_layers: int | None = setting(
        None,
        "How many of the last layers are trained.",
        unit="layers",
        reason="found by rule: 2, or none where method.patterns says what is trained",
        ge=1,
        le=10_000,
    )
    patterns: list[Name] = setting(
        None,
        "Regular expressions; weights whose name holds a match are trained too.",
        reason="the top layers alone",
        factory=list,
    )


class FullConfig(MethodSection):
    """All weights are trained."""

    trains_base: ClassVar[bool] = True

    type: Literal["full"] = setting(
        "full", "How the weights are changed.", reason="named by the recipe"
    )


class PeftConfig(MethodSection):
    """Any other method of PEFT, through PEFT's own configuration."""

    type: Literal["peft"] = setting(
        "peft", "How the weights are changed.", reason="named by the recipe"
    )
    config: dict[str, Any] = setting(
        REQUIRED,
        "PEFT's own configuration of the method: `peft_type`, and what that method has.",
        allowed="a map of PEFT's names, with peft_type",
        example="method: {type: peft, config: {peft_type: IA3}}",
        min_length=1,
    )
    start_from: StartFrom = setting(
        None, "An adapter to go on from: a folder in PEFT's layout.", **_START_FROM
    )


METHODS: dict[str, type[Section]] = {
    **dict.fromkeys(get_args(LoraType), LoraConfig),
    "lora_plus": LoraPlusConfig,
    "qlora": QloraConfig,
    "freeze": FreezeConfig,
    "full": FullConfig,
    "peft": PeftConfig,
}


def _get_tag(value: Any) -> str:
    """The block that a `type` has, by the first type with that block; adapters without a type."""
    kind = value.get("type", "lora") if isinstance(value, dict) else getattr(value, "type", "lora")
    return "lora" if kind in get_args(LoraType) else str(kind)


Method = Annotated[
    Annotated[
        Annotated[LoraConfig, Tag("lora")]
        | Annotated[LoraPlusConfig, Tag("lora_plus")]
        | Annotated[QloraConfig, Tag("qlora")]
        | Annotated[FreezeConfig, Tag("freeze")]
        | Annotated[FullConfig, Tag("full")]
        | Annotated[PeftConfig, Tag("peft")],
        Discriminator(_get_tag),
    ],
    BeforeValidator(
        expand_block("method"),
        json_schema_input_type=MethodType
        | LoraConfig
        | LoraPlusConfig
        | QloraConfig
        | FreezeConfig
        | FullConfig
        | PeftConfig,
    ),
]
