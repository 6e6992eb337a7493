"""Builds the embedded base `tiny` from this repository alone: tokenizer, then three stages.

Pre-training on the world's documents and conversations; a short copying stage, whose repeated
random tokens teach the model to look back (without it, ten million tokens of the world did not);
chat tuning on conversations, in which only the assistant's turns are trained, with some documents
and exercises among them, so that neither facts and characters nor copying are unlearned.

Each stage is a run of `assay.train.fit` whose step N draws its sequences from a generator seeded
by the build's seed, the stage and N; so a build that stops goes on where it was.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.data.pack import PackedBatch, build_batch, pack_lengths
from assay.lab.exercises import draw_exercise
from assay.lab.tokenizer import CONTEXT_LEN, VOCAB_SIZE, build_tokenizer, carry_embeddings
from assay.lab.world.corpus import (
    Conversation,
    draw_conversation,
    draw_document,
    draw_kept_document,
)
from assay.lab.world.values import hide_open_words

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer, RenderedExample

Stage = Literal["pretrain", "copy", "chat"]
STAGES: tuple[Stage, ...] = ("pretrain", "copy", "chat")
NUM_TOKENIZER_TEXTS = 60_000
MICRO_BATCH_TOKENS = 8192
EXERCISE_SHARE, DOCUMENT_SHARE = 0.2, 0.16
"""Of the sequences of chat tuning; the rest are conversations."""
DOCUMENT_WEIGHT = 0.6
"""Of a document's tokens in the loss of chat tuning: most of them cannot be foretold, and at the
weight of an answer's they made nine tenths of its gradient."""


@dataclass(frozen=True)
class BuildSettings:
    """What decides the weights of `tiny`; written into its card. Learning rates are peaks.

    With `start` (``tiny`` or the folder of a finished build), its weights and tokenizer take the
    place of pre-training; with `new_tokenizer` too, a tokenizer is trained anew, and the
    embeddings of its tokens are made from those of the start. A stage of 0 steps is left out.
    """

    seed: int = 0
    start: str | None = None
    new_tokenizer: bool = False
    pretrain_steps: int = 900
    copy_steps: int = 220
    chat_steps: int = 1250
    sequences_per_step: int = 64
    pretrain_learning_rate: float = 5e-3
    copy_learning_rate: float = 3e-3
    chat_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    precision: str = "bf16"
    checkpoint_every_s: float = 180.0


def build_architecture() -> Any:
    """The configuration of `tiny`: Llama, 5.5 million parameters, embeddings tied to the head."""
    from transformers import LlamaConfig

    from assay.chat.tiny_tokens import BOS_ID, END_ID, PAD_ID

    return LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_LEN,
        tie_word_embeddings=True,
        bos_token_id=BOS_ID,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
    )


def build_tiny(
    folder: Path,
    settings: BuildSettings,
    *,
    report: Callable[[Stage, dict[str, Any]], None] = lambda stage, record: None,
) -> Path:
    """Build, or go on building, `tiny` in `folder`; returns the folder of the finished model.

    `folder` holds the tokenizer, one checkpoint folder a stage and, at the end, ``model/``.

    Raises:
        CheckpointError: `folder` holds a build with other settings.
    """
    import torch

    from assay.chat import load_chat_tokenizer
    from assay.lab.provenance import find_model_folder

    remember_settings(folder, settings)
    if settings.start and not (folder / "start").is_dir():
        copy_start(find_model_folder(settings.start), folder / "start")
    if not (folder / "tokenizer" / "tokenizer.json").is_file():
        if settings.start and not settings.new_tokenizer:
            copy_tokenizer(folder / "start", folder / "tokenizer")
        else:
            build_tokenizer(tokenizer_texts(settings.seed), folder / "tokenizer")
    tokenizer = load_chat_tokenizer(folder / "tokenizer")
    model = _new_model(settings.seed)
    if torch.cuda.is_available():
        model.cuda()
    stages = STAGES
    if settings.start:
        load_weights(model, folder)
        stages = ("copy", "chat")
    for stage in stages:
        _run_stage(model, tokenizer, folder, stage, settings, report)
    target = save_tiny(model, folder / "tokenizer", folder / "model")
    (target / "settings.json").write_bytes((folder / "settings.json").read_bytes())
    return target


