"""New tokens: their rows, and no others, are made, trained, saved and loaded where they belong."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from assay.config import load
from assay.data.pack import build_batch
from assay.errors import ConfigError
from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.models.adapters import add_lora, copy_tokenizer, save_adapter, save_model
from assay.models.base import BaseFiles, find_base, load_model, tiny_folder
from assay.models.export import (
    MERGE_TOLERANCE,
    check_integrity,
    compute_logits,
    export_merged,
    largest_difference,
    take_probe,
)
from assay.models.forward import packed_mode
from assay.models.new_tokens import extend_base
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss
from assay.train.step import train_step

TEXTS = ["<call>", "<done>"]
TEXT = "Please <call> the desk, then <done>."
KINDS = {
    "tied": (0, True),
    "apart": (0, False),
    "padded": (13, False),
    "padded and tied": (13, True),
}


@pytest.fixture(params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> BaseFiles:
    """A small base whose table is as long as its tokenizer, or longer, extended by two tokens."""
    padding, is_tied = KINDS[request.param]
    folder = tmp_path / "base"
    num_rows = find_base("tiny").tokenizer.vocab_size + padding
    shape: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=num_rows, num_attention_heads=2, tie_word_embeddings=is_tied, **shape
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    copy_tokenizer(tiny_folder(), folder)
    return extend_base(find_base(str(folder)), TEXTS, tmp_path / "tokenizer")


def original(base: BaseFiles) -> Any:
    return AutoModelForCausalLM.from_pretrained(base.folder).eval()


def train(model: Any, base: BaseFiles) -> None:
    ids = base.tokenizer.encode(TEXT)
    batch = build_batch([ids, ids[3:]], [[1.0] * len(ids), [1.0] * len(ids[3:])])
    optimizers = build_optimizers(model, learning_rate=0.05)
    model.train()
    with packed_mode(model):
        for _ in range(2):
            train_step(model, [batch], SftLoss(), optimizers, max_grad_norm=1.0)
    model.eval()


def tables(model: Any) -> list[torch.Tensor]:
    return [
        module.weight.detach().clone()
        for module in (model.get_input_embeddings(), model.get_output_embeddings())
    ]


def test_the_tokenizer_knows_them_and_is_otherwise_the_same(base: BaseFiles) -> None:
    size = find_base("tiny").tokenizer.vocab_size
    assert base.new_token_ids == (size, size + 1)
    ids = base.tokenizer.encode(TEXT)
    assert [token_id for token_id in ids if token_id >= size] == [size, size + 1]
    assert base.tokenizer.decode(ids) == TEXT
    assert base.tokenizer.eos_ids == find_base("tiny").tokenizer.eos_ids
    again = AutoTokenizer.from_pretrained(base.tokenizer_files)
    assert again.encode(TEXT, add_special_tokens=False) == ids
    template = "chat_template.jinja"
    assert (base.tokenizer_files / template).read_bytes() == (tiny_folder() / template).read_bytes()


def test_rows_are_made_at_the_ids_and_no_others_change(base: BaseFiles) -> None:
    first = base.new_token_ids[0]
    for made, before in zip(tables(load_model(base)), tables(original(base)), strict=True):
        assert len(made) == max(len(before), first + 2)
        assert torch.equal(made[:first], before[:first])
        assert torch.equal(made[first + 2 :], before[first + 2 :])
        torch.testing.assert_close(made[first], before[:first].mean(0), rtol=1e-5, atol=1e-7)


def test_their_rows_alone_are_trained_and_load_in_plain_peft(
    base: BaseFiles, tmp_path: Path
) -> None:
    from peft import PeftModel

    torch.manual_seed(1)
    wrapped = add_lora(
        load_model(base), rank=2, alpha=4.0, target_modules=["q_proj"],
        new_token_ids=base.new_token_ids,
    )  # fmt: skip
    model = wrapped.get_base_model()
    ids = base.tokenizer.encode(TEXT)
    train(model, base)
    save_adapter(wrapped, tmp_path / "adapter", tokenizer_folder=base.tokenizer_files)
    expected = compute_logits(wrapped, [ids])
    tokenizer, plain = AutoTokenizer.from_pretrained(tmp_path / "adapter"), original(base)
    if len(tokenizer) > len(plain.get_input_embeddings().weight):
        plain.resize_token_embeddings(len(tokenizer))
    plain = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    assert largest_difference(compute_logits(plain, [ids]), expected) == 0
    merged = plain.merge_and_unload()
    first = base.new_token_ids[0]
    for tuned, fresh in zip(tables(merged), tables(load_model(base)), strict=True):
        moved = (tuned - fresh).abs().amax(1) > 0
        assert moved.nonzero().flatten().tolist() == [first, first + 1]


def test_packed_gradients_with_trained_rows_equal_plain_peft(base: BaseFiles) -> None:
    torch.manual_seed(1)
    wrapped = add_lora(load_model(base), rank=2, alpha=4.0, new_token_ids=base.new_token_ids)
    model = wrapped.get_base_model().train()
    ids = base.tokenizer.encode(TEXT)
    logits = wrapped(input_ids=torch.tensor([ids])).logits[0, :-1]
    plain = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum")
    plain.backward()  # type: ignore[no-untyped-call]
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    expected = {name: parameter.grad.clone() for name, parameter in named.items()}
    assert sum("trainable_tokens" in name for name in expected) == (
        1 if model.config.tie_word_embeddings else 2
    )
    model.zero_grad()
    with packed_mode(model):
        loss = SftLoss()(model, build_batch([ids], [[1.0] * len(ids)]))
        loss.backward()
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    for name, parameter in named.items():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)


class TableCopies(TorchDispatchMode):
    """Counts the tensors of a table's shape that operations make, views of weights apart."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.shape = model.get_input_embeddings().weight.shape
        self.weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        is_table = isinstance(out, torch.Tensor) and out.shape == self.shape
        if is_table and out.untyped_storage().data_ptr() not in self.weights:
            self.found.append(str(func))
        return out


