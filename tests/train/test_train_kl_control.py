"""The weight of the divergence: by hand, led to a target, and the same after a resumption."""

from pathlib import Path

import pytest

from assay.errors import CheckpointError
from assay.train.kl_control import KlControl


def test_a_fixed_weight_stays_and_keeps_nothing(tmp_path: Path) -> None:
    control = KlControl(0.1, path=tmp_path / "kl.jsonl")
    control.note(0, kl=50.0, num_completions=64)
    assert [control.get(n) for n in range(3)] == [0.1] * 3
    assert not (tmp_path / "kl.jsonl").exists()


def test_the_weight_follows_the_error_by_hand(tmp_path: Path) -> None:
    control = KlControl(0.1, target=6.0, horizon=1000, path=tmp_path / "kl.jsonl")
    control.note(0, kl=6.6, num_completions=100)
    assert control.get(1) == pytest.approx(0.1 * (1 + 0.1 * 0.1))
    control.note(1, kl=60.0, num_completions=100)
    assert control.get(2) == pytest.approx(0.1 * 1.01 * (1 + 0.2 * 0.1))
    control.note(2, kl=0.0, num_completions=100)
    assert control.get(3) == pytest.approx(0.1 * 1.01 * 1.02 * (1 - 0.2 * 0.1))


def test_a_model_that_moves_with_its_freedom_comes_to_the_target() -> None:
    control = KlControl(1.0, target=4.0, horizon=200)
    for number in range(400):
        control.note(number, kl=1.0 / control.get(number), num_completions=64)
    assert 1.0 / control.get(400) == pytest.approx(4.0, rel=0.05)


def test_a_resumed_run_has_the_very_same_weights(tmp_path: Path) -> None:
    path = tmp_path / "rollouts" / "kl.jsonl"
    whole = KlControl(0.1, target=2.0, horizon=100, path=path)
    for number, kl in enumerate((0.3, 1.7, 2.9, 4.4)):
        whole.note(number, kl=kl, num_completions=7)
    expected = [whole.get(number) for number in range(5)]
    again = KlControl(0.1, target=2.0, horizon=100, path=path)
    assert [again.get(number) for number in range(5)] == expected
    # From the checkpoint before rollout 2 the rest is read anew.
    again.note(2, kl=2.9, num_completions=7)
    with pytest.raises(CheckpointError, match="no reading of rollout 3"):
        again.get(4)
    again.note(3, kl=4.4, num_completions=7)
    assert [again.get(number) for number in range(5)] == expected


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kl.jsonl"
    path.write_text('{"rollout": 0}\n', encoding="utf-8")
    with pytest.raises(CheckpointError, match="not as this run wrote it"):
        KlControl(0.1, target=2.0, path=path)
