"""What is saved beside weights, in which dtype it is compared, and which bases are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.chat import load_chat_tokenizer
from assay.errors import ConfigError
from assay.models.adapters import (
    add_lora,
    copy_tokenizer,
    load_adapter,
    merge_adapter,
    save_adapter,
    save_model,
)
from assay.models.base import BaseFiles, find_base, load_model
from assay.models.export import (
    BF16_TOLERANCE,
    MERGE_TOLERANCE,
    check_integrity,
    compute_logits,
    export_merged,
    largest_difference,
    merge_tolerance,
    take_probe,
)

PROMPTS = [[1, 4, 100, 200, 2, 5], [1, 4, 300, 2, 5, 17, 900]]


@pytest.fixture()
def base(small_base: Path, tmp_path: Path) -> BaseFiles:
    """A copy with a second template, as Transformers lays several out."""
    folder = tmp_path / "base"
    shutil.copytree(small_base, folder)
    extra = folder / "additional_chat_templates"
    extra.mkdir()
    (extra / "rag.jinja").write_text("{{ messages[0].content }}\n", encoding="utf-8")
    return find_base(str(folder))


def tune(model: Any, *, scale: float = 0.2, **options: Any) -> Any:
    torch.manual_seed(1)
    peft_model = add_lora(model, rank=4, alpha=8.0, **options)
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, scale)
    return peft_model.eval()


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_integrity_holds_in_the_dtype_of_the_tuned_model(
    base: BaseFiles, tmp_path: Path, dtype: str
) -> None:
    """A base in bfloat16 is what a GPU tunes by default; its adapter must pass as well."""
    tuned = tune(load_model(base, dtype=dtype))
    folder = tmp_path / "adapter"
    save_adapter(tuned, folder, tokenizer_folder=base.folder)
    model = tuned.get_base_model()
    found = check_integrity(base, folder, take_probe(model, PROMPTS), adapter=True)
    assert found.adapter_reloads, found
    assert found.reload_difference == 0
    assert found.merged_equals_adapter, found
    assert 0 < found.merge_difference <= MERGE_TOLERANCE
    assert found.template_unchanged


def test_merging_moves_the_weights_by_the_scaled_product(base: BaseFiles) -> None:
    """W + alpha / rank * B A, equation 3 of the paper with its scaling, in every linear layer."""
    plain = load_model(base)
    before = {n: p.detach().clone() for n, p in plain.named_parameters()}
    tuned = tune(plain)
    parts = {n: p.detach().clone() for n, p in tuned.named_parameters() if "lora_" in n}
    merged = dict(merge_adapter(tuned).named_parameters())
    changed = 0
    for name, weight in before.items():
        a = f"base_model.model.{name.removesuffix('.weight')}.lora_A.default.weight"
        expected = weight
        if a in parts:
            expected = weight + 2.0 * parts[a.replace("lora_A", "lora_B")] @ parts[a]
            changed += 1
        torch.testing.assert_close(merged[name].detach(), expected, rtol=0, atol=1e-6)
    assert changed == 2 * 7, "two layers of q, k, v, o, gate, up and down"


def test_fresh_adapters_change_nothing_and_only_they_train(base: BaseFiles) -> None:
    plain = compute_logits(load_model(base), PROMPTS)
    fresh = add_lora(load_model(base), rank=4, alpha=8.0, base_name="some/base").eval()
    assert largest_difference(plain, compute_logits(fresh, PROMPTS)) == 0
    trained = {n for n, p in fresh.named_parameters() if p.requires_grad}
    assert trained == {n for n, _ in fresh.named_parameters() if "lora_" in n}
    assert {p.dtype for p in fresh.parameters() if p.requires_grad} == {torch.float32}


def test_an_adapter_names_its_base_and_its_layers(base: BaseFiles, tmp_path: Path) -> None:
    tuned = tune(load_model(base), base_name="some/base", target_modules=["q_proj", "v_proj"])
    save_adapter(tuned, tmp_path / "adapter", tokenizer_folder=base.folder)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "some/base"
    assert sorted(config["target_modules"]) == ["q_proj", "v_proj"]
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 8.0, "LORA")
    ours = compute_logits(tuned, PROMPTS)
    again = load_adapter(load_model(base), tmp_path / "adapter")
    assert largest_difference(ours, compute_logits(again, PROMPTS)) == 0


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_an_export_keeps_every_template_the_dtype_and_the_modes(
    base: BaseFiles, tmp_path: Path, dtype: str
) -> None:
    from safetensors.torch import load_file

    tuned = tune(load_model(base))
    save_adapter(tuned, tmp_path / "adapter", tokenizer_folder=base.folder)
    merged = tmp_path / "merged"
    difference = export_merged(base, tmp_path / "adapter", merged, prompts=PROMPTS, dtype=dtype)
    assert difference <= merge_tolerance(dtype)
    assert merge_tolerance("bf16") == BF16_TOLERANCE
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    assert {t.dtype for t in load_file(merged / "model.safetensors").values()} == {wanted}
    for name in ("chat_template.jinja", "additional_chat_templates/rag.jinja", "tokenizer.json"):
        assert (merged / name).read_bytes() == (base.folder / name).read_bytes()
    assert load_chat_tokenizer(merged).template_sha256 == base.tokenizer.template_sha256
    files = [path for path in merged.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


def test_a_missing_or_changed_second_template_is_no_longer_unchanged(
    base: BaseFiles, tmp_path: Path
) -> None:
    model = load_model(base, dtype="fp32")
    folder = tmp_path / "model"
    save_model(model, folder, tokenizer_folder=base.folder)

    def unchanged() -> bool:
        probe = take_probe(model, PROMPTS)
        return check_integrity(base, folder, probe, adapter=False).template_unchanged

    assert unchanged()
    extra = folder / "additional_chat_templates" / "rag.jinja"
    extra.write_text("{{ messages[0].content }}", encoding="utf-8")
    assert not unchanged(), "one newline less"
    extra.unlink()
    assert not unchanged()
    copy_tokenizer(base.folder, folder)
    assert unchanged()


def test_a_saved_full_model_loads_in_plain_transformers_with_equal_logits(
    base: BaseFiles, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    model = load_model(base, dtype="fp32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    save_model(model, tmp_path / "model", tokenizer_folder=base.folder)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    ours, theirs = compute_logits(model, PROMPTS), compute_logits(plain, PROMPTS)
    assert largest_difference(ours, theirs) == 0
    before = compute_logits(load_model(base), PROMPTS)
    assert largest_difference(ours, before) > 0.01


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_base_is_identified_by_what_it_computes_with(
    base: BaseFiles, tmp_path: Path, name: str
) -> None:
    assert base.context_len == 512
    other = tmp_path / "other"
    shutil.copytree(base.folder, other)
    for foreign in ("notes.txt", "code.py"):
        (other / foreign).write_text("nothing", encoding="utf-8")
    assert find_base(str(other)).sha256 == base.sha256
    path = other / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\x01" if name.endswith("safetensors") else content + b"\n")
    assert find_base(str(other)).sha256 != base.sha256


CODE = """\
from transformers import LlamaConfig, LlamaForCausalLM


