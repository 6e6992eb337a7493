"""A tokenizer of bytes for what reads text token by token, and the small models of training."""

import json
import sys
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from assay.chat import ChatTokenizer, load_chat_tokenizer

# `small_models` has every architecture that training is tested on.
sys.path.append(str(Path(__file__).parents[1] / "train"))


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    """One token a byte, so that most characters are several tokens; 256 ends, 257 pads."""
    folder = tmp_path_factory.mktemp("bytes")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens([AddedToken(t, special=True) for t in ("<end>", "<pad>")])
    backend.save(str(folder / "tokenizer.json"))
    config = {"eos_token": "<end>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return load_chat_tokenizer(folder)
