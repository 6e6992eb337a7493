"""An engine of ours as a model of lm-evaluation-harness; it knows no task and no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from assay.chat import ChatTokenizer
from assay.generate import Engine, Sampling

DEFAULT_NEW_TOKENS = 256
"""Longest answer of a task that names no length; the harness's own models have as many."""


def build_model(engine: Engine, tokenizer: ChatTokenizer, *, context_len: int, seed: int) -> Any:
    """The engine as a model of the harness (an instance of its class `TemplateLM`)."""
    from lm_eval.api.model import TemplateLM

    class EngineModel(TemplateLM):  # type: ignore[misc]
        """Encodes, and hands on; the harness's own class pairs prompts with continuations."""

        @property
        def eot_token_id(self) -> int:
            return int([*tokenizer.prefix_ids, *tokenizer.eos_ids][0])

        def tok_encode(
            self, string: str, add_special_tokens: bool | None = None, **given: Any
        ) -> list[int]:
            start = [] if add_special_tokens is False else tokenizer.prefix_ids
            return [*start, *tokenizer.encode(string)]

        def loglikelihood(
            self, requests: Sequence[Any], disable_tqdm: bool = False
        ) -> list[tuple[float, bool]]:
            found = super().loglikelihood(requests, disable_tqdm=True)
            alone = find_alone([(one.task_name, one.doc_id) for one in requests])
            asked = [(self.tok_encode(requests[i].args[0]), requests[i].args[1]) for i in alone]
            texts = [(prompt or [self.eot_token_id], wanted) for prompt, wanted in asked]
            greedy = find_greedy(engine, tokenizer, texts, context_len=context_len)
            for place, is_greedy in zip(alone, greedy, strict=True):
                found[place] = (found[place][0], is_greedy)
            return list(found)

        def _loglikelihood_tokens(
            self, requests: Sequence[Any], disable_tqdm: bool = False, **given: Any
        ) -> list[tuple[float, bool]]:
            pairs = [(before, after) for _, before, after in requests]
            sums = score_pairs(engine, pairs, context_len=context_len)
            return [(total, False) for total in sums]

        def loglikelihood_rolling(
            self, requests: Sequence[Any], disable_tqdm: bool = False
        ) -> list[float]:
            texts = [tokenizer.encode(one.args[0]) for one in requests]
            start = self.eot_token_id
            return [score_text(engine, start, text, context_len=context_len) for text in texts]

        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
            asked = [(self.tok_encode(one.args[0]), dict(one.args[1])) for one in requests]
            return write_until(engine, asked, context_len=context_len, seed=seed)

    return EngineModel()


def score_pairs(
    engine: Engine, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, context_len: int
) -> list[float]:
    """Σ log p (nats) of each continuation after its prompt.

    A prompt that is too long loses its beginning, as with the harness's own models.
    """
    sequences = []
    for before, after in pairs:
        kept = [*before, *after][-context_len:]
        start = max(1, len(kept) - len(after))
        sequences.append((kept, [0.0] * start + [1.0] * (len(kept) - start)))
    return [score.sum_logprob for score in engine.score(sequences)]


def score_text(engine: Engine, start: int, text: Sequence[int], *, context_len: int) -> float:
    """Σ log p of a whole text after the token `start`, in windows that follow one another.

    Every token is scored once; windows after the first begin with the token before them, as the
    harness's own rolling windows do.
    """
    size = context_len - 1
    tokens = [start, *text]
    sequences = []
    for done in range(0, len(text), size):
        window = tokens[done : done + size + 1]
        sequences.append((window, [0.0] + [1.0] * (len(window) - 1)))
    return sum(score.sum_logprob for score in engine.score(sequences))


def find_alone(owners: Sequence[tuple[str, int]]) -> list[int]:
    """Places of requests that are their document's only one: there "greedy" is what is scored."""
    counts = Counter(owners)
    return [place for place, owner in enumerate(owners) if counts[owner] == 1]


def find_greedy(
    engine: Engine,
    tokenizer: ChatTokenizer,
    asked: Sequence[tuple[Sequence[int], str]],
    *,
    context_len: int,
) -> list[bool]:
    """Whether greedy decoding after each prompt begins with the wanted text's tokens."""
    wanted = [tokenizer.encode(text) for _, text in asked]
    longest = max(map(len, wanted), default=0)
    prompts = [list(prompt[-(context_len - longest) :]) for prompt, _ in asked]
    if not prompts:
        return []
    written = engine.generate(prompts, Sampling(max_new_tokens=longest))
    return [
        list(one.token_ids[: len(tokens)]) == tokens
        for one, tokens in zip(written, wanted, strict=True)
    ]


def write_until(
    engine: Engine,
    asked: Sequence[tuple[Sequence[int], Mapping[str, Any]]],
    *,
    context_len: int,
    seed: int,
) -> list[str]:
    """The answer to each prompt up to the first of its stop texts; all of one length at once."""
    texts = [""] * len(asked)
    groups: dict[tuple[int, float], list[int]] = {}
    for place, (_, given) in enumerate(asked):
        length = int(given.get("max_gen_toks") or DEFAULT_NEW_TOKENS)
        temperature = float(given.get("temperature") or 0.0) if given.get("do_sample") else 0.0
        groups.setdefault((min(length, context_len // 2), temperature), []).append(place)
    for (length, temperature), places in groups.items():
        prompts = [list(asked[place][0][-(context_len - length) :]) for place in places]
        sampling = Sampling(max_new_tokens=length, temperature=temperature, seed=seed)
        written = engine.generate(prompts, sampling, places=places)
        for place, one in zip(places, written, strict=True):
            texts[place] = cut_at(one.text, asked[place][1].get("until") or ())
    return texts


def cut_at(text: str, stops: str | Sequence[str]) -> str:
    """`text` up to the first of `stops`."""
    listed = [stops] if isinstance(stops, str) else list(stops)
    found = [at for stop in listed if stop and (at := text.find(stop)) >= 0]
    return text[: min(found, default=len(text))]
