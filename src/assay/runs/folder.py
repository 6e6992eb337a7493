"""RunFolder: the place of every file of one run; knows where things lie, not what they mean.

<root>/<name>-<id>/
  recipe.yaml   manifest.json   metrics.jsonl   run.lock (while a process writes)
  data/         checkpoints/    adapter/ or model/   tokenizer/
  evaluation.json   evaluation/items.jsonl   verdict.json   report.html   README.md
  tool-policy.yaml  scope.json + scope.safetensors   release.json   release.json.sig
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import CheckpointError
from assay.runs import metrics
from assay.runs.atomic import disk_full_named, read_json, write_json, write_text
from assay.runs.environment import capture_code, capture_environment
from assay.runs.ids import new_run_id, slug, split_folder_name
from assay.runs.lock import FolderLock, LockOwner, read_owner

MANIFEST_FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Make it with `create` or `open`; every path is a property."""

    path: Path

    @classmethod
    def create(
        cls,
        root: Path | str,
        name: str,
        recipe_text: str,
        *,
        recipe_folder: Path | None = None,
    ) -> RunFolder:
        """Make ``<root>/<name>-<id>`` with recipe.yaml and a manifest.json of code and machine.

        `recipe_folder` is where the user's recipe lies: its git revision goes into the manifest.

        Raises:
            ResourceError: the disk is full.
        """
        run_id = new_run_id()
        run = cls(Path(root) / f"{slug(name)}-{run_id}")
        with disk_full_named(run.path):
            run.path.mkdir(parents=True)
        write_text(run.recipe, recipe_text)
        started: dict[str, Any] = {
            "format": MANIFEST_FORMAT,
            "id": run_id,
            "name": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "code": capture_code(recipe_folder),
            "environment": capture_environment(),
        }
        write_json(run.manifest, started)
        return run

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Open a run that exists.

        Raises:
            CheckpointError: there is no folder, or it lacks recipe.yaml or manifest.json.
        """
        run = cls(Path(path))
        if not run.exists:
            raise CheckpointError(
                f"{path}: not a run folder (it lacks recipe.yaml or manifest.json)"
            )
        return run

    @property
    def exists(self) -> bool:
        """Whether a run lies here; a recipe's own folder has no manifest.json."""
        return self.recipe.is_file() and self.manifest.is_file()

    @property
    def id(self) -> str:
        """The id part of the folder's name, which sorts by time."""
        return split_folder_name(self.path.resolve().name)[1]

    @property
    def name(self) -> str:
        """The name part of the folder's name."""
        return split_folder_name(self.path.resolve().name)[0]

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def tokenizer(self) -> Path:
        """The base's tokenizer with the recipe's new tokens; not there where it adds none."""
        return self.path / "tokenizer"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def data_report(self) -> Path:
        return self.data / "report.json"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def items(self) -> Path:
        return self.path / "evaluation" / "items.jsonl"

    @property
    def probes(self) -> Path:
        """A summary and a file of readings of each probe."""
        return self.path / "evaluation" / "probes"

    @property
    def verdict(self) -> Path:
        return self.path / "verdict.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        return self.path / "README.md"

    @property
    def tool_policy(self) -> Path:
        """What the released model's tool calls may do."""
        return self.path / "tool-policy.yaml"

    @property
    def scope(self) -> Path:
        """What says whether a prompt is of the kind that the adapter was tuned on."""
        return self.path / "scope.json"

    @property
    def scope_tensors(self) -> Path:
        return self.path / "scope.safetensors"

    @property
    def release(self) -> Path:
        return self.path / "release.json"

    @property
    def signature(self) -> Path:
        return self.path / "release.json.sig"

    @property
    def lock_file(self) -> Path:
        return self.path / "run.lock"

    def lock(self) -> FolderLock:
        """Return the lock that a writer holds: ``with run.lock(): …``."""
        return FolderLock(self.lock_file, doing="writes this run")

    @property
    def writer(self) -> LockOwner | None:
        """The living process that writes this run, if one does."""
        owner = read_owner(self.lock_file)
        return owner if owner is not None and owner.alive else None

    def write_json(self, path: Path, value: Any) -> None:
        """Write JSON atomically; see `assay.runs.atomic.write_json`."""
        write_json(path, value)

    def read_json(self, path: Path) -> Any:
        """Read JSON; see `assay.runs.atomic.read_json`."""
        return read_json(path)

    def update_manifest(self, sections: Mapping[str, Any]) -> None:
        """Set top-level sections of manifest.json (base, data, template, …); keep the rest."""
        known = read_json(self.manifest) if self.manifest.exists() else {}
        write_json(self.manifest, {**known, **sections})

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl; see `assay.runs.metrics.append_line`."""
        metrics.append_line(self.metrics, values)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read metrics.jsonl; a torn last line is left out."""
        return metrics.read_lines(self.metrics)

    def read_items(self) -> list[dict[str, Any]]:
        """Read evaluation/items.jsonl: every item, output and score; skips a torn last line."""
        return metrics.read_lines(self.items)

    def drop_metrics_after(self, step: int) -> int:
        """Forget the metrics of steps later than `step`, before resuming from it."""
        return metrics.drop_after(self.metrics, step)
