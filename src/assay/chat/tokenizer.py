"""A base's tokenizer, chat template and stop tokens, read from its folder; no model is needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAMED_TEMPLATES = "additional_chat_templates"
"""Where Transformers 5 writes templates other than the default one; once ``chat_templates``."""
SPECIAL_TOKEN_KEYS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


@dataclass(frozen=True, eq=False)
class ChatTokenizer:
    """Text to token ids and back, plus what a template needs. Build it by `load_chat_tokenizer`.

    Attributes:
        backend: the `tokenizers` tokenizer, without truncation, padding and post-processing.
        templates: Jinja text by name; a single template is named ``default``.
        special_tokens: token text by name (``bos_token``, ``eos_token``, …), as templates see it.
        eos_ids: every token that ends an answer, the tokenizer's own first.
        prefix_ids: what this tokenizer puts before plain text (its bos token, or nothing).
    """

    backend: Tokenizer
    templates: Mapping[str, str]
    special_tokens: Mapping[str, str]
    eos_ids: tuple[int, ...]
    prefix_ids: tuple[int, ...]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; none is added at either end."""
        return list(self.backend.encode(text, add_special_tokens=False).ids)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of `text`, and for each the characters ``[start, end)`` it stands for."""
        encoding = self.backend.encode(text, add_special_tokens=False)
        return list(encoding.ids), list(encoding.offsets)

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """Text of `ids`, by default without control tokens."""
        return self.backend.decode(list(ids), skip_special_tokens=skip_special)

    def read_again(self, path: Path) -> ChatTokenizer:
        """The same with the tokens of another ``tokenizer.json``, which has all of this one's."""
        backend = _load_backend(path)
        backend.post_processor = None
        return replace(self, backend=backend)

    @property
    def template(self) -> str:
        """The template used where no tools are given.

        Raises:
            ConfigError: the base has no chat template.
        """
        return self.template_for(None)

    @property
    def template_sha256(self) -> str:
        """SHA-256 of the template's bytes; of all, as sorted JSON, where there are several."""
        only = self.templates.get("default") if len(self.templates) == 1 else None
        text = json.dumps(dict(self.templates), sort_keys=True) if only is None else only
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def has_template(self) -> bool:
        return bool(self.templates)

    @property
    def bos_id(self) -> int | None:
        return self.special_id("bos_token")

    @property
    def eos_id(self) -> int | None:
        """The token that ends an answer, where there are several the tokenizer's own."""
        return self.eos_ids[0] if self.eos_ids else None

    @property
    def pad_id(self) -> int | None:
        return self.special_id("pad_token")

    @property
    def vocab_size(self) -> int:
        """Number of tokens, added ones included."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    @cached_property
    def eos_texts(self) -> tuple[str, ...]:
        """Text of each stop token."""
        return tuple(self._text_of(token_id) for token_id in self.eos_ids)

    @cached_property
    def added_ids(self) -> frozenset[int]:
        """Every token that is found in text before the tokenizer's own splitting and merging."""
        return frozenset(self.backend.get_added_tokens_decoder())

    @cached_property
    def control_texts(self) -> tuple[str, ...]:
        """Text of every token that is dropped when text is decoded for reading."""
        added = self.backend.get_added_tokens_decoder()
        return tuple(token.content for _, token in sorted(added.items()) if token.special)

    def to_json(self) -> bytes:
        """All of it, by which `parse_chat_tokenizer` builds an equal one in another process."""
        parts = {
            "backend": self.backend.to_str(),
            "templates": dict(self.templates),
            "special_tokens": dict(self.special_tokens),
            "eos_ids": self.eos_ids,
            "prefix_ids": self.prefix_ids,
        }
        return json.dumps(parts, sort_keys=True).encode("ascii")

    def special_id(self, key: str) -> int | None:
        """Id of a special token by name, e.g. ``bos_token``; None where the base has none."""
        text = self.special_tokens.get(key)
        return None if text is None else self.backend.token_to_id(text)

    def template_for(self, tools: Sequence[Any] | None) -> str:
        """The template to use: ``tool_use``, if there is one, once tools are given (even none)."""
        if tools is not None and "tool_use" in self.templates:
            return self.templates["tool_use"]
        if "default" in self.templates:
            return self.templates["default"]
        names = ", ".join(sorted(self.templates))
        raise ConfigError(
            Problem(
                got=f"a base with the chat templates {names}" if names else "no chat template",
                allowed="a base with chat_template.jinja or chat_template in tokenizer_config.json",
                do="choose a chat base, or add chat_template.jinja to its folder",
                key="base",
            )
        )

    def _text_of(self, token_id: int) -> str:
        text = self.backend.id_to_token(token_id)
        return "" if text is None else text


