"""What a run ran on: versions, machine, revisions; imports no package to learn its version."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

import assay

PACKAGES = (
    "accelerate", "cryptography", "datasets", "jinja2", "numpy", "peft", "pyarrow", "pydantic",
    "safetensors", "tokenizers", "torch", "transformers", "trl", "vllm",
)  # fmt: skip
_GIT_TIMEOUT_S = 10.0


def capture_environment() -> dict[str, Any]:
    """Describe this machine: python, platform, cpu, memory in bytes, versions of ML packages.

    Packages that are not installed are left out. Accelerators are the caller's to add.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "num_cpus": _num_cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "packages": _versions(),
    }


def capture_code(recipe_folder: Path | None = None) -> dict[str, Any]:
    """Describe the code: Assay's version, its git revision if it runs from one, the recipe's."""
    source = Path(assay.__file__).parent
    tracked = _git(source, "ls-files", "--error-unmatch", "__init__.py") is not None
    return {
        "version": assay.__version__,
        "revision": git_revision(source) if tracked else None,
        "recipe_revision": git_revision(recipe_folder) if recipe_folder else None,
    }


def git_revision(folder: Path) -> str | None:
    """Return the commit of the git work tree around `folder`, with ``+changes`` when it is dirty.

    None when there is no work tree, no commit or no git.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return f"{commit}+changes" if changes else commit


def _git(folder: Path, *arguments: str) -> str | None:
    # A recipe's folder may come from elsewhere: its git config must not start a program of its own.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _num_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
