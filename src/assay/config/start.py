"""The adapters that a recipe goes on from, by their own configurations; it loads no weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.config.sections.method import AdapterConfig, PeftConfig, StartFrom

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"


@dataclass(frozen=True)
class Fault:
    """What is wrong with the start: the key that it shows in, what was got, allowed, and to do."""

    key: str
    got: str
    allowed: str
    do: str


def list_start(start_from: StartFrom) -> dict[str, float]:
    """The folders to start from, each with its weight."""
    if isinstance(start_from, str):
        return {start_from: 1.0}
    return (
        dict(start_from) if isinstance(start_from, dict) else dict.fromkeys(start_from or [], 1.0)
    )


def goes_on(start_from: StartFrom) -> bool:
    """Whether one adapter is trained on as it is, rather than several summed into a fresh one."""
    return list(list_start(start_from).values()) == [1.0]


def locate_start(name: str, base_dir: Path) -> Path:
    """The folder that `name` in a recipe stands for."""
    return base_dir / os.path.expanduser(name)


def read_start(start_from: StartFrom, base_dir: Path) -> list[dict[str, Any]]:
    """PEFT's configuration of each adapter, in order; of those that can be read."""
    found = (_read_config(locate_start(name, base_dir)) for name in list_start(start_from))
    return [config for config in found if config is not None]


