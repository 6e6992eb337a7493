"""Adapters load in plain PEFT, merged folders in plain Transformers, with equal logits."""

import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.errors import ConfigError
from assay.models import export
from assay.models.adapters import add_lora, copy_tokenizer, save_adapter, save_model
from assay.models.base import BaseFiles, find_base, load_model
from assay.models.export import (
    MERGE_TOLERANCE,
    PROBE_TOKENS,
    check_integrity,
    compute_logits,
    export_merged,
    take_probe,
)

PROMPTS = [[1, 4, 100, 200, 2, 5], [1, 4, 300, 2, 5, 17, 900]]


@pytest.fixture()
def base(small_base: Path) -> BaseFiles:
    return find_base(str(small_base))


@pytest.fixture()
def tuned(base: BaseFiles) -> Any:
    """A PEFT model whose adapters do something."""
    torch.manual_seed(1)
    peft_model = add_lora(load_model(base), rank=4, alpha=8.0, base_name=base.name)
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    return peft_model.eval()


def test_an_adapter_loads_in_plain_peft_with_equal_logits(
    base: BaseFiles, tuned: Any, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    save_adapter(tuned, tmp_path / "adapter", tokenizer_folder=base.folder)
    plain = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base.folder), tmp_path / "adapter"
    ).eval()
    before = compute_logits(load_model(base), PROMPTS)
    for ours, theirs, untuned in zip(
        compute_logits(tuned, PROMPTS), compute_logits(plain, PROMPTS), before, strict=True
    ):
        assert torch.equal(ours, theirs)
        assert float((ours - untuned).abs().max()) > 0.01
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "adapter").iterdir()} == {0o644}


def test_a_merged_export_loads_in_plain_transformers(
    base: BaseFiles, tuned: Any, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    save_adapter(tuned, tmp_path / "adapter", tokenizer_folder=base.folder)
    expected = compute_logits(tuned, PROMPTS)
    difference = export_merged(base, tmp_path / "adapter", tmp_path / "merged", prompts=PROMPTS)
    assert difference <= MERGE_TOLERANCE
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    for ours, theirs in zip(expected, compute_logits(plain, PROMPTS), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=MERGE_TOLERANCE)
    for name in ("chat_template.jinja", "tokenizer.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (base.folder / name).read_bytes()
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template


def test_integrity_sees_a_changed_adapter_and_template(
    base: BaseFiles, tuned: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    save_adapter(tuned, folder, tokenizer_folder=base.folder)
    good = check_integrity(base, folder, take_probe(tuned, PROMPTS), adapter=True)
    assert good.adapter_reloads
    assert good.merged_equals_adapter
    assert good.template_unchanged
    with torch.no_grad():
        next(p for n, p in tuned.named_parameters() if "lora_B" in n).add_(0.5)
    (folder / "chat_template.jinja").write_text("{{ 'other' }}", encoding="utf-8")
    bad = check_integrity(base, folder, take_probe(tuned, PROMPTS), adapter=True)
    assert not bad.adapter_reloads
    assert not bad.template_unchanged


def test_a_full_model_reloads_equal(base: BaseFiles, tmp_path: Path) -> None:
    model = load_model(base, dtype="fp32")
    with torch.no_grad():
        model.model.norm.weight.add_(0.1)
    save_model(model, tmp_path / "model", tokenizer_folder=base.folder)
    found = check_integrity(base, tmp_path / "model", take_probe(model, PROMPTS), adapter=False)
    assert found.reload_difference == 0


def test_a_probe_is_short_however_long_the_rows_are(base: BaseFiles) -> None:
    probe = take_probe(load_model(base), [[5] * 400, [1, 2, 3]])
    assert [len(ids) for ids in probe.prompts] == [PROBE_TOKENS, 3]
    assert [len(logits) for logits in probe.logits] == [PROBE_TOKENS, 3]


def test_one_model_at_a_time_is_in_memory(
    base: BaseFiles, tuned: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in half precision, where the adapter is loaded twice."""
    folder = tmp_path / "adapter"
    save_adapter(tuned, folder, tokenizer_folder=base.folder)
    half = take_probe(load_model(base, dtype="bf16"), PROMPTS)
    models: list[Any] = []
    num_alive: list[int] = []

    def load(*arguments: Any, **options: Any) -> Any:
        num_alive.append(sum(model() is not None for model in models))
        model = load_model(*arguments, **options)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(export, "load_model", load)
    check_integrity(base, folder, half, adapter=True)
    export_merged(base, folder, tmp_path / "merged", prompts=PROMPTS)
    assert num_alive == [0, 0, 0, 0]


def test_unknown_bases_and_layers_are_located(base: BaseFiles, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a folder nor"):
        find_base(str(tmp_path / "nothing"))
    copy_tokenizer(base.folder, tmp_path / "no_weights")
    with pytest.raises(ConfigError, match=r"without config\.json"):
        find_base(str(tmp_path / "no_weights"))
    with pytest.raises(ConfigError, match="target_modules"):
        add_lora(load_model(base), rank=4, alpha=8.0, target_modules=["no_such_layer"])


def test_every_name_that_matches_no_linear_layer_is_told_with_the_nearest(base: BaseFiles) -> None:
    model = load_model(base)
    wrong = ["nope", "q_porj", "layers.0.mlp.up_pro", "lm_head", "norm", "embed_tokens", "proj"]
    with pytest.raises(ConfigError) as caught:
        add_lora(model, rank=4, alpha=8.0, target_modules=["q_proj", *wrong])
    problems = caught.value.problems
    assert [problem.got.split("'")[1] for problem in problems] == wrong
    assert {problem.key for problem in problems} == {"method.target_modules"}
    assert [problem.do for problem in problems[:3]] == [
        "remove it, or write one of these",
        "write q_proj",
        "write model.layers.0.mlp.up_proj",
    ]
    assert not any("lora_" in name for name, _ in model.named_parameters())
    right = ["q_proj", "1.mlp.up_proj", "model.layers.0.self_attn.v_proj"]
    adapted = add_lora(model, rank=4, alpha=8.0, target_modules=right)
    named = {name.split(".lora_")[0] for name, _ in adapted.named_parameters() if "lora_" in name}
    layers = "base_model.model.model.layers"
    assert named == {
        f"{layers}.0.self_attn.q_proj",
        f"{layers}.1.self_attn.q_proj",
        f"{layers}.0.self_attn.v_proj",
        f"{layers}.1.mlp.up_proj",
    }


def test_a_package_that_keeps_an_exception_does_not_keep_the_base(
    tmp_path: Path, small_base: Path
) -> None:
    """As bitsandbytes does on a device that it has no library for; in a process of its own."""
    (tmp_path / "bitsandbytes.py").write_text(
        "class nn:\n    Linear8bitLt = Linear4bit = type('Other', (), {})\n"
        "try:\n    raise OSError('no library')\nexcept OSError as error:\n    kept = error\n"
    )
    program = (
        "import gc, sys, weakref\n"
        "from transformers import AutoModelForCausalLM\n"
        "from assay.models.adapters import add_lora\n"
        "def tune():\n"
        "    model = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "    add_lora(model, rank=2, alpha=4)\n"
        "    return weakref.ref(model)\n"
        "left = tune()\n"
        "gc.collect()\n"
        "print('bitsandbytes' in sys.modules, left() is None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_base)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True True\n", done.stderr
