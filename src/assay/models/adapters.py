"""LoRA adapters by way of PEFT: added to a model, saved, loaded again, merged into the base."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, Problem
from assay.models.methods.pissa import start_at_singular_values
from assay.models.methods.targets import check_rank, check_targets, choose_targets
from assay.models.methods.token_rows import train_token_rows
from assay.models.methods.virtual_tokens import put_in_virtual_tokens
from assay.models.quantize import import_bitsandbytes
from assay.models.score_head import SCORE, has_score_head

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
    new_token_ids: Sequence[int] = (),
    base_name: str | None = None,
) -> Any:
    """Wrap `model` with fresh LoRA adapters in float32 and freeze the rest (Hu et al. 2021).

    `flavours` are of rslora (Kalajdzievski 2023), dora (Liu et al. 2024) and pissa (Meng et al.
    2024), whose adapter has twice the rank, half of it trained (`assay.models.methods.pissa`).

    The rows of `new_token_ids` in embedding and head are trained beside the adapters. A score head
    (`assay.models.score_head`) is trained whole, and the adapter is one of a classifier.

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
    targets = choose_targets(model, target_modules, flavours=flavours, dropout=dropout)
    rows = 2 * rank if is_pissa else rank
    is_scored = has_score_head(model)
    config = LoraConfig(
        r=rows,
        # The scale is that of `rank`: alpha / rank, or alpha / the root of the rank.
        lora_alpha=alpha * ((rows / rank) ** (0.5 if "rslora" in flavours else 1)),
        lora_dropout=dropout,
        target_modules=targets.modules,
        target_parameters=targets.parameters,
        use_rslora="rslora" in flavours,
        use_dora="dora" in flavours,
        trainable_token_indices=train_token_rows(model, new_token_ids),
        exclude_modules=[SCORE] if is_scored else None,
        modules_to_save=[SCORE] if is_scored else None,
        task_type="SEQ_CLS" if is_scored else "CAUSAL_LM",
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
        start_at_singular_values(peft_model, rank)
    return set_base_name(peft_model, base_name)


def set_base_name(peft_model: Any, base_name: str | None) -> Any:
    """`peft_model`, whose configuration now names its base."""
    for config in peft_model.peft_config.values() if base_name else ():
        config.base_model_name_or_path = base_name
    return peft_model


@contextmanager
def without_notices() -> Iterator[None]:
    """Hide what PEFT says of names that Transformers has deprecated, and of what it sets itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
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

    with without_notices():
        return put_in_virtual_tokens(PeftModel.from_pretrained(model, folder).eval())


def merge_adapter(peft_model: Any) -> Any:
    """The base with the adapter's update added to its weights; `peft_model` is used up.

    Raises:
        ConfigError: the method's update is not one of weights, so that it cannot be merged.
    """
    kind = peft_model.active_peft_config.peft_type
    name = getattr(kind, "value", kind)
    if peft_model.active_peft_config.is_prompt_learning:
        raise ConfigError(f"{name} cannot be merged (virtual tokens are not part of any weight)")
    try:
        return peft_model.merge_and_unload()
    except (AttributeError, NotImplementedError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{name} cannot be merged ({reason})") from error


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