def describe_start(method: AdapterConfig, configs: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of `method` that its start decides, by name: all of one adapter, or a rank
    that holds the sum of several."""
    if not configs:
        return {}
    if goes_on(method.start_from):
        config = configs[0]
        found = {
            "rank": config.get("r"),
            "alpha": config.get("lora_alpha"),
            "dropout": config.get("lora_dropout", 0.0),
            "target_modules": _list_targets(config),
        }
        return {name: value for name, value in found.items() if value is not None}
    targets = [_list_targets(config) for config in configs]
    decided: dict[str, Any] = {"rank": sum(int(config.get("r", 0)) for config in configs)}
    if all(targets):
        decided["target_modules"] = sorted({name for each in targets for name in each or []})
    return decided


def count_virtual_tokens(method: Any, base_dir: Path) -> int:
    """Tokens that `method` puts before each sequence; 0 for most methods."""
    if not isinstance(method, PeftConfig):
        return 0
    configs = [method.config]
    if method.start_from is not None:
        configs += read_start(method.start_from, base_dir)
    counts = [config.get("num_virtual_tokens") for config in configs]
    return max((count for count in counts if isinstance(count, int)), default=0)


def find_start_faults(method: Any, base_dir: Path) -> Iterator[Fault]:
    """Everything that keeps `method` from starting where it says; nothing where it starts fresh."""
    if not isinstance(method, (AdapterConfig, PeftConfig)) or method.start_from is None:
        return
    start = list_start(method.start_from)
    if (isinstance(method.start_from, list) and len(start) < len(method.start_from)) or not start:
        allowed = "each adapter once, at least one"
        yield Fault("start_from", "no adapter, or the same one twice", allowed, "give it a weight")
    missing = [fault for name in start if (fault := _find_missing(name, base_dir))]
    yield from missing
    configs = read_start(method.start_from, base_dir)
    if missing or not start:
        return
    for name, config in zip(start, configs, strict=True):
        yield from _check_kind(method, name, config)
    if isinstance(method, PeftConfig):
        yield from _compare_config(method, configs[0])
    elif goes_on(method.start_from):
        yield from _compare_settings(method, configs[0])
    else:
        yield from _check_sum(method, configs)


def _find_missing(name: str, base_dir: Path) -> Fault | None:
    folder = locate_start(name, base_dir)
    lacking = [file for file in (CONFIG_NAME, WEIGHTS_NAME) if not (folder / file).is_file()]
    if not lacking and _read_config(folder) is not None:
        return None
    inside = folder / "adapter" / CONFIG_NAME
    do = f"write {name.rstrip('/')}/adapter" if inside.is_file() else "correct the path"
    got = f"{name!r}, without a readable {' and '.join(lacking or [CONFIG_NAME])}"
    return Fault("start_from", got, "a folder of an adapter in PEFT's layout", do)


def _check_kind(
    method: AdapterConfig | PeftConfig, name: str, config: dict[str, Any]
) -> Iterator[Fault]:
    kind = str(config.get("peft_type"))
    if isinstance(method, AdapterConfig) and kind != "LORA":
        got = f"{name!r}, an adapter of type {kind}"
        do = f"set method to {{type: peft, config: {{peft_type: {kind}}}, start_from: {name}}}"
        yield Fault("start_from", got, "adapters of type LORA", do)
    if isinstance(method, AdapterConfig) and not goes_on(method.start_from):
        extras = ("use_dora", "modules_to_save", "trainable_token_indices", "target_parameters")
        for extra in (extra for extra in extras if config.get(extra)):
            got = f"{name!r}, which has {extra}"
            allowed = "plain low-rank adapters, where several are summed or one is weighted"
            yield Fault("start_from", got, allowed, "go on from it alone")


def _compare_settings(method: AdapterConfig, config: dict[str, Any]) -> Iterator[Fault]:
    """The adapter keeps its own settings: those that the recipe gives must be the same."""
    own = describe_start(method, [config])
    for name in ("rank", "alpha", "dropout", "target_modules"):
        given, has = getattr(method, name), own.get(name)
        if name not in method.model_fields_set or given is None or _is_same(given, has):
            continue
        got, do = f"{given}, where the adapter has {has}", "remove it: the adapter keeps its own"
        yield Fault(name, got, f"{has}, as the adapter has it", do)
    has_flavours = {"rslora": config.get("use_rslora"), "dora": config.get("use_dora")}
    own_flavours = {name for name, has in has_flavours.items() if has}
    if method.all_flavours - {"lora_plus", "pissa"} != own_flavours:
        flavours = ", ".join(sorted(own_flavours)) or "none of rslora, dora and pissa"
        got = f"flavours other than the adapter's ({flavours})"
        key = "flavours" if method.flavours else "type"
        yield Fault(key, got, flavours, "name the adapter's own in method.type or method.flavours")


def _check_sum(method: AdapterConfig, configs: list[dict[str, Any]]) -> Iterator[Fault]:
    """Several adapters are summed exactly into one that has room for them."""
    needed = int(describe_start(method, configs)["rank"])
    if "rank" in method.model_fields_set and method.rank < needed:
        got, allowed = f"{method.rank}, too little for the sum", f"at least {needed}"
        yield Fault("rank", got, allowed, "raise or remove it")
    for name in sorted(method.all_flavours & {"dora", "pissa"}):
        got = f"{name} where several adapters are summed"
        key = "flavours" if name in method.flavours else "type"
        yield Fault(key, got, "rslora and lora_plus", "remove it")


def _compare_config(method: PeftConfig, config: Mapping[str, Any]) -> Iterator[Fault]:
    if not goes_on(method.start_from):
        got, do = "several adapters, or one with a weight", "name one folder"
        yield Fault("start_from", got, "one adapter with method peft", do)
    for name, given in method.config.items():
        if not _is_same(given, config.get(name)):
            got = f"{name}: {given}, where the adapter has {config.get(name)}"
            yield Fault("config", got, "the adapter's own values", f"remove {name}")


def _is_same(given: Any, has: Any) -> bool:
    if isinstance(given, list) and isinstance(has, list):
        return sorted(map(str, given)) == sorted(map(str, has))
    return bool(given == has) or (given == "all-linear" and has is None)


def _list_targets(config: Mapping[str, Any]) -> list[str] | None:
    """The names of the adapter's layers; None where it has a pattern for them."""
    targets = config.get("target_modules")
    return sorted(map(str, targets)) if isinstance(targets, list) else None


def _read_config(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
