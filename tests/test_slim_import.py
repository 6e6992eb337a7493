"""The command and the recipe load no ML package: what a typo costs is not seconds of imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import assay

RECIPE = Path(__file__).parents[1] / "examples" / "support" / "recipe.yaml"
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "datasets",
    "pyarrow",
    "numpy",
    "tokenizers",
    "fsspec",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
)


def list_heavy_modules(code: str) -> str:
    """Run `code` in a fresh interpreter; the heavy packages that it loaded, by name."""
    report = (
        f"import sys; print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        env={**os.environ, "PYTHONPATH": str(Path(assay.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return finished.stderr.strip()


@pytest.mark.parametrize(
    "code",
    [
        "import assay",
        "import assay.config",
        "from assay.cli import main; assert main(['--help']) == 0",
        "from assay.cli import main; assert main(['config', 'schema']) == 0",
        "from assay.cli import main; assert main(['config', 'explain', 'train']) == 0",
        "from assay.cli import main; assert main(['init', '--help']) == 0",
        f"from assay.cli import main; assert main(['run', {str(RECIPE)!r}, '--dry-run']) == 0",
    ],
)
def test_loads_no_heavy_package(code: str) -> None:
    assert list_heavy_modules(code) == "[]"


def test_help_loads_neither_the_recipe_schema_nor_rich() -> None:
    code = (
        "from assay.cli import main; main(['--help']); import sys; "
        "assert not {'pydantic', 'ruamel.yaml', 'rich'} & set(sys.modules)"
    )
    assert list_heavy_modules(code) == "[]"
