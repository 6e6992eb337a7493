"""A base of two small random layers over the tokenizer of `tiny`, and a small chat file."""

import json
import shutil
from pathlib import Path

import pytest

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"
COLOURS = ("red", "green", "blue", "black", "white")


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(TINY / name, folder / name)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def chat_row(question: str, answer: str) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


@pytest.fixture()
def recipe(tmp_path: Path, small_base: Path) -> Path:
    """A recipe that runs in seconds: 120 rows, five colours to say."""
    rows = [
        chat_row(f"Item {n} has the colour {COLOURS[n % 5]}. Say it.", COLOURS[n % 5])
        for n in range(120)
    ]
    data = tmp_path / "colours.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""\
base: {small_base}
data:
  train: colours.jsonl
  validation_ratio: 0.1
  test_ratio: 0.3
method: {{type: lora, rank: 4, dropout: 0.1}}
train: {{max_steps: 8, batch_size: 8, learning_rate: 0.01, checkpoint_every_steps: 2}}
evaluate: {{shots: [0, 1], max_new_tokens: 4, batch_size: 32}}
output: {tmp_path / "runs"}
""",
        encoding="utf-8",
    )
    return path
