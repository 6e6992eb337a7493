"""LoRA adapters by way of PEFT: added to a model, saved, loaded again, merged into the base."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, Problem
from assay.models.methods.pissa import has_start, remember_start, save_difference
from assay.models.quantize import import_bitsandbytes

TOKENIZER_FILES = (
    *("tokenizer*", "*.model", "vocab*", "merges*", "special_*", "chat_template*"),
    *("chat_templates/*.jinja", "additional_chat_templates/*.jinja"),
)


def add_lora(
    model: Any,
    *,
    rank: int,
    alpha: float,
    dropout: float = 0.0,
    target_modules: str | Sequence[str] = "all-linear",
    flavours: Collection[str] = (),
    base_name: str | None = None,
) -> Any:
    """Wrap `model` with fresh LoRA adapters in float32 and freeze the rest (Hu et al. 2021).

    `flavours` are of rslora (Kalajdzievski 2023), dora (Liu et al. 2024) and pissa (Meng et al.
    2024), which rewrites the base: `save_adapter` saves what fits the original.

    Returns the PEFT model; the wrapped causal model, in which the adapters now live, is its
    ``get_base_model()``. `base_name` is written into the adapter's configuration.

    Raises:
        ConfigError: names in `target_modules` that match no linear layer, all of them.
    """
    import_bitsandbytes()
    from peft import LoraConfig, get_peft_model

    check_targets(model, target_modules)
    is_pissa = "pissa" in flavours
    if is_pissa:
        check_rank(model, target_modules, rank)
    targets = target_modules if isinstance(target_modules, str) else list(target_modules)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets,
        use_rslora="rslora" in flavours,
        use_dora="dora" in flavours,
        init_lora_weights="pissa" if is_pissa else True,
        task_type="CAUSAL_LM",
    )
    try:
        with without_notices():
            peft_model = get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        raise ConfigError(
            Problem(
                key="method.target_modules",
                got=f"{target_modules} ({str(error).splitlines()[0]})",
                allowed="all-linear, or names of linear layers of this base",
                do="name layers as in model.named_modules(), e.g. q_proj",
            )
        ) from error
    if is_pissa:
        remember_start(peft_model)
    return set_base_name(peft_model, base_name)


def set_base_name(peft_model: Any, base_name: str | None) -> Any:
    """`peft_model`, whose configuration now names its base."""
    for config in peft_model.peft_config.values() if base_name else ():
        config.base_model_name_or_path = base_name
    return peft_model


def check_targets(model: Any, target_modules: str | Sequence[str]) -> None:
    """Whether each name is the end of the name of a linear layer of `model`, its head apart.

    Raises:
        ConfigError: the names that are not, all of them, each with the nearest that is.
    """
    if isinstance(target_modules, str):
        return
    names = _list_linear_names(model)
    endings = list(dict.fromkeys(name.rsplit(".", 1)[-1] for name in names))
    problems = []
    for target in target_modules:
        if any(f".{name}".endswith(f".{target}") for name in names):
            continue
        near = get_close_matches(target, [*endings, *names], n=1, cutoff=0.5)
        problems.append(
            Problem(
                key="method.target_modules",
                got=f"{target!r}, which matches no linear layer of this base",
                allowed=f"all-linear, or ends of names such as {', '.join(endings[:12])}",
                do=f"write {near[0]}" if near else "remove it, or write one of these",
            )
        )
    if problems:
        raise ConfigError(problems)


def check_rank(model: Any, target_modules: str | Sequence[str], rank: int) -> None:
    """Whether each adapted layer has `rank` singular values, which PiSSA begins with.

    Raises:
        ConfigError: the smallest layer has fewer.
    """
    wanted = None if isinstance(target_modules, str) else target_modules
    names = [
        name
        for name in _list_linear_names(model)
        if wanted is None or any(f".{name}".endswith(f".{target}") for target in wanted)
    ]
    smallest = min(names, key=lambda name: min(model.get_submodule(name).weight.shape))
    num_values = min(model.get_submodule(smallest).weight.shape)
    if rank > num_values:
        raise ConfigError(
            Problem(
                key="method.rank",
                got=f"{rank} with pissa, where {smallest} has {num_values} singular values",
                allowed=f"at most {num_values}",
                do="lower it, or leave that layer out of method.target_modules",
            )
        )


def _list_linear_names(model: Any) -> list[str]:
    """Names of the linear layers but for the output head, which the loss reads as it is."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, Linear | Conv1D) and module is not head
    ]


@contextmanager
def without_notices() -> Iterator[None]:
    """Hide what PEFT says of names that Transformers has deprecated, and of what it sets itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
        yield


def save_adapter(peft_model: Any, folder: Path, *, tokenizer_folder: Path) -> None:
    """Write the adapter in PEFT's layout with the base's tokenizer and template beside it."""
    if has_start(peft_model):
        save_difference(peft_model, folder)
    else:
        # The automatic check for resized embeddings would look the base up on the Hub.
        peft_model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    copy_tokenizer(tokenizer_folder, folder)


def load_adapter(model: Any, folder: Path) -> Any:
    """`model` with the adapter of `folder`, in evaluation mode; returns the PEFT model."""
    import_bitsandbytes()
    from peft import PeftModel

    with without_notices():
        return PeftModel.from_pretrained(model, folder).eval()


def merge_adapter(peft_model: Any) -> Any:
    """The base with the adapter's update added to its weights; `peft_model` is used up.

    Raises:
        ConfigError: the method's update is not one of weights, so that it cannot be merged.
    """
    try:
        return peft_model.merge_and_unload()
    except (AttributeError, NotImplementedError, ValueError) as error:
        kind = next(iter(peft_model.peft_config.values())).peft_type
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{getattr(kind, 'value', kind)} cannot be merged ({reason})") from error


def save_model(model: Any, folder: Path, *, tokenizer_folder: Path) -> None:
    """Write a whole model in Transformers' layout with the base's tokenizer and template."""
    model.save_pretrained(folder)
    copy_tokenizer(tokenizer_folder, folder)


def tokenizer_files(folder: Path) -> list[Path]:
    """Every file of a base's tokenizer and of its chat templates, which may be several."""
    return sorted(p for name in TOKENIZER_FILES for p in folder.glob(name) if p.is_file())


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy tokenizer files and chat template byte for byte, and make every file readable.

    Transformers writes safetensors with mode 0600 while their neighbours are 0644.
    """
    import shutil

    for path in tokenizer_files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for path in target.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
