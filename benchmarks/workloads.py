"""The workloads of the side-by-side benchmark: what is trained, on which tokens, from which start.

Everything is made from seeds: a random-weight Llama in Transformers' layout with a word tokenizer,
a LoRA start that every trainer loads (so that their losses must agree), and chats whose lengths
have the spread of real ones. Nothing is downloaded. It imports torch only when it builds.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / ".data"
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
NUM_CHATS = 2000
RANK, ALPHA = 16, 32
MAX_GRAD_NORM = 100.0
"""Never reached: the norm is computed and nothing clipped, because one trainer cannot clip."""
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Shape:
    """A Llama's sizes; embedding and output head are two tables."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int

    @property
    def layer_weights(self) -> int:
        """Weights of all layers' matrices."""
        kv_size = self.hidden_size * self.num_key_value_heads // self.num_attention_heads
        attention = 2 * self.hidden_size**2 + 2 * self.hidden_size * kv_size
        return self.num_hidden_layers * (attention + 3 * self.hidden_size * self.intermediate_size)

    @property
    def head_weights(self) -> int:
        return self.vocab_size * self.hidden_size


SHAPES = {
    "m32": Shape(32_000, 512, 8, 8, 4, 1408),
    "m128": Shape(128_000, 256, 4, 8, 4, 704),
    "toy": Shape(256, 32, 2, 4, 2, 64),
}


@dataclass(frozen=True)
class Workload:
    """`num_steps` optimizer steps of `batch_size` sequences each, in the order of the data."""

    shape: str
    data: str
    method: str  # lora, qlora (NF4) or full
    precision: str  # fp32 or bf16
    num_steps: int
    batch_size: int
    learning_rate: float
    num_rows: int | None = None  # as text, of which the first steps are run; else as tokens

    @property
    def num_sequences(self) -> int:
        return self.num_rows or self.num_steps * self.batch_size


WORKLOADS = {
    "lora-fp32": Workload("m32", "chats", "lora", "fp32", 5, 8, 1e-3),
    "lora-bf16": Workload("m32", "chats", "lora", "bf16", 5, 8, 1e-3),
    "vocab128k-fp32": Workload("m128", "chats", "lora", "fp32", 5, 8, 1e-3),
    "vocab128k-bf16": Workload("m128", "chats", "lora", "bf16", 5, 8, 1e-3),
    "full-fp32": Workload("m32", "chats", "full", "fp32", 5, 8, 3e-4),
    "full-bf16": Workload("m32", "chats", "full", "bf16", 5, 8, 3e-4),
    "qlora": Workload("m32", "chats", "qlora", "bf16", 5, 8, 1e-3),
    "long-fp32": Workload("m32", "documents", "lora", "fp32", 3, 2, 1e-3),
    "start-fp32": Workload("m32", "chats", "lora", "fp32", 1, 8, 1e-3, num_rows=2000),
    "toy": Workload("toy", "chats", "lora", "fp32", 2, 4, 1e-3),
}


def make_sequences(kind: str, vocab_size: int, count: int) -> list[dict[str, list[int]]]:
    """`count` token sequences with labels (-100 where not trained), words by Zipf's law.

    ``chats``: the last of 2,000 whose lengths are log-normal with median 90, at most 508, and of
    which 63 % are prompt and masked. The last 40 are like the whole: padded to the longest of
    eight, 45 % of their positions are real tokens.
    ``documents``: 1,024 to 3,072 tokens, all of them trained but for the first.
    """
    rng = random.Random(f"{kind}:32000")
    words = range(len(SPECIAL), vocab_size)
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    rows = []
    for _ in range(NUM_CHATS if kind == "chats" else count):
        if kind == "chats":
            length = min(508, max(16, round(rng.lognormvariate(math.log(89), 0.69))))
            num_prompt = round(length * min(0.9, max(0.3, rng.gauss(0.63, 0.1))))
        else:
            length, num_prompt = rng.randrange(1024, 3072), 1
        ids = rng.choices(words, cum_weights=weights, k=length)
        rows.append({"input_ids": ids, "labels": [-100] * num_prompt + ids[num_prompt:]})
    return rows[-count:]


def write_workload(name: str) -> dict[str, Any]:
    """Build what `name` needs under `.data` once; returns the specification a runner reads."""
    workload = WORKLOADS[name]
    shape = SHAPES[workload.shape]
    model = DATA / workload.shape
    if not (model / "done").is_file():
        _write_model(shape, model)
        write_tokenizer(shape.vocab_size, model)
        _write_adapter(model, DATA / f"{workload.shape}-adapter")
        (model / "done").touch()
    rows = make_sequences(workload.data, shape.vocab_size, workload.num_sequences)
    data = DATA / f"{workload.data}-{shape.vocab_size}-{workload.num_sequences}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    steps = rows[: workload.num_steps * workload.batch_size]
    return asdict(workload) | {
        "workload": name,
        "model": str(model),
        "adapter": str(DATA / f"{workload.shape}-adapter"),
        "data": str(data),
        "sizes": asdict(shape),
        "rank": RANK,
        "alpha": ALPHA,
        "target_modules": list(TARGETS),
        "max_grad_norm": MAX_GRAD_NORM,
        "num_tokens": sum(len(row["input_ids"]) for row in steps),
        "num_labels": sum(label >= 0 for row in steps for label in row["labels"]),
    }


def write_text(rows: list[dict[str, list[int]]], path: Path, prompt: str, answer: str) -> None:
    """Rows as JSON lines of a prompt and an answer in words, under the names a trainer reads."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            words = [f"w{i}" for i in row["input_ids"]]
            num_prompt = sum(label == -100 for label in row["labels"])
            texts = " ".join(words[:num_prompt]), " ".join(words[num_prompt:])
            file.write(json.dumps({prompt: texts[0], answer: texts[1]}) + "\n")


def _write_model(shape: Shape, folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        **asdict(shape),
        max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    # Older Transformers, which some trainers pin, know these keys alone.
    written = json.loads((folder / "config.json").read_text("utf-8"))
    written |= {"rope_theta": 10000.0, "torch_dtype": "float32"}
    written.pop("rope_parameters", None), written.pop("dtype", None)
    (folder / "config.json").write_text(json.dumps(written, indent=2), "utf-8")


def write_tokenizer(vocab_size: int, folder: Path) -> None:
    """A tokenizer whose text is its ids: ``w17 w4`` is [17, 4], so no trainer can differ in it."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    names = [*SPECIAL, *(f"w{i}" for i in range(len(SPECIAL), vocab_size))]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 4096,
        "clean_up_tokenization_spaces": False,
        **{
            f"{k}_token": f"{t}" for k, t in zip(("pad", "bos", "eos", "unk"), SPECIAL, strict=True)
        },
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), "utf-8")


def _write_adapter(model: Path, folder: Path) -> None:
    """A PEFT adapter to start from: A uniform by Kaiming's rule, from a fixed seed; B is 0."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)
    tensors = {}
    with safe_open(model / "model.safetensors", "pt") as weights:
        for name in sorted(weights.keys()):
            if not name.endswith(tuple(f"{target}.weight" for target in TARGETS)):
                continue
            outputs, inputs = weights.get_slice(name).get_shape()
            a = (torch.rand(RANK, inputs, generator=generator) * 2 - 1) / math.sqrt(inputs)
            key = f"base_model.model.{name.removesuffix('.weight')}"
            tensors[f"{key}.lora_A.weight"] = a
            tensors[f"{key}.lora_B.weight"] = torch.zeros(outputs, RANK)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(model),
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(TARGETS),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2), "utf-8")
