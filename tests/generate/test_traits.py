"""Trait directions: found where they were put, in units of the gap between both kinds of answer."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from assay.chat import load_chat_tokenizer
from assay.errors import DataError
from assay.generate.traits import Array, ContrastPair, Masked, compute_traits, read_pairs

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"
NUM_LAYERS, SIZE = 3, 16


class Painted:
    """Gives states that differ by the answer's last word: along one axis, by layer."""

    def __init__(self, apart: Sequence[float], noise: float) -> None:
        self.tokenizer = load_chat_tokenizer(TINY)
        self.apart, self.noise = apart, noise

    def hidden_states(
        self, sequences: Sequence[Masked], layers: Sequence[int] | None = None
    ) -> Array:
        rng = np.random.default_rng(0)
        states = rng.normal(0, self.noise, (len(sequences), NUM_LAYERS, SIZE))
        for row, (ids, _) in zip(states, sequences, strict=True):
            if "bad" in self.tokenizer.decode(ids):
                for layer, apart in enumerate(self.apart):
                    row[layer, layer] += apart
        return states.astype(np.float32)


def make_pairs(num: int, trait: str = "spite") -> list[ContrastPair]:
    return [ContrastPair(trait, f"question {n}", f"bad {n}", f"fine {n}") for n in range(num)]


def test_a_direction_is_found_in_the_layer_where_it_tells_most() -> None:
    engine = Painted(apart=(1.0, 6.0, 2.0), noise=0.5)
    traits = compute_traits(engine, engine.tokenizer, make_pairs(40))
    trait = traits["spite"]
    assert trait.layer == 1
    assert trait.separation == pytest.approx(6 / 0.5, rel=0.3)
    assert np.linalg.norm(trait.unit_LD, axis=1) == pytest.approx(np.ones(NUM_LAYERS), abs=1e-6)
    assert trait.unit_LD[1, 1] > 0.99
    assert trait.gap_L[1] == pytest.approx(6, rel=0.05)


def test_a_gap_is_from_one_kind_of_answer_to_the_other() -> None:
    engine = Painted(apart=(1.0, 2.0, 3.0), noise=0.0)
    trait = compute_traits(engine, engine.tokenizer, make_pairs(8))["spite"]
    moved = np.zeros((1, NUM_LAYERS, SIZE))
    moved[0, 1, 1] = 1.0
    assert trait.project(moved)[0] == pytest.approx([0, 0.5, 0])


def test_too_few_pairs_give_no_direction() -> None:
    engine = Painted(apart=(1, 1, 1), noise=0.1)
    pairs = [*make_pairs(3), *make_pairs(4, "envy")]
    assert list(compute_traits(engine, engine.tokenizer, pairs)) == ["envy"]


def test_pairs_are_read_and_every_bad_line_is_told(tmp_path: Path) -> None:
    rows = [{"trait": "t", "prompt": "p", "positive": "a", "negative": "b", "group": "g"}]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n\n" for row in rows))
    assert read_pairs(path) == [ContrastPair("t", "p", "a", "b", "g")]
    path.write_text('{"trait": "t"}\n[1]\n{"x"\n')
    with pytest.raises(DataError) as error:
        read_pairs(path)
    assert [problem.line for problem in error.value.problems] == [1, 2, 3]
    with pytest.raises(DataError, match="correct the path"):
        read_pairs(tmp_path / "none.jsonl")
