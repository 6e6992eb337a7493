"""The trainers of the side-by-side benchmark, their settings, and the environments they run in."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS, ENVIRONMENTS = HERE / "peers", HERE / ".envs"
TORCH = "torch==2.13.0"
EVERY_METHOD = ("lora", "qlora", "full")


@dataclass(frozen=True)
class Trainer:
    """A runner script, and the settings to measure it at.

    `environment` names a requirement file beside the script; None is this interpreter's own.
    `reorders`: settings that pack, so that a step holds other samples than ours; the tokens of
    all steps are the same. `bf16_settings` are measured in that precision instead of `settings`.
    `from_text`: it can be timed from a file of text to its first step.
    """

    name: str
    settings: tuple[str, ...]
    bf16_settings: tuple[str, ...] = ()
    environment: str | None = None
    reorders: tuple[str, ...] = ()
    methods: tuple[str, ...] = EVERY_METHOD
    from_text: bool = False

    @property
    def script(self) -> Path:
        return PEERS / f"{self.name}_run.py"

    def choose_settings(self, spec: dict[str, Any]) -> tuple[str, ...]:
        method, precision = spec["method"], spec["precision"]
        if method not in self.methods:
            return ()
        if spec["num_rows"]:
            return ("from-text",) if self.from_text else ()
        return self.bf16_settings if precision == "bf16" and self.bf16_settings else self.settings


TRAINERS = (
    Trainer("assay", ("default",), from_text=True),
    Trainer("transformers_peft", ("padded",)),
    Trainer(
        "trl",
        ("default", "padded", "padding-free", "packed"),
        ("default", "padded", "padding-free-autocast", "padding-free", "packed"),
        reorders=("packed", "packed-autocast"),
        from_text=True,
    ),
    Trainer(
        "llamafactory",
        ("padded", "neat-packed"),
        environment="llamafactory",
        reorders=("neat-packed",),
        from_text=True,
    ),
    Trainer("litgpt", ("padded",), environment="litgpt"),
    Trainer("torchtune", ("padded", "packed"), environment="torchtune", reorders=("packed",)),
    Trainer("unsloth", ("default",), environment="unsloth"),
    Trainer("axolotl", ("padded", "packed"), environment="axolotl", reorders=("packed",)),
)


class BuildError(RuntimeError):
    """An environment that could not be installed; the text is what the installer said last."""


def find_python(environment: str | None) -> Path:
    """The interpreter of an environment, which is built first if it is not there.

    PyTorch comes first, so that its own dependencies fit its build; then every other package at
    exactly the version of the requirement file, without asking what those packages ask for.

    Raises:
        BuildError: pip refused.
    """
    if environment is None:
        return Path(sys.executable)
    folder, requirements = ENVIRONMENTS / environment, PEERS / f"{environment}.txt"
    python = folder / "bin" / "python"
    stamp = folder / "built-from.txt"
    wanted = requirements.read_text("utf-8")
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return python
    print(f"building {folder} from {requirements.name}", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    own = [line for line in wanted.splitlines() if line.startswith("torch==")] or [TORCH]
    for arguments in ([*own], ["--no-deps", "--requirement", str(requirements)]):
        command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError("\n".join(done.stderr.strip().splitlines()[-3:]))
    stamp.write_text(wanted, "utf-8")
    return python
