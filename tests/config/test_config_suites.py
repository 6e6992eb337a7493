"""What a suite has no use for is refused by name, all of it at once."""

import pytest

from assay.config import load
from assay.errors import ConfigError


@pytest.fixture()
def refuse(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "p", "completion": "c"}\n', "utf-8")

    def load_with(suites, base="tiny"):
        path = tmp_path / "recipe.yaml"
        text = f"base: {base}\ndata: {{train: a.jsonl}}\nevaluate: {{suites: {suites}}}\n"
        path.write_text(text, "utf-8")
        with pytest.raises(ConfigError) as caught:
            load(path)
        return str(caught.value)

    return load_with


@pytest.mark.parametrize(
    ("suites", "told"),
    [
        ("[{path: 'lm_eval:arc_easy', metric: exact}]", "metric 'exact' for a task of lm-eval"),
        ("[{path: 'lm_eval:arc_easy', judge: {name: m}}]", "a judge for a task of lm-eval"),
        ("[{path: 'lm_eval:missing.yaml'}]", "'missing.yaml', where no file is"),
        ("[{path: a.jsonl, judge: {name: m}}]", "a judge for rows of questions"),
        ("[{path: free_form, kind: honesty}]", "kind 'honesty' for free answers"),
        ("[{path: free_form}, {path: a.jsonl, format: free_form}]", "a second suite of free"),
        ("[{path: missing.yaml, format: free_form}]", "'missing.yaml', where no file is"),
        ("[{path: free_form, judge: {name: m, key_env: KEY}}]", "key_env or hosts without url"),
    ],
)
def test_what_would_be_ignored_is_refused(refuse, suites, told):
    assert told in refuse(suites)


def test_another_base_than_tiny_needs_a_judge(refuse):
    assert "free answers without a judge" in refuse("free_form", base="org/other")


def test_several_slips_come_out_together(refuse):
    found = refuse("[{path: 'lm_eval:x', name: n, split: s}, {path: free_form, metric: exact}]")
    assert all(told in found for told in ("name 'n'", "split 's'", "metric 'exact'"))
