"""The body of a job's creation, field by field, with OpenAI's bounds; it knows no recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from assay.serve.metadata import Metadata

MAX_SEED = 2**31 - 1
AUTO = "auto"


def _auto_or(kind: str, *, low: float, high: float, above: bool = False) -> Callable[[Any], Any]:
    """``"auto"`` or a number of a range; `above` leaves out the low end itself."""
    whole = kind == "integer"
    span = f"{'above' if above else 'from'} {low:g} to {high:g}"

    def check(value: Any) -> Any:
        if value is None or value == AUTO:
            return AUTO
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_kind = is_number and (not whole or float(value).is_integer())
        if not is_kind or not (low < value if above else low <= value) or value > high:
            raise ValueError(f"{kind} {span}, or auto")
        return int(value) if whole else float(value)

    return check


Epochs = Annotated[Any, AfterValidator(_auto_or("integer", low=1, high=50))]
BatchSize = Annotated[Any, AfterValidator(_auto_or("integer", low=1, high=256))]
Multiplier = Annotated[Any, AfterValidator(_auto_or("number", low=0, high=1e4, above=True))]
Beta = Annotated[Any, AfterValidator(_auto_or("number", low=0, high=2, above=True))]
Compute = Annotated[Any, AfterValidator(_auto_or("number", low=1e-5, high=10, above=True))]
Count = Annotated[Any, AfterValidator(_auto_or("integer", low=1, high=100_000))]


class Closed(BaseModel):
    """A body that takes no key that it does not know."""

    model_config = ConfigDict(extra="forbid")


class Hyperparameters(Closed):
    n_epochs: Epochs = AUTO
    batch_size: BatchSize = AUTO
    learning_rate_multiplier: Multiplier = AUTO


class DpoHyperparameters(Hyperparameters):
    beta: Beta = AUTO


class ReinforcementHyperparameters(Hyperparameters):
    compute_multiplier: Compute = AUTO
    eval_interval: Count = AUTO
    eval_samples: Count = AUTO
    reasoning_effort: Literal["default", "low", "medium", "high"] = "default"


class Supervised(Closed):
    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)


class Dpo(Closed):
    hyperparameters: DpoHyperparameters = Field(default_factory=DpoHyperparameters)


class Reinforcement(Closed):
    grader: dict[str, Any]
    hyperparameters: ReinforcementHyperparameters = Field(
        default_factory=ReinforcementHyperparameters
    )


class Method(Closed):
    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None

    @model_validator(mode="after")
    def _check_block(self) -> Method:
        others = {"supervised", "dpo", "reinforcement"} - {self.type}
        given = [name for name in sorted(others) if getattr(self, name) is not None]
        if given:
            raise ValueError(f"{given[0]} beside type {self.type}")
        if self.type == "reinforcement" and self.reinforcement is None:
            raise ValueError("reinforcement needs a block of that name, with a grader")
        return self

    @property
    def hyperparameters(self) -> Hyperparameters:
        block = getattr(self, self.type)
        default = DpoHyperparameters() if self.type == "dpo" else Hyperparameters()
        return block.hyperparameters if block is not None else default


class Wandb(Closed):
    project: str = Field(min_length=1, max_length=128)
    entity: str | None = None
    name: str | None = None
    tags: list[str] | None = None


class Integration(Closed):
    type: Literal["wandb"]
    wandb: Wandb


Setting = str | dict[str, Any]


class Extensions(Closed):
    """Ours: blocks of a recipe, as far as a client may set them (see `extensions`)."""

    method: Setting | None = None
    objective: dict[str, Any] | None = None
    train: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    defend: Setting | None = None
    evaluate: dict[str, Any] | None = None
    gates: Setting | None = None
    parent: str | None = None
    priority: int = Field(default=0, ge=-100, le=100)


class CreateJob(Closed):
    """What `fine_tuning.jobs.create` sends."""

    model: str = Field(min_length=1, max_length=400)
    training_file: str = Field(min_length=1, max_length=200)
    validation_file: str | None = Field(default=None, max_length=200)
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    suffix: str | None = Field(default=None, max_length=64)
    metadata: Metadata = None
    integrations: list[Integration] | None = Field(default=None, max_length=5)
    x_assay: Extensions | None = None

    @property
    def kind(self) -> str:
        return self.method.type if self.method else "supervised"
