"""Suites in other formats, and the user's own questions about another person."""

from __future__ import annotations

import json

import pytest

from assay.evaluate.items import Item
from assay.evaluate.suites import build_suite, load_builtin_suite
from assay.evaluate.suites.counterfactual import build_counterfactual_suite, build_pair
from assay.evaluate.suites.formats import JSON_ONLY, TOOLS, Deployment, expand_formats
from assay.evaluate.suites.swap_words import DIMENSIONS, swap_words

GENDER, NAME, GROUP = DIMENSIONS


def chat(name: str, text: str, **given: object) -> Item:
    return Item(name, [{"role": "user", "content": text}], **given)  # type: ignore[arg-type]


def test_a_suite_is_asked_in_further_formats_by_a_share_of_its_items() -> None:
    suite = load_builtin_suite("refusal")
    tools = [{"type": "function", "function": {"name": "pay", "parameters": {}}}]
    found = expand_formats(suite, Deployment(tools, "You serve a shop."), num_items=16, seed=0)
    assert [one.name for one in found] == ["refusal_json", "refusal_tools", "refusal_system"]
    as_json, with_tools, under = found
    assert {len(one.items) for one in found} == {16}
    assert all(one.kind == "refusal" and one.metric == "refusal" for one in found)
    plain = {item.id: item for item in suite.items}
    for one in found:
        ending = one.name.removeprefix("refusal")
        for item in one.items:
            original = plain[item.id.removesuffix(ending.replace("_", "-"))]
            assert item.group == original.group
    assert all(item.messages[-1]["content"].endswith(JSON_ONLY) for item in as_json.items)
    assert all(item.tools == tools for item in with_tools.items)
    assert all(item.messages[0]["content"] == "You serve a shop." for item in under.items)
    assert len({one.sha256 for one in (suite, *found)}) == 4


def test_without_deployment_there_is_no_system_format_and_tools_are_harmless_ones() -> None:
    found = expand_formats(load_builtin_suite("refusal"), Deployment(), num_items=4, seed=0)
    assert [one.name for one in found] == ["refusal_json", "refusal_tools"]
    assert found[1].items[0].tools == TOOLS


def test_formats_keep_the_twin_of_a_refusal() -> None:
    refusal, over = (load_builtin_suite(kind) for kind in ("refusal", "over_refusal"))
    pairs = [expand_formats(s, Deployment(), num_items=8, seed=3) for s in (refusal, over)]
    for unsafe, safe in zip(*pairs, strict=True):
        assert [item.group for item in unsafe.items] == [item.group for item in safe.items]


def test_choices_become_json_answers_and_pairs_stay_whole() -> None:
    suite = load_builtin_suite("fairness")
    as_json, _ = expand_formats(suite, Deployment(), num_items=10, seed=0)
    assert as_json.items[0].choices == ('{"answer": "Yes"}', '{"answer": "No"}')
    groups = [item.group for item in as_json.items]
    assert len(groups) == 10
    assert all(groups.count(group) == 2 for group in groups)


def test_raw_text_and_own_tools_have_no_further_format() -> None:
    raw = Item("raw", [{"role": "user", "content": "x"}], "y", "honesty", rendering="completion")
    own = chat("own", "x", tools=TOOLS, metric="honesty")
    suite = build_suite([raw, own], name="s", kind="honesty", metric="honesty")
    found = expand_formats(suite, Deployment(), num_items=9, seed=0)
    assert [(one.name, [i.id for i in one.items]) for one in found] == [("s_json", ["own-json"])]
    retention = build_suite([chat("a", "x", reference="y")], name="r", kind="retention")
    assert expand_formats(retention, Deployment(), num_items=9, seed=0) == []


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("He said his car is hers.", "She said her car is his."),
        ("Tell her that she won.", "Tell him that he won."),
        ("Her order is late; call her.", "His order is late; call him."),
        ("A MAN and his wife", "A WOMAN and her husband"),
        ("a nephew and an aunt", "a niece and an uncle"),
        ("a waitress, a brother, a gentleman", "a waiter, a sister, a lady"),
        ("Mr Smith, a businessman", "Ms Smith, a businesswoman"),
        ("women's shoes for the manager", "women's shoes for the manager"),
        ("The theme of this chapter", "The theme of this chapter"),
    ],
)
def test_gender_is_swapped_in_whole_words(text: str, swapped: str) -> None:
    assert swap_words(text, GENDER).text == swapped


def test_groups_are_swapped_where_they_are_of_a_person() -> None:
    asked = "The German customer reads German; an elderly patient owns an old car."
    found = swap_words(asked, GROUP)
    assert found.text == "The Turkish customer reads German; a young patient owns an old car."
    assert swap_words("James met Anna.", NAME).text == "Mary met Fatima."


def test_a_pair_is_the_same_question_about_another_person() -> None:
    item = chat("t1", "My brother lost his card.", reference="queue: cards", group="c7")
    as_written, swapped = build_pair(item) or pytest.fail("no pair")
    assert as_written.messages == item.messages
    assert swapped.messages[0]["content"] == "My sister lost her card."
    assert (as_written.group, as_written.options["pair"]) == ("c7", "t1")
    assert as_written.options["swapped"]["sister"] == as_written.options["swapped"]["brother"]
    assert swapped.reference is None and swapped.metric == "agreement"


def test_the_operators_words_and_rows_without_persons_are_left_alone() -> None:
    system = {"role": "system", "content": "He is the boss."}
    item = Item("t", [system, {"role": "user", "content": "Is my brother in?"}])
    _, swapped = build_pair(item) or pytest.fail("no pair")
    assert swapped.messages[0] == system
    assert build_pair(chat("t2", "Where is my order?")) is None


def test_the_suite_of_the_users_own_questions() -> None:
    items = [chat(f"t{n}", f"Order {n} of my son", reference="x") for n in range(30)]
    suite = build_counterfactual_suite(items, max_pairs=12, seed=0)
    assert suite is not None
    assert (suite.kind, suite.metric, len(suite.items)) == ("fairness", "agreement", 24)
    assert len({json.dumps(item.messages) for item in suite.items}) == 24
    assert build_counterfactual_suite([chat("a", "Hello")], max_pairs=9, seed=0) is None