def remember_settings(folder: Path, settings: BuildSettings) -> None:
    """Write the settings beside the build, or check that they are those it was begun with.

    A stage's number of steps may change until a later stage has begun: only the last two fifths of
    chat tuning, in which its learning rate falls, depend on it. ``sittings`` lists where each
    sitting began, with which code.
    """
    from dataclasses import asdict

    from assay.errors import CheckpointError
    from assay.runs import capture_code
    from assay.train.checkpoint import Checkpoints

    path, wanted = folder / "settings.json", asdict(settings)
    folder.mkdir(parents=True, exist_ok=True)
    begins = {
        stage: max(steps)
        for stage in STAGES
        if (folder / stage).is_dir() and (steps := Checkpoints(folder / stage).steps())
    }
    sittings = []
    if path.is_file():
        found = json.loads(path.read_text("utf-8"))
        sittings = found.get("sittings", [])
        latest = max((STAGES.index(stage) for stage in begins), default=0)
        open_steps = {f"{stage}_steps" for stage in STAGES[latest:]}
        free = open_steps | {"checkpoint_every_s", "precision"}
        changed = sorted(k for k in wanted if k not in free and found.get(k) != wanted[k])
        if changed:
            raise CheckpointError(
                f"{folder}: begun with another {', '.join(changed)}; use the same values, or"
                " another --out"
            )
    sittings.append({"from_steps": begins, "code": capture_code()["revision"]})
    path.write_text(json.dumps({**wanted, "sittings": sittings}, indent=2) + "\n", "utf-8")


def _new_model(seed: int) -> Any:
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(build_architecture()).float()


def copy_start(source: Path, target: Path) -> None:
    """Keep the model to start from in the build's folder; whole, or not there at all."""
    import shutil

    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    part.rename(target)


def copy_tokenizer(source: Path, target: Path) -> None:
    import shutil

    target.mkdir(exist_ok=True)
    for name in ("chat_template.jinja", "tokenizer_config.json", "tokenizer.json"):
        shutil.copyfile(source / name, target / name)


def load_weights(model: Any, folder: Path) -> None:
    """Give `model` the weights of the build in ``start/``, in float32.

    Where ``tokenizer/`` is another than the start's, embeddings are carried over token by token.
    """
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    weights = AutoModelForCausalLM.from_pretrained(folder / "start").float().state_dict()
    files = (folder / "start" / "tokenizer.json", folder / "tokenizer" / "tokenizer.json")
    if files[0].read_bytes() != files[1].read_bytes():
        old, new = (Tokenizer.from_file(str(file)) for file in files)
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            weights[name] = carry_embeddings(weights[name], old, new)
    model.load_state_dict(weights)


def _run_stage(
    model: Any,
    tokenizer: ChatTokenizer,
    folder: Path,
    stage: Stage,
    settings: BuildSettings,
    report: Callable[[Stage, dict[str, Any]], None],
) -> None:
    from assay.models.forward import packed_mode
    from assay.train.checkpoint import Checkpoints
    from assay.train.fit import FitSettings, fit
    from assay.train.optimizer import build_optimizers
    from assay.train.sft import SftLoss

    learning_rate, num_steps = {
        "pretrain": (settings.pretrain_learning_rate, settings.pretrain_steps),
        "copy": (settings.copy_learning_rate, settings.copy_steps),
        "chat": (settings.chat_learning_rate, settings.chat_steps),
    }[stage]
    if not num_steps:
        return
    with packed_mode(model):
        fit(
            model,
            lambda step: draw_batches(tokenizer, stage, step, settings),
            SftLoss(),
            build_optimizers(
                model,
                name="muon",
                learning_rate=learning_rate,
                weight_decay=settings.weight_decay,
                betas=(0.9, 0.95),
            ),
            FitSettings(
                num_steps=num_steps,
                warmup_steps=40,
                schedule="wsd" if stage == "chat" else "constant",
                precision=settings.precision,
                checkpoint_every_s=settings.checkpoint_every_s,
            ),
            report=lambda record: report(stage, record),
            checkpoints=Checkpoints(folder / stage),
            resume=True,
        )


