"""The body of a job's creation, field by field, with OpenAI's bounds; it knows no recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import CoreSchema, core_schema

from assay.serve.metadata import Metadata

MAX_SEED = 2**31 - 1
AUTO = "auto"


@dataclass(frozen=True)
class AutoOr:
    """``"auto"`` or a number of a range, for pydantic; `above` leaves out the low end itself."""

    kind: Literal["integer", "number"]
    low: float
    high: float
    above: bool = False

    def check(self, value: Any) -> Any:
        """The value, a whole number as int."""
        if value is None or value == AUTO:
            return AUTO
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_kind = is_number and (self.kind == "number" or value == value // 1)
        is_high = is_kind and (self.low < value if self.above else self.low <= value)
        if not is_high or value > self.high:
            span = f"{'above' if self.above else 'from'} {self.low:g} to {self.high:g}"
            raise ValueError(f"{self.kind} {span}, or auto")
        return int(value) if self.kind == "integer" else float(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, core_schema.any_schema())

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: Any) -> dict[str, Any]:
        low = "exclusiveMinimum" if self.above else "minimum"
        number = {"type": self.kind, low: self.low, "maximum": self.high}
        return {"anyOf": [{"const": AUTO}, number, {"type": "null"}]}


Epochs = Annotated[Any, AutoOr("integer", 1, 50)]
BatchSize = Annotated[Any, AutoOr("integer", 1, 256)]
Multiplier = Annotated[Any, AutoOr("number", 0, 1e4, above=True)]
Beta = Annotated[Any, AutoOr("number", 0, 2, above=True)]
Compute = Annotated[Any, AutoOr("number", 1e-5, 10, above=True)]
Count = Annotated[Any, AutoOr("integer", 1, 100_000)]


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
