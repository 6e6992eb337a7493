"""An adapter of unknown origin: what of its files may be loaded, and what they say of themselves.

Nothing in the folder is run or unpickled. Weights are read as safetensors, and by their names and
shapes alone until all of them are known to be sound.
"""

from __future__ import annotations

import json
import math
import pickletools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import ConfigError, Problem
from assay.models.adapters import tokenizer_files

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

WEIGHTS = "adapter_model.safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_CODE = (".py", ".pyc", ".so", ".dll", ".sh")
_MAX_NAMED = 5


@dataclass(frozen=True)
class AdapterFacts:
    """What an adapter's files say.

    Attributes:
        kind: PEFT's type, e.g. LORA.
        named_base: the base that its configuration names; "" where it names none.
        num_tensors, num_values: in its weights.
        norm: root of the summed squares of all values.
        template_unchanged: whether tokenizer and template beside it, if any, are the base's.
    """

    kind: str
    named_base: str
    num_tensors: int
    num_values: int
    norm: float
    template_unchanged: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect_adapter(folder: Path, base: BaseFiles) -> AdapterFacts:
    """Look into an adapter's folder before anything of it is loaded.

    Raises:
        ConfigError: every problem: no adapter, pickled files (with what they would import), code,
            a broken configuration, weights that are no safetensors or hold values that are not
            finite.
    """
    problems = list(_find_unsafe(folder))
    config, found = _read_config(folder)
    problems += found
    sums, found = _read_weights(folder / WEIGHTS)
    problems += found
    if problems:
        raise ConfigError(problems)
    names = {path.relative_to(folder) for path in tokenizer_files(folder)}
    same = all(
        (base.tokenizer_files / name).is_file()
        and (base.tokenizer_files / name).read_bytes() == (folder / name).read_bytes()
        for name in names
    )
    return AdapterFacts(
        kind=str(config.get("peft_type", "")),
        named_base=str(config.get("base_model_name_or_path") or ""),
        num_tensors=sums[0],
        num_values=sums[1],
        norm=math.sqrt(sums[2]),
        template_unchanged=same,
    )


def _find_unsafe(folder: Path) -> Iterator[Problem]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix in _PICKLES:
            named = ", ".join(list_imports(path)[:_MAX_NAMED])
            wants = f" that imports {named}" if named else ""
            yield Problem(
                got=f"a pickled file{wants}",
                allowed="safetensors alone",
                do="remove it, or ask for the weights as safetensors",
                file=str(path),
            )
        elif path.suffix in _CODE:
            yield Problem(
                got="code beside an adapter",
                allowed="weights, configuration and tokenizer",
                do="remove it; an adapter needs none",
                file=str(path),
            )


def list_imports(path: Path) -> list[str]:
    """The names that a pickle would import (``os.system``), read without running it.

    Of a zip archive, as PyTorch writes them, those of every pickle in it; else there are none.
    """
    import zipfile

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".pkl")]
            contents = [archive.read(name) for name in names]
    else:
        contents = [path.read_bytes()]
    return list(dict.fromkeys(name for content in contents for name in _imports(content)))


def _imports(content: bytes) -> Iterator[str]:
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
                yield ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings.append(argument)
    except (ValueError, IndexError, UnicodeDecodeError):
        return


def _read_config(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        do = "name the folder that PEFT wrote"
        return {}, [Problem(got="no readable adapter_config.json", do=do, file=str(path))]
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        return {}, [
            Problem(got="no peft_type", do="name the folder that PEFT wrote", file=str(path))
        ]
    if config.get("auto_mapping"):
        got = "auto_mapping, which loads a class by name"
        return {}, [Problem(got=got, do="remove it", file=str(path), key="auto_mapping")]
    return config, []


def _read_weights(path: Path) -> tuple[tuple[int, int, float], list[Problem]]:
    """How many tensors and values, and the summed squares; or what is wrong with them."""
    from safetensors import SafetensorError, safe_open

    num_tensors, num_values, squares = 0, 0, 0.0
    broken = []
    try:
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - no mapping: it has keys() alone
                value = weights.get_tensor(name).double()
                num_tensors, num_values = num_tensors + 1, num_values + value.numel()
                square = float((value * value).sum())
                squares += square
                if not math.isfinite(square):
                    broken.append(name)
    except (OSError, SafetensorError) as error:
        do = "ask for the weights as safetensors"
        return (0, 0, 0.0), [Problem(got=str(error) or "unreadable", do=do, file=str(path))]
    if broken:
        got = f"values that are not finite in {', '.join(broken[:_MAX_NAMED])}"
        return (0, 0, 0.0), [Problem(got=got, do="do not use these weights", file=str(path))]
    return (num_tensors, num_values, squares), []
