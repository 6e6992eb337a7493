"""Results of a base are kept by what decided them, and come back as JSON has them."""

import json

from assay.runs.base_results import BaseResults


def count(calls, value):
    def compute():
        calls.append(1)
        return value

    return compute


def test_the_same_question_is_asked_once(tmp_path):
    calls = []
    results = BaseResults(tmp_path, ("base", "fp32"))
    first = results.remember("kl", {"items": [1]}, count(calls, {"a": (1, 2)}))
    again = results.remember("kl", {"items": [1]}, count(calls, None))
    assert first == again == {"a": [1, 2]}
    assert len(calls) == 1


def test_another_base_precision_name_or_key_is_another_question(tmp_path):
    calls = []
    for identity in (("base", "fp32"), ("base", "bf16"), ("other", "fp32")):
        for name in ("kl", "calls"):
            for key in (1, [1]):
                BaseResults(tmp_path, identity).remember(name, key, count(calls, 0.5))
    assert len(calls) == 12


def test_a_torn_file_is_computed_anew_and_without_a_folder_nothing_is_kept(tmp_path):
    calls = []
    results = BaseResults(tmp_path, ("base",))
    results.remember("kl", 1, count(calls, 1.5))
    (file,) = tmp_path.rglob("*.json")
    file.write_text(json.dumps({"identity": ["base"]})[:9])
    assert results.remember("kl", 1, count(calls, 1.5)) == 1.5
    assert BaseResults(None, ("base",)).remember("kl", 1, count(calls, float("nan"))) is None
    assert len(calls) == 3
