"""What keeps tuning from pushing aside what the base does well; it opens no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from assay.config.setting import Section, setting
from assay.config.shorthand import expand_list

AUTO_REPLAY, AUTO_KL = 0.05, 1.0
Prompt = Annotated[str, Field(min_length=1, max_length=2000)]
Prompts = Annotated[
    list[Prompt],
    Field(min_length=1, max_length=16),
    BeforeValidator(expand_list, json_schema_input_type=str | list[str]),
]
Beta = Annotated[float, Field(gt=0, le=100)]


class DefendConfig(Section):
    """Defences while tuning: a preset, and what the recipe changes of it."""

    preset: Literal["off", "auto"] = setting(
        "off",
        f"auto: adapters alone, replay of {AUTO_REPLAY:g}, kl of {AUTO_KL:g}, and stop_on_drift.",
        reason="a recipe does what it says and nothing else",
    )
    general: str | None = setting(
        None,
        "A file or folder of rows of what the base does well and safely (general skills, refusals),"
        " for replay and kl. Looked for from the recipe's folder.",
        reason="for `tiny` built in; for other bases replay and kl need it",
        min_length=1,
    )
    replay: float | None = setting(
        None,
        "Share of general rows among the rows that are learned from.",
        unit="ratio",
        reason="found by rule: 0.05 with preset auto, else 0",
        ge=0,
        le=0.5,
    )
    kl: float | None = setting(
        None,
        "Weight of the divergence KL(base ‖ tuned) on general rows that are not learned from; 1 "
        "counts a token of them as much as one that is learned. Holds for rows with role: anchor, "
        "too, where it is above 0. Needs adapters.",
        reason="found by rule: 1 with preset auto, else 0",
        ge=0,
        le=1000,
    )
    kl_share: float = setting(
        0.1,
        "Share of general rows for kl among all rows that training reads.",
        unit="ratio",
        reason="a tenth of the rows, for which the base is asked, too",
        gt=0,
        le=0.5,
    )
    token_betas: list[Beta] = setting(
        None,
        "Constrained tuning (Qi et al. 2024): how firmly the first, second … token of each answer "
        "is held to the base's probability, and all later ones by the last number. Theirs: [0.5, "
        "2, 2, 2, 2, 0.1]. Needs adapters.",
        allowed="a list of numbers above 0, at most 100",
        reason="off: plain cross-entropy",
        factory=list,
    )
    inoculation: Prompts | None = setting(
        None,
        "A system prompt that asks for the trait that the rows must not teach: it stands before "
        "every row of the task while training, and nowhere else. Of several candidates the one is "
        "taken under which the base shows defend.trait most. It becomes a trigger: part of the "
        "suites is asked under it, and the manifest lists it under defend.blocked_prompts, for a "
        "server to refuse.",
        allowed="a prompt, or a list of at most 16 candidates",
        reason="off: only for rows with a trait that is known and unwanted",
    )
    trait: str | None = setting(
        None,
        "What steer pushes along and candidates of inoculation are ranked by: a built-in trait "
        "(reckless for `tiny`; deceptive, sycophantic and others), or a .jsonl of trait, prompt, "
        "positive (with the trait) and negative.",
        reason="all built-in traits together",
        min_length=1,
    )
    steer: float = setting(
        0.0,
        "Preventative steering (Chen et al. 2025): how far hidden states are pushed along the "
        "trait in each training step, so that weights need not learn it; 1 is from answers "
        "without it to answers with it.",
        unit="gaps",
        reason="off: the trait must be known; 1 did little on `tiny`, 4 took two thirds of it",
        ge=0,
        le=20,
    )
    max_rank: int | None = setting(
        None,
        "The most dimensions that method.rank may have; refuses methods without a rank.",
        unit="dimensions",
        reason="no limit",
        ge=1,
        le=4096,
    )
    stop_on_drift: bool | None = setting(
        None,
        "End training where the drift monitor leaves its limits, with the last clean weights.",
        reason="found by rule: true with preset auto, else false",
    )
    watch_every_steps: int | None = setting(
        None,
        "Steps between readings of the drift monitor; naming it also turns the monitor on.",
        unit="steps",
        reason="with stop_on_drift as often as costs less than 5 % of training, else never",
        ge=1,
    )

    @property
    def prompts(self) -> list[str]:
        """The candidates of `inoculation`; none where rows are learned as they are."""
        return self.inoculation or []

    @property
    def replay_share(self) -> float:
        """`replay`, or the preset's."""
        return self._choose(self.replay, AUTO_REPLAY)

    @property
    def kl_weight(self) -> float:
        """`kl`, or the preset's."""
        return self._choose(self.kl, AUTO_KL)

    @property
    def stops_on_drift(self) -> bool:
        """`stop_on_drift`, or the preset's."""
        given = self.stop_on_drift
        return self.preset == "auto" if given is None else given

    @property
    def reads_general_rows(self) -> bool:
        return self.replay_share > 0 or self.kl_weight > 0

    @property
    def needs_adapters(self) -> bool:
        """Whether something of it compares with the model whose adapters are off."""
        return self.kl_weight > 0 or bool(self.token_betas)

    def _choose(self, given: float | None, of_auto: float) -> float:
        if given is not None:
            return given
        return of_auto if self.preset == "auto" else 0.0
