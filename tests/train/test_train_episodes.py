"""Rollouts of several turns: what the model wrote is learned from, what it was told is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import transformers as hf
from small_models import SHAPE

from assay.chat import ChatTokenizer, load_chat_tokenizer, render_prompt
from assay.data import TokenSequence
from assay.data.asked import Asked
from assay.generate.local import LocalEngine
from assay.graders import build_grader
from assay.graders.environment import Action
from assay.graders.play import Playing
from assay.models.base import tiny_folder
from assay.models.forward import packed_mode
from assay.train.answers import compute_answer_logprobs
from assay.train.credit import GroupCredit
from assay.train.policy import PolicyLoss, PolicySettings
from assay.train.rollout_settings import RolloutSettings
from assay.train.rollouts import Rollouts

TOLD = "And then?"
STOP = 2


class Talk:
    """Asks on for three turns; a turn is worth its number of different characters, in hundreds."""

    def setup(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.left = int(row["turns"])
        return [{"role": "user", "content": f"Item {row['name']}?"}]

    def step(self, action: Action) -> tuple[str, float, bool]:
        self.left -= 1
        return TOLD, len(set(action.text)) / 100, self.left == 0


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(tiny_folder())


@pytest.fixture(scope="module")
def model() -> Any:
    """A random model over the tokens of `tiny` that stops after a few tokens, and sometimes not."""
    torch.manual_seed(0)
    config = {**SHAPE, "vocab_size": 4096, "max_position_embeddings": 512}
    phi = hf.PhiForCausalLM(hf.PhiConfig(**config))
    torch.nn.init.zeros_(phi.lm_head.bias)
    with torch.no_grad():
        phi.lm_head.bias[STOP] = 6.0
    return phi


def _make(model: Any, tokenizer: ChatTokenizer, **settings: Any) -> Rollouts:
    prompts = [
        TokenSequence(
            render_prompt(tokenizer, [{"role": "user", "content": "not asked"}]),
            [],
            f"{n}",
            "chat",
            f"a:{n}",
            asked=Asked((), item={"name": f"{n}", "turns": 3}),
        )
        for n in range(3)
    ]
    given: dict[str, Any] = {"group_size": 6, "max_new_tokens": 12, "batch_size": 3}
    engine = LocalEngine(model, tokenizer, batch_size=8, context_len=512)
    return Rollouts(
        model,
        engine,
        build_grader({"type": "episode"}),
        prompts,
        GroupCredit(),
        RolloutSettings(**given | {"token_budget": 512} | settings),
        playing=Playing(Talk, tokenizer, 512, 4),
    )


def _split(ids: list[int], mask: list[float]) -> tuple[list[int], list[int]]:
    own = [token for token, flag in zip(ids, mask, strict=True) if flag > 0]
    return own, [token for token, flag in zip(ids, mask, strict=True) if not flag]


def test_the_models_own_tokens_alone_are_targets_with_the_odds_they_were_sampled_at(
    model: Any, tokenizer: ChatTokenizer
) -> None:
    told = f"<|user|>{TOLD}<|end|><|assistant|>"
    turns = set()
    with packed_mode(model):
        for batch in _make(model, tokenizer, temperature=0.9)(0):
            with torch.no_grad():
                found = compute_answer_logprobs(model, batch, temperature=0.9)
            answers = [answer for row in batch.rows for answer in row.answers]
            sampled = [x for one in answers for x in one.sampled.sampled_logprobs]
            torch.testing.assert_close(
                found.logprobs_N, torch.tensor(sampled), atol=1e-4, rtol=1e-4
            )
            for answer in answers:
                own, other = _split(answer.input_ids, answer.loss_mask)
                text = tokenizer.decode(other, skip_special=False)
                start, _, rest = text.partition("?<|end|><|assistant|>")
                assert start.startswith("<|bos|><|user|>Item ") and rest == told * rest.count(TOLD)
                assert len(own) == len(answer.sampled.advantages)
                assert own.count(STOP) in (rest.count(TOLD), rest.count(TOLD) + 1)
                turns.add(own.count(STOP))
    assert {0, 3} <= turns, "some are cut off in the first turn, some come to the end"


def test_rewards_are_the_environments_and_observations_move_nothing(
    model: Any, tokenizer: ChatTokenizer
) -> None:
    rollouts = _make(model, tokenizer)
    with packed_mode(model):
        batches = rollouts(0)
        rewards = [reward for group in rollouts.groups for reward in group.rewards]
        assert max(rewards) > 0 and len(set(rewards)) > 3
        loss = PolicyLoss(PolicySettings("likelihood"))
        total = sum(loss(model, batch) for batch in batches)
    expected = torch.zeros(())
    for answer in (a for batch in batches for row in batch.rows for a in row.answers):
        ids = torch.tensor([answer.input_ids])
        logprobs = model(ids).logits[0, :-1].log_softmax(-1)
        each = logprobs.gather(1, ids[0, 1:, None]).squeeze(1)
        weights, values = torch.tensor(answer.loss_mask[1:]), iter(answer.sampled.advantages)
        advantages = torch.tensor([next(values) if w > 0 else 0.0 for w in weights.tolist()])
        expected = expected - (each * weights * advantages).sum()
    assert isinstance(total, torch.Tensor)
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-4)


def test_an_episode_follows_step_and_seed_alone(model: Any, tokenizer: ChatTokenizer) -> None:
    def show(seed: int) -> list[list[int]]:
        batches = _make(model, tokenizer, seed=seed)(0)
        return sorted(a.input_ids for b in batches for row in b.rows for a in row.answers)

    with packed_mode(model):
        assert show(0) == show(0) != show(1)
