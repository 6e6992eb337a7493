"""LoRA adapters by way of PEFT: added to a model, saved, loaded again, merged into the base."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, Problem
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

    `flavours` are of rslora (Kalajdzievski 2023) and dora (Liu et al. 2024).

    Returns the PEFT model; the wrapped causal model, in which the adapters now live, is its
    ``get_base_model()``. `base_name` is written into the adapter's configuration.

    Raises:
        ConfigError: names in `target_modules` that match no linear layer, all of them.
    """
    import_bitsandbytes()
    from peft import LoraConfig, get_peft_model

    check_targets(model, target_modules)
    targets = target_modules if isinstance(target_modules, str) else list(target_modules)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets,
        use_rslora="rslora" in flavours,
        use_dora="dora" in flavours,
        task_type="CAUSAL_LM",
    )
    try:
        with _without_notices():
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
    if base_name:
        for name in peft_model.peft_config:
            peft_model.peft_config[name].base_model_name_or_path = base_name
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
def _without_notices() -> Iterator[None]:
    """Hide that PEFT still reads a name which Transformers has deprecated: not the user's doing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def save_adapter(peft_model: Any, folder: Path, *, tokenizer_folder: Path) -> None:
    """Write the adapter in PEFT's layout with the base's tokenizer and template beside it."""
    # The automatic check for resized embeddings would look the base up on the Hub.
    peft_model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    copy_tokenizer(tokenizer_folder, folder)


def load_adapter(model: Any, folder: Path) -> Any:
    """`model` with the adapter of `folder`, in evaluation mode; returns the PEFT model."""
    import_bitsandbytes()
    from peft import PeftModel

    with _without_notices():
        return PeftModel.from_pretrained(model, folder).eval()


def merge_adapter(peft_model: Any) -> Any:
    """The base with the adapter's update added to its weights; `peft_model` is used up."""
    return peft_model.merge_and_unload()


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
