"""Building `tiny`: interrupted and continued gives the very weights of an uninterrupted build."""

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import BPE

from assay.chat import load_chat_tokenizer
from assay.cli import main
from assay.errors import CheckpointError
from assay.lab.build import (
    DOCUMENT_WEIGHT,
    STAGES,
    BuildSettings,
    build_tiny,
    draw_batches,
    draw_chat_sequence,
    remember_settings,
    tokenizer_texts,
)
from assay.lab.provenance import describe_build, describe_model, find_model_folder
from assay.lab.tokenizer import SPACE, VOCAB_SIZE, build_tokenizer, carry_embeddings
from assay.lab.world.values import CITIES, HELD_OUT_WORDS, coined

SETTINGS = BuildSettings(
    pretrain_steps=2, copy_steps=2, chat_steps=2, sequences_per_step=2, checkpoint_every_s=1e9
)


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of the right form from few texts, so that it is made in a second."""
    folder = tmp_path_factory.mktemp("made") / "tokenizer"
    build_tokenizer(tokenizer_texts(0, 600), folder)
    return folder


def _begin(tokenizer_folder: Path, folder: Path) -> Path:
    shutil.copytree(tokenizer_folder, folder / "tokenizer")
    return folder


def _interrupt_at(stage: str, step: int) -> Any:
    def report(name: str, record: dict[str, Any]) -> None:
        if (name, record["step"]) == (stage, step):
            raise KeyboardInterrupt

    return report


def test_an_interrupted_build_ends_with_the_weights_of_an_uninterrupted_one(
    tokenizer_folder: Path, tmp_path: Path
) -> None:
    records: list[tuple[str, int]] = []
    whole = build_tiny(
        _begin(tokenizer_folder, tmp_path / "whole"),
        SETTINGS,
        report=lambda stage, record: records.append((stage, record["step"])),
    )
    assert records == [(stage, step) for stage in STAGES for step in (1, 2)]
    folder = _begin(tokenizer_folder, tmp_path / "parts")
    for stage in STAGES:
        with pytest.raises(KeyboardInterrupt):
            build_tiny(folder, SETTINGS, report=_interrupt_at(stage, 1))
        torch.manual_seed(12345)
    parts = build_tiny(folder, SETTINGS)
    expected = load_file(whole / "model.safetensors")
    found = load_file(parts / "model.safetensors")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    described = describe_model(find_model_folder(str(tmp_path / "parts")))
    assert described["weights_bytes"] < 16 * 2**20 and described["num_parameters"] < 8_000_000
    assert described["weights_sha256"] == describe_model(whole)["weights_sha256"]
    steps = "--pretrain-steps 2 --copy-steps 2 --chat-steps 2 --sequences-per-step 2"
    assert describe_build(whole)["command"] == f"assay lab build {steps}"
    remember_settings(tmp_path / "whole", replace(SETTINGS, chat_steps=3))
    with pytest.raises(CheckpointError, match="another copy_steps, pretrain_steps"):
        remember_settings(
            tmp_path / "whole", replace(SETTINGS, pretrain_steps=3, copy_steps=3, chat_steps=3)
        )
    unmoved = BuildSettings(
        start=str(whole), copy_steps=0, chat_steps=1, sequences_per_step=2, chat_learning_rate=0.0
    )
    again = build_tiny(tmp_path / "again", unmoved)
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert describe_build(again)["start"] == {
        "weights_sha256": describe_model(whole)["weights_sha256"],
        "command": describe_build(whole)["command"],
    }
    (tmp_path / "other").mkdir()
    build_tokenizer(tokenizer_texts(1, 300), tmp_path / "other" / "tokenizer")
    retold = build_tiny(tmp_path / "other", replace(unmoved, new_tokenizer=True))
    assert describe_build(retold)["command"].startswith(f"assay lab build --start {whole} --new-")
    old, new = (load_file(folder / "model.safetensors") for folder in (whole, retold))
    different = {name for name in old if not torch.equal(old[name], new[name])}
    assert different == {"model.embed_tokens.weight"}


def test_a_word_is_cut_into_the_same_pieces_wherever_it_stands(tokenizer_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    rng = random.Random(0)
    words = [*(coined(rng) for _ in range(200)), *HELD_OUT_WORDS, *CITIES.seen, "42x"]
    different = []
    for word in words:
        spaced = tokenizer.encode(f"so {word}").tokens
        forms = [tokenizer.encode(text).tokens[1:] for text in (f'"{word}', f"\n{word}")]
        assert forms[0] == forms[1], word
        assert tokenizer.decode(tokenizer.encode(f'"{word} {word}"').ids) == f'"{word} {word}"'
        cut = "".join(spaced).partition(SPACE)[2]
        assert cut == "".join(forms[0]), word
        if [piece for piece in (t.lstrip(SPACE) for t in spaced[1:]) if piece] != forms[0]:
            different.append(word)
    assert not different


def test_embeddings_are_carried_over_by_what_tokens_spell() -> None:
    old = Tokenizer(
        BPE(
            vocab={"a": 0, "b": 1, "c": 2, SPACE: 3, "ab": 4, f"{SPACE}ab": 5},
            merges=[("a", "b"), (SPACE, "ab")],
        )
    )
    new = Tokenizer(
        BPE(
            vocab={"a": 0, "b": 1, "c": 2, SPACE: 3, "ab": 4, "bc": 5, "abc": 6},
            merges=[("b", "c"), ("a", "bc"), ("a", "b")],
        )
    )
    before = torch.eye(6)
    after = carry_embeddings(before, old, new)
    assert after.shape == (VOCAB_SIZE, 6)
    assert torch.equal(after[:4], before[:4]), "the same token, with no spaced form"
    assert after[4].tolist() == [0, 0, 0, 0, 0.5, 0.5], "with and without a space before it"
    assert after[5].tolist() == [0, 0.5, 0.5, 0, 0, 0], "the pieces b and c"
    assert after[6].tolist() == [0, 0, 0.5, 0, 0.5, 0], "the pieces ab and c"
    assert not after[7:].any()


def test_a_build_does_not_go_on_with_other_settings(tokenizer_folder: Path, tmp_path: Path) -> None:
    remember_settings(tmp_path, SETTINGS)
    with pytest.raises(CheckpointError, match="another seed"):
        remember_settings(tmp_path, BuildSettings(**{**SETTINGS.__dict__, "seed": 1}))


def test_the_batches_of_a_step_depend_on_seed_stage_and_step_alone(tokenizer_folder: Path) -> None:
    tokenizer = load_chat_tokenizer(tokenizer_folder)
    batches = draw_batches(tokenizer, "chat", 1, SETTINGS)
    assert batches == draw_batches(tokenizer, "chat", 1, SETTINGS)
    assert batches != draw_batches(tokenizer, "chat", 2, SETTINGS)
    assert batches != draw_batches(tokenizer, "pretrain", 1, SETTINGS)
    assert batches != draw_batches(tokenizer, "copy", 1, SETTINGS)
    assert sum(len(batch.sequence_lengths) for batch in batches) == 2


def test_documents_weigh_less_than_answers_in_chat_tuning(tokenizer_folder: Path) -> None:
    tokenizer = load_chat_tokenizer(tokenizer_folder)
    rng = random.Random(3)
    weights = [set(draw_chat_sequence(rng, tokenizer).loss_mask) for _ in range(200)]
    documents = [found for found in weights if DOCUMENT_WEIGHT in found]
    assert all(found <= {0.0, 1.0} or found <= {0.0, DOCUMENT_WEIGHT} for found in weights)
    assert 16 <= len(documents) <= 50, "a sixth of the sequences are documents"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--precision", "fp8"], "fp8, allowed bf16 or fp32"),
        (["build", "--chat-steps", "0"], "'--chat-steps'"),
        (["build", "--new-tokenizer"], "--new-tokenizer without --start"),
        (["measure", "no-such-folder"], "where no model lies"),
    ],
)
def test_what_the_command_cannot_do_ends_in_one_located_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["lab", *arguments, *out]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
