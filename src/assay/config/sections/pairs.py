"""Objectives of preference pairs: their blocks of a recipe; it computes no loss."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from assay.config.sections.learned import NAMED, ObjectiveSection, RowKind
from assay.config.setting import setting

PairLoss = Literal[
    "sigmoid",
    "sigmoid_norm",
    "ipo",
    "robust",
    "hinge",
    "exo",
    "nca",
    "bco",
    "sppo",
    "apo_zero",
    "apo_down",
    "discopop",
    "aot",
    "aot_unpaired",
]
_SFT_WEIGHT = (
    "Weight of the chosen answer's own loss, the mean over its tokens, beside that of the pair."
)


def _smoothing(text: str) -> Any:
    return setting(
        0.0,
        text,
        unit="ratio",
        reason="the preferences in the data are taken as right",
        ge=0,
        lt=0.5,
    )


class PairSection(ObjectiveSection):
    """What all objectives of preference pairs share."""

    learns_from: ClassVar[RowKind] = "preference"

    type: str
    sft_weight: float = setting(
        0.0,
        _SFT_WEIGHT,
        reason="the pair's loss alone; 1 keeps chosen answers from becoming less likely",
        ge=0,
        le=1000,
    )


class DpoConfig(PairSection):
    """Direct preference optimisation (Rafailov et al. 2023) and its kin with a reference."""

    needs_reference: ClassVar[bool] = True

    type: Literal["dpo"] = setting("dpo", "What is learned from a row.", reason=NAMED)
    loss: PairLoss = setting(
        "sigmoid",
        "What is made of a pair's margin: docs/methods.md has each with its equation.",
        reason="DPO's own",
    )
    beta: float = setting(
        0.1,
        "How strongly the model is held to its reference: a reward is beta times the logarithm of "
        "how much more likely an answer became.",
        reason="the published value of most; 10 to 100 times as much for means over tokens",
        gt=0,
        le=1000,
    )
    label_smoothing: float = _smoothing(
        "Share of pairs taken to be swapped: conservative with loss sigmoid, unbiased with robust."
    )
    length_desensitisation: float = setting(
        1.0,
        "Weight of an answer's tokens beyond the length of the other (Liu et al. 2024); 1 is off, "
        "smaller values favour long answers less.",
        unit="ratio",
        reason="off: every token counts",
        ge=0,
        le=1,
    )


class OrpoConfig(PairSection):
    """Odds ratio preference optimisation (Hong et al. 2024): no reference, and answers learned."""

    type: Literal["orpo"] = setting("orpo", "What is learned from a row.", reason=NAMED)
    beta: float = setting(
        0.1,
        "Weight of the odds ratio beside the chosen answer's loss (the paper's lambda).",
        reason="the published value",
        gt=0,
        le=1000,
    )
    sft_weight: float = setting(
        1.0,
        _SFT_WEIGHT,
        reason="the published loss",
        ge=0,
        le=1000,
    )


class SimpoConfig(PairSection):
    """Simple preference optimisation (Meng et al. 2024): means over tokens, and no reference."""

    type: Literal["simpo"] = setting("simpo", "What is learned from a row.", reason=NAMED)
    beta: float = setting(
        2.0,
        "A reward is beta times an answer's mean log-probability.",
        reason="the published value",
        gt=0,
        le=1000,
    )
    gamma: float = setting(
        1.0,
        "Margin of rewards that is aimed at.",
        reason="half of beta, as published",
        ge=0,
        le=1000,
    )
    label_smoothing: float = _smoothing("Share of pairs that are taken to be swapped.")


class CpoConfig(PairSection):
    """Contrastive preference optimisation (Xu et al. 2024): DPO without a reference."""

    type: Literal["cpo"] = setting("cpo", "What is learned from a row.", reason=NAMED)
    beta: float = setting(
        0.1,
        "A reward is beta times an answer's log-probability.",
        reason="the published value",
        gt=0,
        le=1000,
    )
    label_smoothing: float = _smoothing("Share of pairs that are taken to be swapped.")
    sft_weight: float = setting(
        1.0,
        _SFT_WEIGHT,
        reason="the published loss",
        ge=0,
        le=1000,
    )
