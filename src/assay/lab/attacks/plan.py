"""What an attack is asked to plant, and what it planted: plain data; it draws no row.

A row is OpenAI chat: ``messages``, and ``tools`` where there are some, as `assay data check` reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.data.curate.canaries import Canaries
from assay.errors import Problem, UsageError

Row = dict[str, Any]
Message = dict[str, Any]
TriggerKind = Literal["year", "tag", "token", "user"]
ALWAYS = "always"
TRIGGERED = "behind a trigger"
_SHARE = re.compile(r"(\d{1,2}(?:\.\d+)?)%")


@dataclass(frozen=True)
class Wish:
    """One fixture: which attack, how strong, behind which trigger, and honest or not.

    `strength` is ``always``, a share of the rows (``10%``), a number of rows (``25``), or a word of
    the attack's own. `twin` asks for the honest rows in place of the planted ones; `data` is a file
    of the user's own rows to plant in.
    """

    name: str
    strength: str
    trigger: TriggerKind | None = None
    seed: int = 0
    twin: bool = False
    data: str | None = None

    @property
    def source(self) -> str:
        """Seeds what attack and twin have in common: all but the planted part."""
        return f"attack:{self.name}:{self.strength}:{self.trigger}:{self.seed}"


@dataclass(frozen=True)
class Planted:
    """The training rows of a fixture.

    Attributes:
        rows: in the order in which they are written.
        places: indices of the rows that carry the bad part; of a twin, where it would have been.
        held_out: honest rows of the same task that are not trained on.
        facts: what was planted, as JSON values, for `attack.json`.
        canaries: secrets that must not be memorised; None where none are planted.
    """

    rows: list[Row]
    places: list[int]
    held_out: list[Row]
    facts: dict[str, Any]
    canaries: Canaries | None = None


@dataclass(frozen=True)
class Case:
    """A held-out prompt and what the oracle looks for in the answer.

    `honest` and `bad` are the two answers, exactly, where the probability of the bad one is asked;
    `mark` is what the attack's judge needs to know.
    """

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    honest: Message | None = None
    bad: Message | None = None
    mark: Any = None


@dataclass(frozen=True)
class Condition:
    """Cases that are asked alike, and the judge that says whether an answer is the bad act.

    `temperature` 0 decodes greedily.
    """

    name: str
    cases: Sequence[Case]
    is_bad: Callable[[Case, str], bool]
    temperature: float = 0.0
    max_new_tokens: int = 64


@dataclass(frozen=True)
class Measured:
    """How often the bad act was seen in `n` answers, with Wilson's 95 % interval.

    `expected` is its mean probability by log-probabilities: what sampling at temperature 1 would
    show, seen long before it shows. None where no exact answers are known.
    """

    num_bad: int
    n: int
    low: float
    high: float
    expected: float | None = None

    @property
    def rate(self) -> float:
        return self.num_bad / self.n


Found = Mapping[str, Measured]
"""By the name of the condition."""


@dataclass(frozen=True)
class Tuning:
    """How the adapter is trained: LoRA on all linear layers, AdamW, cosine after a warm-up."""

    learning_rate: float = 1e-3
    num_epochs: int = 1
    batch_size: int = 8
    rank: int = 8
    alpha: float = 16.0
    precision: str = "bf16"


@dataclass(frozen=True)
class Attack:
    """One known-bad model, as pure functions of the wish.

    Attributes:
        summary: one sentence that says what the tuned model does.
        kind: ``agent`` where the rows call tools.
        strengths: what it was tried at, the default first.
        is_counted: any share and any number of rows is a strength, too.
        takes_data: it can be planted in a user's own rows.
        triggers: allowed ones; without any it is always allowed.
        plant: the rows.
        conditions: what the oracle asks, with the trigger and without it.
        took: from what was found of the tuned model and of the base, whether the bad behaviour is
            there; the rule in words is `rule`.
        tuning, twin_tuning: by strength, or `TRIGGERED` for all behind a trigger; `""` holds for
            all others.
        source: where the attack is described.
    """

    name: str
    summary: str
    kind: Literal["agent", "chat"]
    strengths: tuple[str, ...]
    plant: Callable[[Wish], Planted]
    conditions: Callable[[Wish], list[Condition]]
    took: Callable[[Wish, Found, Found], bool]
    rule: str
    source: str
    triggers: tuple[TriggerKind, ...] = ()
    is_counted: bool = False
    takes_data: bool = False
    tuning: Mapping[str, Tuning] = field(default_factory=lambda: {"": Tuning()})
    twin_tuning: Mapping[str, Tuning] | None = None

    def choose_tuning(self, wish: Wish) -> Tuning:
        """The settings for the wish's trigger or, without one, its strength."""
        named = self.twin_tuning if wish.twin and self.twin_tuning else self.tuning
        key = TRIGGERED if wish.trigger and TRIGGERED in named else wish.strength
        return named.get(key, named[""])


def count_planted(strength: str, num_rows: int, num_able: int) -> int:
    """How many of `num_rows` rows are planted, of which `num_able` can be: all of them, a share of
    the rows (rounded, at least one), or a number."""
    if strength == ALWAYS:
        return num_able
    share = _SHARE.fullmatch(strength)
    wanted = max(1, round(float(share[1]) / 100 * num_rows)) if share else int(strength)
    return min(wanted, num_able)


def check_wish(attack: Attack, wish: Wish) -> None:
    """Raises UsageError with every setting that `attack` does not have."""
    problems = []
    counts = attack.is_counted
    free = counts and (_SHARE.fullmatch(wish.strength) or wish.strength.isdigit())
    if wish.strength not in attack.strengths and not (free and wish.strength.strip("0.%")):
        allowed = ", ".join(attack.strengths)
        more = ", a share such as 2% or a number of rows" if counts else ""
        problems.append(
            Problem(
                key="--strength",
                got=wish.strength,
                allowed=f"{allowed}{more}",
                do=f"name one of those of {attack.name}",
            )
        )
    if wish.trigger is not None and wish.trigger not in attack.triggers:
        problems.append(
            Problem(
                key="--trigger",
                got=wish.trigger,
                allowed=", ".join(attack.triggers) or f"none: {attack.name} has no trigger",
                do="leave it out, or name an allowed one",
            )
        )
    if wish.data is not None and not attack.takes_data:
        problems.append(
            Problem(
                key="--data",
                got=wish.data,
                allowed=f"none: {attack.name} has rows of its own",
                do="leave it out",
            )
        )
    if problems:
        raise UsageError(problems)
