"""Which models may be asked: the base under its names, and what was tuned from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.serve.errors import ApiError, not_found
from assay.serve.inference.inference import ServedModel


@dataclass(frozen=True)
class BaseCatalog:
    """One base; `names` are those under which it answers, its own first."""

    names: Sequence[str]
    created: int

    def open(self, name: str, project: str) -> ServedModel:
        """See `Catalog`; an answer bears the name that was asked for."""
        if name not in self.names:
            raise not_found("model", name, param="model", code="model_not_found")
        return ServedModel(name, self.created, "assay")

    def list_models(self, project: str) -> list[ServedModel]:
        """See `Catalog`."""
        return [ServedModel(name, self.created, "assay") for name in self.names]

    def delete(self, name: str, project: str) -> None:
        """See `Catalog`; the base stays."""
        self.open(name, project)
        raise ApiError(403, f"{name} is a base and stays.", code="model_not_deletable")