def load_chat_tokenizer(folder: str | Path) -> ChatTokenizer:
    """Reads ``tokenizer.json``, ``tokenizer_config.json``, ``chat_template.jinja`` (or
    ``additional_chat_templates/*.jinja``) and ``generation_config.json`` of a Transformers folder.

    Raises:
        ConfigError: no ``tokenizer.json``, or a file that cannot be read.
    """
    folder = Path(folder)
    config = _read_json(folder / "tokenizer_config.json")
    backend = _load_backend(folder / "tokenizer.json")
    special_tokens = _read_special_tokens(folder, config)
    prefix_ids = _read_prefix(backend, config, special_tokens)
    # Without it offsets are not trimmed of spaces; nothing is added at either end anyway.
    backend.post_processor = None
    return ChatTokenizer(
        backend=backend,
        templates=_read_templates(folder, config),
        special_tokens=special_tokens,
        eos_ids=_read_eos_ids(folder, backend, special_tokens),
        prefix_ids=prefix_ids,
    )


def parse_chat_tokenizer(content: bytes) -> ChatTokenizer:
    """The tokenizer that `ChatTokenizer.to_json` wrote."""
    from tokenizers import Tokenizer

    parts = json.loads(content)
    return ChatTokenizer(
        backend=Tokenizer.from_str(parts["backend"]),
        templates=parts["templates"],
        special_tokens=parts["special_tokens"],
        eos_ids=tuple(parts["eos_ids"]),
        prefix_ids=tuple(parts["prefix_ids"]),
    )


def _load_backend(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ConfigError(
            Problem(
                got="a base without tokenizer.json",
                allowed="a tokenizer in the `tokenizers` format",
                do="save it by AutoTokenizer.from_pretrained(...).save_pretrained(folder)",
                file=str(path),
                key="base",
            )
        )
    try:
        backend = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # `tokenizers` raises no narrower class
        raise _unreadable(path, error) from error
    backend.no_truncation()
    backend.no_padding()
    return backend


def _read_templates(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Template files win over the entry in the configuration, as they do in Transformers."""
    named = [*folder.glob("chat_templates/*.jinja"), *folder.glob(f"{NAMED_TEMPLATES}/*.jinja")]
    files = {path.stem: path for path in sorted(named)}
    if (folder / "chat_template.jinja").is_file():
        files["default"] = folder / "chat_template.jinja"
    if files:
        return {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    entry = config.get("chat_template")
    if isinstance(entry, str):
        return {"default": entry}
    if isinstance(entry, list):
        return {str(item["name"]): str(item["template"]) for item in entry}
    return {str(name): str(text) for name, text in (entry or {}).items()}


def _read_special_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Special tokens by name; `special_tokens_map.json` is what older folders have."""
    entries = {**_read_json(folder / "special_tokens_map.json"), **config}
    texts = {key: _token_text(entries.get(key)) for key in SPECIAL_TOKEN_KEYS}
    return {key: text for key, text in texts.items() if text is not None}


def _token_text(entry: Any) -> str | None:
    """The text of a token that is written as a string or as ``{"content": …}``."""
    content = entry.get("content") if isinstance(entry, Mapping) else entry
    return content if isinstance(content, str) else None


def _read_prefix(
    backend: Tokenizer, config: Mapping[str, Any], special_tokens: Mapping[str, str]
) -> tuple[int, ...]:
    """The bos token if this tokenizer puts it before plain text: so the model was pre-trained."""
    text = special_tokens.get("bos_token")
    bos_id = None if text is None else backend.token_to_id(text)
    if bos_id is None:
        return ()
    adds_bos = config.get("add_bos_token")
    if not isinstance(adds_bos, bool):
        adds_bos = backend.encode("a", add_special_tokens=True).ids[:1] == [bos_id]
    return (bos_id,) if adds_bos else ()


def _read_eos_ids(
    folder: Path, backend: Tokenizer, special_tokens: Mapping[str, str]
) -> tuple[int, ...]:
    """The tokenizer's eos, then those of `generation_config.json` (or of `config.json`).

    Several bases end a turn by another token than the tokenizer's eos, and say so only there.
    """
    text = special_tokens.get("eos_token")
    own = None if text is None else backend.token_to_id(text)
    path = folder / "generation_config.json"
    entry = _read_json(path if path.is_file() else folder / "config.json").get("eos_token_id")
    listed = entry if isinstance(entry, list) else [entry]
    known = range(backend.get_vocab_size(with_added_tokens=True))
    ids = [token_id for token_id in (own, *listed) if token_id in known]
    return tuple(dict.fromkeys(ids))


def _read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unreadable(path, error) from error
    return value if isinstance(value, dict) else {}


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(
        Problem(
            got=f"a file that cannot be read: {error}",
            allowed="the file as Transformers writes it",
            do="fetch or save the base again",
            file=str(path),
            key="base",
        )
    )
