"""Any method of PEFT through PEFT's own configuration class; it knows none by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from assay.errors import ConfigError, Problem
from assay.models.adapters import set_base_name, without_notices
from assay.models.forward import is_packable
from assay.models.methods.virtual_tokens import (
    STATE_TYPES,
    put_in_virtual_tokens,
    take_out_virtual_tokens,
)
from assay.models.quantize import import_bitsandbytes

_OURS = frozenset(
    {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision"}
)
"""What PEFT's configurations have that is not the user's to set here."""


def add_peft(model: Any, settings: Mapping[str, Any], *, base_name: str | None = None) -> Any:
    """`model` wrapped by the PEFT method of ``settings["peft_type"]``, its weights in float32.

    Raises:
        ConfigError: see `build_peft_config`; or the method does not fit this base, in PEFT's words.
    """
    config = build_peft_config(settings)
    if settings["peft_type"] in STATE_TYPES and not is_packable(model):
        error = ValueError("keys and values, which layers that carry state have not")
        raise _refuse(settings, error)
    from peft import get_peft_model

    try:
        with without_notices():
            peft_model = get_peft_model(model, config, autocast_adapter_dtype=True)
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        raise _refuse(settings, error) from error
    return put_in_virtual_tokens(set_base_name(peft_model, base_name))


def remove_peft(peft_model: Any) -> None:
    """Leave the base that `add_peft` wrapped as it was before."""
    if peft_model.active_peft_config.is_prompt_learning:
        take_out_virtual_tokens(peft_model.get_base_model())
    else:
        peft_model.unload()


def build_peft_config(settings: Mapping[str, Any]) -> Any:
    """PEFT's configuration object of `settings`.

    Raises:
        ConfigError: a method or keys that PEFT does not know, all of them; or what PEFT says.
    """
    import_bitsandbytes()
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    classes = {kind.value: config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    kind = str(settings.get("peft_type"))
    if kind not in classes:
        raise ConfigError(_describe_unknown("peft_type", kind, list(classes)))
    names = [
        field.name for field in fields(classes[kind]) if field.init and field.name not in _OURS
    ]
    unknown = [name for name in settings if name not in names]
    if unknown:
        raise ConfigError([_describe_unknown(name, name, names) for name in unknown])
    given = {name: value for name, value in settings.items() if name != "peft_type"}
    try:
        return classes[kind](**(given | {"task_type": "CAUSAL_LM"}))
    except (ImportError, TypeError, ValueError) as error:
        raise _refuse(settings, error) from error


def _describe_unknown(name: str, got: str, known: list[str]) -> Problem:
    near = get_close_matches(got, known, n=1) or get_close_matches(got.upper(), known, n=1)
    return Problem(
        key=f"method.config.{name}",
        got=repr(got),
        allowed=", ".join(known),
        do=f"write {near[0]}" if near else "change or remove it",
    )


def _refuse(settings: Mapping[str, Any], error: Exception) -> ConfigError:
    return ConfigError(
        Problem(
            key="method.config",
            got=f"{settings['peft_type']} ({str(error).strip().splitlines()[0]})",
            allowed="a configuration that fits this base",
            do="change what PEFT names here",
        )
    )