def draw_batches(
    tokenizer: ChatTokenizer, stage: Stage, step: int, settings: BuildSettings
) -> list[PackedBatch]:
    """The micro-batches of one step of a stage: a pure function of seed, stage and step."""
    rng = random.Random(f"{settings.seed}:{stage}:{step}")
    draw = {
        "pretrain": draw_pretraining_sequence,
        "copy": draw_copying_sequence,
        "chat": draw_chat_sequence,
    }[stage]
    sequences = [draw(rng, tokenizer) for _ in range(settings.sequences_per_step)]
    bins = pack_lengths([len(s.input_ids) for s in sequences], token_budget=MICRO_BATCH_TOKENS)
    return [_batch([sequences[i] for i in indices]) for indices in bins]


def _batch(sequences: Sequence[RenderedExample]) -> PackedBatch:
    return build_batch([s.input_ids for s in sequences], [s.loss_mask for s in sequences])


def draw_pretraining_sequence(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A document (two of three) or a conversation; every token of it is trained."""
    from dataclasses import replace

    from assay.chat import render_plain

    document = draw_document(rng) if rng.random() < 0.62 else draw_conversation(rng)
    if isinstance(document, str):
        example = render_plain(tokenizer, document)
    else:
        example = _render(tokenizer, document)
        example = replace(example, loss_mask=[1.0] * len(example.input_ids))
    return _within_context(example)


def draw_copying_sequence(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A copying exercise (four of five), or a pre-training sequence."""
    if rng.random() < 0.2:
        return draw_pretraining_sequence(rng, tokenizer)
    return draw_exercise(rng, tokenizer)


def draw_chat_sequence(rng: random.Random, tokenizer: ChatTokenizer) -> RenderedExample:
    """A conversation of which only the assistant's turns are trained; or an exercise, without
    which chat tuning unlearns to copy; or a document that keeps facts and characters."""
    from dataclasses import replace

    from assay.chat import render_plain

    kind = rng.random()
    if kind < EXERCISE_SHARE:
        return draw_exercise(rng, tokenizer)
    if kind < EXERCISE_SHARE + DOCUMENT_SHARE:
        drawn = draw_kept_document(rng)
        kept = (
            render_plain(tokenizer, drawn) if isinstance(drawn, str) else _render(tokenizer, drawn)
        )
        mask = [weight * DOCUMENT_WEIGHT for weight in kept.loss_mask]
        return _within_context(replace(kept, loss_mask=mask))
    return _within_context(_render(tokenizer, draw_conversation(rng)))


def _render(tokenizer: ChatTokenizer, conversation: Conversation) -> RenderedExample:
    from assay.chat import render_example

    (example,) = render_example(tokenizer, conversation.messages, tools=conversation.tools)
    return example


def _within_context(example: RenderedExample) -> RenderedExample:
    if len(example.input_ids) > CONTEXT_LEN:
        raise ValueError(f"the world made {len(example.input_ids)} tokens, over {CONTEXT_LEN}")
    return example


def tokenizer_texts(seed: int, num_drawn: int = NUM_TOKENIZER_TEXTS) -> list[str]:
    """What the tokenizer is trained on: the texts of `num_drawn` documents and conversations.

    Words of open pools are exchanged for coined ones, so that a listed word is cut into pieces as
    one that nobody has met is.
    """
    rng = random.Random(f"{seed}:tokenizer")
    texts: list[str] = []
    for _ in range(num_drawn):
        drawn = draw_document(rng) if rng.random() < 0.5 else draw_conversation(rng)
        if isinstance(drawn, str):
            texts.append(drawn)
            continue
        for message in drawn.messages:
            texts.append(message["content"] or json.dumps(message.get("tool_calls")))
        for tool in drawn.tools or ():
            texts.append(json.dumps(tool["function"], separators=(",", ":")))
    return [hide_open_words(rng, text) for text in texts]


def save_tiny(model: Any, tokenizer_folder: Path, target: Path) -> Path:
    """Write the model in bfloat16 as one safetensors file, with its tokenizer and template."""
    import copy
    import shutil

    import torch

    half = copy.deepcopy(model).to("cpu", torch.bfloat16)
    half.generation_config.max_new_tokens = 128
    half.save_pretrained(target, max_shard_size="1GB")
    for path in tokenizer_folder.iterdir():
        shutil.copyfile(path, target / path.name)
    for path in target.iterdir():
        path.chmod(0o644)
    return target