class MineConfig(LlamaConfig):
    model_type = "mine"


class MineForCausalLM(LlamaForCausalLM):
    config_class = MineConfig
"""


@pytest.fixture()
def coded(base: BaseFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseFiles:
    """The base as an architecture that only its own code knows."""
    modules = str(tmp_path / "modules")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", modules)
    monkeypatch.syspath_prepend(modules)
    (base.folder / "mine.py").write_text(CODE, encoding="utf-8")
    path = base.folder / "config.json"
    classes = {"AutoConfig": "mine.MineConfig", "AutoModelForCausalLM": "mine.MineForCausalLM"}
    config = json.loads(path.read_text("utf-8")) | {"model_type": "mine", "auto_map": classes}
    path.write_text(json.dumps(config), encoding="utf-8")
    return find_base(str(base.folder), trust_remote_code=True)


def test_trusted_code_is_trusted_wherever_the_base_or_its_child_is_loaded(
    coded: BaseFiles, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"set base\.trust_remote_code"):
        find_base(str(coded.folder))
    tuned = tune(load_model(coded))
    adapter, whole = tmp_path / "adapter", tmp_path / "whole"
    save_adapter(tuned, adapter, tokenizer_folder=coded.folder)
    found = check_integrity(coded, adapter, take_probe(tuned, PROMPTS), adapter=True)
    assert found.adapter_reloads and found.merged_equals_adapter
    difference = export_merged(coded, adapter, tmp_path / "merged", prompts=PROMPTS)
    assert difference <= MERGE_TOLERANCE
    model = load_model(coded)
    save_model(model, whole, tokenizer_folder=coded.folder)
    found = check_integrity(coded, whole, take_probe(model, PROMPTS), adapter=False)
    assert found.reload_difference == 0
    before = coded.sha256
    (coded.folder / "mine.py").write_text(CODE + "\n", encoding="utf-8")
    assert find_base(str(coded.folder), trust_remote_code=True).sha256 != before


def test_a_relative_folder_starts_where_the_recipe_lies(
    base: BaseFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert find_base("base", base_dir=tmp_path).sha256 == base.sha256
    with pytest.raises(ConfigError, match="neither a folder nor"):
        find_base("base")


def test_a_hub_model_is_known_by_its_commit(
    base: BaseFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Hub cache by hand: `main` moves on, and the commit that was recorded stays."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cache = tmp_path / "hub" / "models--owner--name"
    (cache / "refs").mkdir(parents=True)
    for commit in ("a" * 40, "b" * 40):
        shutil.copytree(base.folder, cache / "snapshots" / commit)
        (cache / "refs" / "main").write_text(commit, encoding="utf-8")
    assert find_base("owner/name").revision == "b" * 40
    assert find_base("owner/name", revision="main").revision == "b" * 40
    assert find_base("owner/name", revision="a" * 40).revision == "a" * 40


@pytest.mark.parametrize(
    "config", ['{"model_type": "no_such_architecture"}', "{not json", '{"vocab_size": 3}']
)
def test_a_configuration_that_is_not_usable_is_the_users_problem(
    base: BaseFiles, config: str
) -> None:
    (base.folder / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.json is not usable") as caught:
        find_base(str(base.folder))
    assert caught.value.problems[0].key == "base"
