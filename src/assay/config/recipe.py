"""The whole recipe: every section in its place; only `pipeline` and `cli` may read all of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from assay.config.sections.base import BaseConfig
from assay.config.sections.data import DataConfig
from assay.config.sections.defend import DefendConfig
from assay.config.sections.evaluate import EvaluateConfig
from assay.config.sections.gates import POLICIES, GatesConfig
from assay.config.sections.launch import LaunchConfig
from assay.config.sections.method import LoraConfig, Method
from assay.config.sections.objective import Objective, SftConfig
from assay.config.sections.train import TrainConfig
from assay.config.setting import REQUIRED, Section, setting
from assay.config.shorthand import expand_block, expand_list

Base = Annotated[
    BaseConfig, BeforeValidator(expand_block("base"), json_schema_input_type=str | BaseConfig)
]
Gates = Annotated[
    GatesConfig, BeforeValidator(expand_block("gates"), json_schema_input_type=str | GatesConfig)
]
Defend = Annotated[
    DefendConfig,
    BeforeValidator(
        expand_block("defend"), json_schema_input_type=Literal["off", "auto"] | DefendConfig
    ),
]
Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]
Trackers = Annotated[
    list[Tracker], BeforeValidator(expand_list, json_schema_input_type=Tracker | list[Tracker])
]


class Recipe(Section):
    """One fine-tuning job: everything that decides its result."""

    base: Base = setting(REQUIRED, "The model to start from.", example="base: tiny")
    data: DataConfig = setting(
        REQUIRED, "What is learned from.", example="data: {train: train.jsonl}"
    )
    method: Method = setting(None, "How the weights are changed.", factory=LoraConfig)
    objective: Objective = setting(None, "What is learned from a row.", factory=SftConfig)
    train: TrainConfig = setting(None, "How the weights are trained.", factory=TrainConfig)
    defend: Defend = setting(
        None, "What keeps what the base does well: off, auto, or a block.", factory=DefendConfig
    )
    launch: LaunchConfig = setting(None, "Where the weights are trained.", factory=LaunchConfig)
    sweep: dict[str, list[Any]] = setting(
        None,
        "For `assay sweep`: keys, short or dotted, each with the values to try; every combination "
        "is trained on one base and on the same rows (seed is of order and initialisation here), "
        "and the best validation loss is chosen.",
        allowed="a map of keys to lists of values",
        reason="one run, with the values above",
        factory=dict,
    )
    evaluate: EvaluateConfig = setting(None, "What is measured.", factory=EvaluateConfig)
    gates: Gates = setting(
        None,
        f"What must be passed: {', '.join(POLICIES)}, a policy file, or a block.",
        factory=GatesConfig,
    )
    trackers: Trackers = setting(
        None,
        "Where metrics are also sent; each service's own environment variables are honoured.",
        reason="off: nothing leaves this machine unless asked",
        factory=list,
    )
    name: str | None = setting(
        None,
        "Name of the run, and start of its folder's name: letters, digits, `.`, `_` and `-`.",
        reason="the recipe's file or folder name",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    )
    output: str = setting(
        "runs",
        "Folder under which run folders are made, from the current folder.",
        reason="one place for all runs",
        min_length=1,
    )
    seed: int = setting(
        0,
        "Seed of everything random: split, order, initialisation, dropout, sampling.",
        reason="any fixed number makes the run repeatable",
        ge=0,
        le=2**32 - 1,
    )
