"""The recipe: its schema, how it is read, checked, written and explained; it knows no model.

`load` is the way in; each section is a frozen block that its component is given alone.
"""

from __future__ import annotations

from assay.config.dump import dump, render_dry_run
from assay.config.explain import describe_keys, explain, json_schema
from assay.config.keys import leaf_keys
from assay.config.load import Loaded, load
from assay.config.recipe import Recipe
from assay.config.sections.base import BaseConfig
from assay.config.sections.data import DataConfig, SourceConfig
from assay.config.sections.evaluate import EvaluateConfig, SuiteConfig
from assay.config.sections.gates import GatesConfig
from assay.config.sections.method import FullConfig, LoraConfig
from assay.config.sections.objective import SftConfig
from assay.config.sections.train import TrainConfig

__all__ = [
    "BaseConfig",
    "DataConfig",
    "EvaluateConfig",
    "FullConfig",
    "GatesConfig",
    "Loaded",
    "LoraConfig",
    "Recipe",
    "SftConfig",
    "SourceConfig",
    "SuiteConfig",
    "TrainConfig",
    "describe_keys",
    "dump",
    "explain",
    "json_schema",
    "leaf_keys",
    "load",
    "render_dry_run",
]
