"""Fixtures of the data tests: files on disk, records by hand, a byte tokenizer with a template."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.config import SourceConfig
from assay.data import ReadResult, Record, read_sources

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content or '' }}"
    "{% for call in message.tool_calls or [] %}<call>{{ call.function | tojson }}{% endfor %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROL = ["<|end|>", "<|bos|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    """One token a byte, one a control token; `<|end|>` stops."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(text, special=True) for text in CONTROL])
    folder = tmp_path_factory.mktemp("base")
    backend.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))
    return load_chat_tokenizer(folder)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., ReadResult]:
    """Read one file of rows: bytes as they are, or rows as JSON lines."""

    def _read(content: Any, *, name: str = "rows.jsonl", **settings: Any) -> ReadResult:
        system, group_by = settings.pop("system", None), settings.pop("group_by", None)
        if not isinstance(content, bytes):
            content = "".join(json.dumps(row) + "\n" for row in content).encode()
        (tmp_path / name).write_bytes(content)
        source = SourceConfig(path=name, **settings)
        return read_sources([source], base_dir=tmp_path, system=system, group_by=group_by)

    return _read


@pytest.fixture
def chat() -> Callable[..., Record]:
    """A record of one question and one answer."""
    return make_chat


def make_chat(
    question: str, answer: str, *, line: int = 1, file: str = "a.jsonl", **changes: Any
) -> Record:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    settings: dict[str, Any] = {
        "id": f"{file}:{line}",
        "messages": messages,
        "tools": None,
        "kind": "chat",
        "group": None,
        "file": file,
        "line": line,
        "source": file,
    }
    return Record(**{**settings, **changes})
