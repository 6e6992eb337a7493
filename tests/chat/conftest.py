"""One tokenizer folder per template family, built once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from chat_families import build_folder

from assay.chat import ChatTokenizer, load_chat_tokenizer


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    built: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in built:
            built[name] = build_folder(name, tmp_path_factory.mktemp("family") / name)
        return built[name]

    return folder_of


@pytest.fixture(scope="session")
def load_family(family_folder: Callable[[str], Path]) -> Callable[[str], ChatTokenizer]:
    loaded: dict[str, ChatTokenizer] = {}

    def tokenizer_of(name: str) -> ChatTokenizer:
        if name not in loaded:
            loaded[name] = load_chat_tokenizer(family_folder(name))
        return loaded[name]

    return tokenizer_of
