"""The Python lines of a card that load a run's model, run from its folder; loads nothing itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

from assay.release.report.source import ReportSource
from assay.runs.values import dig, text

_GROW = """\
if len(tokenizer) > len(base.get_input_embeddings().weight):
    base.resize_token_embeddings(len(tokenizer))"""


def render_usage(source: ReportSource) -> str:
    """Lines that leave `model` and `tokenizer`, with plain Transformers and PEFT."""
    imports = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
    if not source.is_adapter:
        folder, lines = "model", [_load("model", '"model"', _trust(source))]
    else:
        imports = ["from peft import PeftModel", *imports]
        quantized = _quantization(source)
        if quantized:
            imports.append("from transformers import BitsAndBytesConfig")
        if source.base == "tiny":
            imports.append("from assay.models.base import tiny_folder")
        name, options = _base(source)
        folder, lines = "adapter", [_load("base", name, [*options, *quantized])]
    tokenizer = f'tokenizer = AutoTokenizer.from_pretrained("{folder}")'
    if source.is_adapter:
        if dig(source.recipe, "base", "new_tokens"):
            lines += [tokenizer, _GROW]
        lines.append('model = PeftModel.from_pretrained(base, "adapter")')
    lines += [] if tokenizer in lines else [tokenizer]
    return "\n".join([*imports, "", *lines])


def _load(name: str, what: str, options: list[str]) -> str:
    arguments = ", ".join([what, *options])
    return f"{name} = AutoModelForCausalLM.from_pretrained({arguments})"


def _base(source: ReportSource) -> tuple[str, list[str]]:
    """The embedded base, a folder (looked for from the recipe's) or a Hub id, and its options."""
    if source.base == "tiny":
        return "tiny_folder()", []
    folder = Path(text(source.manifest.get("recipe_folder")), os.path.expanduser(source.base))
    if source.base and folder.is_dir():
        return json.dumps(str(folder)), _trust(source)
    revision = text(dig(source.manifest, "base", "revision"))
    options = [f"revision={json.dumps(revision)}"] if revision else []
    return json.dumps(source.base or "BASE"), [*options, *_trust(source)]


def _quantization(source: ReportSource) -> list[str]:
    """For qlora: its adapter was tuned and measured on a base in few bits."""
    kind = dig(source.recipe, "method", "quantization")
    if not kind:
        return []
    if kind == "int8":
        return ["quantization_config=BitsAndBytesConfig(load_in_8bit=True)"]
    options = f"bnb_4bit_quant_type={json.dumps(kind)}, bnb_4bit_use_double_quant=True"
    return [f"quantization_config=BitsAndBytesConfig(load_in_4bit=True, {options})"]


def _trust(source: ReportSource) -> list[str]:
    trusted = dig(source.recipe, "base", "trust_remote_code") is True
    return ["trust_remote_code=True"] if trusted else []
