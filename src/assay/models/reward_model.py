"""Reward models: loaded from what a tuning or anybody else saved, and asked for scores.

A folder is a sequence classifier of one label in Transformers' layout, or an adapter of PEFT's with
a trained head beside a causal base. Shape legend: S sequences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assay.chat import ChatTokenizer, Message, load_chat_tokenizer
from assay.chat.answered import render_answered
from assay.data.answers import Answer, AnswerRow
from assay.data.portions import build_answer_batch
from assay.errors import ConfigError, GenerationError, Problem
from assay.models.adapters import load_adapter
from assay.models.base import BaseFiles, find_base, load_model, resolve_dtype
from assay.models.forward import packed_mode
from assay.models.score_head import SCORE, add_score_head, compute_end_scores

ADAPTER = "adapter_config.json"
TOKEN_BUDGET = 8192
"""Tokens of one packed pass."""


@dataclass(frozen=True)
class RewardModel:
    """A reward model that is asked for scores of answers.

    Attributes:
        model: scored by `score_sequences`; in evaluation mode.
        tokenizer: whose template renders prompt and answer; without one they are joined as text.
        context_len: tokens that prompt and answer may take together.
    """

    model: Any
    tokenizer: ChatTokenizer
    context_len: int

    def score(self, chats: Sequence[Sequence[Message]]) -> list[float]:
        """The reward of each conversation's last message, in order; any finite number.

        Raises:
            DataError: messages that the template refuses.
            GenerationError: a conversation does not fit into the context; the first is named.
        """
        return self.score_ids([self._render(chat) for chat in chats])

    def score_ids(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        """The same of whole sequences of tokens.

        Raises:
            GenerationError: a sequence is empty, or does not fit into the context.
        """
        for place, ids in enumerate(sequences):
            if not 0 < len(ids) <= self.context_len:
                raise GenerationError(
                    f"conversation {place} has {len(ids)} tokens; the reward model reads 1 to"
                    f" {self.context_len}"
                )
        return score_sequences(self.model, sequences)

    def _render(self, chat: Sequence[Message]) -> list[int]:
        return render_answered(self.tokenizer, chat[:-1], chat[-1:])


@torch.no_grad()
def score_sequences(
    model: Any, sequences: Sequence[Sequence[int]], *, token_budget: int = TOKEN_BUDGET
) -> list[float]:
    """The score of each sequence under a model with a score head, in order; without dropout.

    Sequences are packed, and what neighbours in their order begin with alike is computed once.
    """
    found: dict[int, float] = {}
    training = model.training
    model.eval()
    with packed_mode(model):
        for indices in _chunk(sequences, token_budget):
            rows = [AnswerRow((_as_answer(sequences[index]),)) for index in indices]
            scores = compute_end_scores(model, build_answer_batch(rows)).tolist()
            found |= dict(zip(indices, scores, strict=True))
    model.train(training)
    return [found[index] for index in range(len(sequences))]


def _chunk(sequences: Sequence[Sequence[int]], token_budget: int) -> Iterator[list[int]]:
    """Indices of at most `token_budget` tokens together, those that begin alike side by side."""
    chunk: list[int] = []
    num_tokens = 0
    for index in sorted(range(len(sequences)), key=lambda place: list(sequences[place])):
        if chunk and num_tokens + len(sequences[index]) > token_budget:
            yield chunk
            chunk, num_tokens = [], 0
        chunk.append(index)
        num_tokens += len(sequences[index])
    if chunk:
        yield chunk


def _as_answer(ids: Sequence[int]) -> Answer:
    return Answer(list(ids), [0.0] * len(ids))


def load_reward_model(folder: Path | str, *, device: torch.device | None = None) -> RewardModel:
    """The reward model of a folder: a run's, an adapter, a classifier; or a Hub id of the latter.

    An adapter is put onto the base that its configuration names, in full precision.

    Raises:
        ConfigError: no such folder or base, or a model that gives no single score.
    """
    path = _find_weights(Path(folder))
    if not (path / ADAPTER).is_file():
        base = find_base(str(path))
        model = load_classifier(base, device=device)
        return RewardModel(model, base.tokenizer, base.context_len)
    config = json.loads((path / ADAPTER).read_text(encoding="utf-8"))
    if SCORE not in (config.get("modules_to_save") or ()):
        raise _refuse(f"{folder}, an adapter without a trained head")
    base = find_base(str(config["base_model_name_or_path"]), base_dir=_find_base_dir(path))
    model = load_scored(base, path, device=device)
    tokenizer = load_chat_tokenizer(path) if (path / "tokenizer.json").is_file() else base.tokenizer
    return RewardModel(model, tokenizer, base.context_len)


def load_scored(
    base: BaseFiles, folder: Path, *, dtype: str = "auto", device: torch.device | None = None
) -> Any:
    """The model with a score head that was saved in `folder`: an adapter's on `base`, or whole."""
    if not (folder / ADAPTER).is_file():
        whole = base.with_weights_of(folder)
        return load_classifier(whole, dtype=dtype, device=device)
    model = add_score_head(load_model(base, dtype=dtype, device=device))
    return load_adapter(model, folder).get_base_model()


def load_classifier(
    base: BaseFiles, *, dtype: str = "auto", device: torch.device | None = None
) -> Any:
    """Transformers' sequence classifier of a folder, in evaluation mode; of no score yet, a fresh
    head comes with it.

    Raises:
        ConfigError: it has several labels, or no head that `compute_end_scores` can read.
    """
    from transformers import AutoModelForSequenceClassification

    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _quiet():
        model = AutoModelForSequenceClassification.from_pretrained(
            base.folder,
            num_labels=1,
            dtype=resolve_dtype(dtype, device),
            trust_remote_code=base.trust_remote_code,
            use_safetensors=True,
        )
    head = getattr(model, SCORE, None)
    if getattr(head, "out_features", 0) != 1:
        raise _refuse(f"{base.name}, whose {type(model).__name__} has no head of one score")
    return model.to(device).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Transformers' word on a fresh head, which an adapter's replaces."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _find_weights(folder: Path) -> Path:
    """The folder of the weights: a run has them in one of its own."""
    inner = (folder / name for name in ("adapter", "model"))
    return next((path for path in inner if path.is_dir()), folder)


def _find_base_dir(adapter: Path) -> Path | None:
    """Where a run's recipe lay, from which it names a base by a relative folder."""
    manifest = adapter.parent / "manifest.json"
    if not manifest.is_file():
        return None
    found = json.loads(manifest.read_text(encoding="utf-8")).get("recipe_folder")
    return Path(found) if found else None


def _refuse(got: str) -> ConfigError:
    return ConfigError(
        Problem(
            got=got,
            allowed="a sequence classifier of one label, or an adapter of one",
            do="name the folder of a reward model",
        )
    )
