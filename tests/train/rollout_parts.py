"""A tokenizer, a grader and prompts for rollouts of small models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data import TokenSequence
from assay.data.asked import Asked
from assay.generate.local import LocalEngine
from assay.graders.grade import Grade, Sample
from assay.train.credit import Credit, GroupCredit
from assay.train.kept_rollouts import KeptRollouts
from assay.train.ranks import Ranks
from assay.train.rollout_settings import RolloutSettings
from assay.train.rollouts import Rollouts


class NumberTokenizer:
    """Tokens are numbers; 2 stops."""

    eos_ids = frozenset({2})

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))


class ShareGrader:
    """The share of tokens of a completion that are the item's own number or below it."""

    name = "share"

    def grade(self, samples: Sequence[Sample], items: Sequence[Mapping[str, Any]]) -> list[Grade]:
        return [
            Grade(sum(t <= item["most"] for t in sample.token_ids) / max(1, sample.num_tokens))
            for sample, item in zip(samples, items, strict=True)
        ]


def make_prompts(num: int = 6) -> list[TokenSequence]:
    """Prompts of 3 to 8 tokens; the grader wants low numbers of each."""
    return [
        TokenSequence(
            [1, *range(5 + n, 7 + 2 * n)],
            [0.0] * (3 + n),
            f"{n}",
            "chat",
            f"a:{n}",
            asked=Asked(({"role": "user", "content": f"{n}"},), item={"most": 20 + n}),
        )
        for n in range(num)
    ]


class Alone(Ranks):
    """One of several ranks that never meets the others: its sums are its own."""

    def sum(self, *values: float) -> tuple[float, ...]:
        return values

    def wait(self) -> None:
        return


def make_rollouts(
    model: Any,
    *,
    credit: Credit | None = None,
    ranks: Ranks | None = None,
    folder: Path | None = None,
    as_reference: Any = None,
    num_prompts: int = 6,
    oldest: int = 0,
    **settings: Any,
) -> Rollouts:
    """Rollouts of `model`, four completions of each of three prompts a step."""
    given: dict[str, Any] = {"group_size": 4, "max_new_tokens": 6, "batch_size": 3}
    given |= {"token_budget": 64} | settings
    tokenizer: Any = NumberTokenizer()
    updates = given.get("updates", 1)
    kept = None if folder is None else KeptRollouts(folder, updates, lambda: oldest)
    return Rollouts(
        model,
        LocalEngine(model, tokenizer, batch_size=8, context_len=128),
        ShareGrader(),
        make_prompts(num_prompts),
        credit or GroupCredit(),
        RolloutSettings(**given),
        ranks=ranks or Ranks(),
        kept=kept,
        as_reference=as_reference,
    )
