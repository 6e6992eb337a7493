"""A recipe over the small base and a small chat file."""

import json
from pathlib import Path

import pytest

GUARDS = """\
# As standard, without the questions and probes that every small run would ask anew.
gates: {character: off, honesty: off, fairness: off, persona: off, free_form: off, drift: off,
  call_odds: off, extraction: off}
"""
COLOURS = ("red", "green", "blue", "black", "white")


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
    (tmp_path / "guards.yaml").write_text(GUARDS, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""\
base: {small_base}
data:
  train: colours.jsonl
  validation_ratio: 0.1
  test_ratio: 0.3
method: {{type: lora, rank: 4, dropout: 0.1}}
train: {{max_steps: 8, batch_size: 8, learning_rate: 0.01, checkpoints: {{every_s: 1.0e-9}}}}
evaluate: {{shots: [0, 1], max_new_tokens: 4, batch_size: 32}}
gates: guards.yaml
output: {tmp_path / "runs"}
""",
        encoding="utf-8",
    )
    return path