def test_training_and_decoding_copy_no_table(base: BaseFiles) -> None:
    torch.manual_seed(1)
    wrapped = add_lora(load_model(base), rank=2, alpha=4.0, new_token_ids=base.new_token_ids)
    model = wrapped.get_base_model()
    train(model, base)
    ids = base.tokenizer.encode(TEXT)
    with TableCopies(model) as copies:
        wrapped(input_ids=torch.tensor([ids]))
    assert copies.found, "PEFT's own pass copies them"
    batch, sampling = build_batch([ids], [[1.0] * len(ids)]), Sampling(max_new_tokens=4)
    engine = LocalEngine(model, base.tokenizer)
    with packed_mode(model), TableCopies(model) as copies:
        SftLoss()(model, batch).backward()  # type: ignore[no-untyped-call]
    assert copies.found == []
    with TableCopies(model) as copies:
        (found,) = engine.generate([ids], sampling)
    assert copies.found == []
    for _ in range(4):
        with torch.no_grad():
            ids = [*ids, int(wrapped(input_ids=torch.tensor([ids])).logits[0, -1].argmax())]
    assert found.token_ids == ids[-4:]


def test_integrity_and_export_hold_with_trained_rows(base: BaseFiles, tmp_path: Path) -> None:
    torch.manual_seed(1)
    wrapped = add_lora(
        load_model(base), rank=2, alpha=4.0, new_token_ids=base.new_token_ids,
        flavours=["pissa"],
    )  # fmt: skip
    train(wrapped.get_base_model(), base)
    adapter, ids = tmp_path / "adapter", base.tokenizer.encode(TEXT)
    save_adapter(wrapped, adapter, tokenizer_folder=base.tokenizer_files)
    found = check_integrity(base, adapter, take_probe(wrapped, [ids]), adapter=True)
    assert found.adapter_reloads
    assert found.merged_equals_adapter
    assert found.template_unchanged
    difference = export_merged(base, adapter, tmp_path / "merged", prompts=[ids])
    assert difference <= MERGE_TOLERANCE
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    expected = compute_logits(wrapped, [ids])
    assert largest_difference(compute_logits(plain, [ids]), expected) <= MERGE_TOLERANCE


def test_a_whole_model_keeps_its_trained_rows(base: BaseFiles, tmp_path: Path) -> None:
    model = load_model(base).requires_grad_(True)
    train(model, base)
    ids = base.tokenizer.encode(TEXT)
    save_model(model, tmp_path / "model", tokenizer_folder=base.tokenizer_files)
    found = check_integrity(base, tmp_path / "model", take_probe(model, [ids]), adapter=False)
    assert found.reload_difference == 0
    assert found.template_unchanged


def test_what_is_a_token_already_is_refused(base: BaseFiles, tmp_path: Path) -> None:
    known = base.tokenizer.eos_texts[0]
    with pytest.raises(ConfigError, match="token of this base already"):
        extend_base(find_base(str(base.folder)), [known], tmp_path / "other")


@pytest.mark.parametrize("method", ["freeze", "{type: peft, config: {peft_type: IA3}}"])
def test_methods_that_leave_the_embedding_alone_take_none(tmp_path: Path, method: str) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n", "utf-8")
    text = "base: {name: tiny, new_tokens: [<a>]}\ndata: {train: rows.jsonl}\n"
    (tmp_path / "recipe.yaml").write_text(f"{text}method: {method}\n", "utf-8")
    with pytest.raises(ConfigError, match="leaves embedding and head"):
        load(tmp_path)
