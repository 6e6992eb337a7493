"""Contradictions: which answers cannot both stand, and labels that were flipped."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checking import Row, chat, find
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.curate.answer_pairs import tell_contradiction
from assay.data.curate.answers import Answer, is_open
from assay.data.curate.label_classifier import measure_kappa
from assay.data.curate.linear import Features, fit_classifier

RULE = "contradicting_answers"
LABELS = "contradicting_labels"


def tell(one: str, other: str, **options: Any) -> str | None:
    answers = [Answer({"role": "assistant", "content": text}) for text in (one, other)]
    forth = tell_contradiction(*answers, **options)
    assert (forth is None) == (tell_contradiction(*reversed(answers), **options) is None)
    return forth


def call(name: str, **arguments: Any) -> Answer:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return Answer({"role": "assistant", "tool_calls": [{"id": "c", "function": function}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("#### 42", "So it is 40.\n#### 40"),
        ("The total is 1,200.", "Adding up, the total is $1,300."),
        ("18", "19"),
        ("Yes, you can.", "No."),
        ("Yes", "No, that is not covered."),
        ("You can return it within 30 days.", "You can return it within 14 days."),
        ("Returns are open for 30 days.", "We take parcels back for 14 days only."),
        ("The capital of Australia is Canberra.", "The capital of Australia is Sydney."),
        ("You can pay by card here.", "You cannot pay by card here."),
        ("Opened boxes are accepted by us.", "Opened boxes are rejected by us."),
        ('{"queue": "returns", "urgent": true}', '{"queue": "claims", "urgent": true}'),
    ],
)
def test_a_contradiction_is_told(one: str, other: str) -> None:
    assert tell(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 + 4 = 7\n#### 7", "First take 4, then 3.\n#### 7.0"),
        ("The total is 1,200.", "The total is 1200."),
        ("It takes two days.", "It takes 2 days."),
        ("It takes 1 hour.", "It takes 60 minutes."),
        ("You can return it within 30 days.", "Sure: we take it back, up to 30 days."),
        ("She lives in New York.", "She lives in NY."),
        ("It is Paris.", "The capital of France is Paris."),
        ("Yes, you can.", "Yes, of course."),
        ("That is a big house.", "That is a large house."),
        ("No. 5 is the right door.", "Yes."),
        ('{"queue": "returns"}', '{"queue": "Returns", "note": "a chair"}'),
        ("Restart the router, then wait.", "Have you tried another cable?"),
    ],
)
def test_what_can_both_be_right_is_none(one: str, other: str) -> None:
    assert tell(one, other) is None


PIECES = "yes no 3 4 days Paris not It's {} #### ."
SOME_WORDS = st.lists(st.sampled_from(PIECES.split()))


@given(SOME_WORDS.map(" ".join), SOME_WORDS.map(" ".join), st.booleans())
def test_any_two_answers_can_be_compared(one: str, other: str, is_settled: bool) -> None:
    tell(one, other, is_settled=is_settled)
    assert tell(one, one) is None


def test_hardly_a_word_in_common_counts_where_questions_have_one_answer() -> None:
    pair = ("Restart the router, then wait a minute.", "Ask our billing desk about refunds.")
    assert tell(*pair) is None
    assert "hardly a word" in (tell(*pair, is_settled=True) or "")


def test_calls_contradict_by_tool_and_argument() -> None:
    berlin = call("weather", city="Berlin", days=3)
    assert tell_contradiction(berlin, call("weather", city="Rome", days=3))
    assert tell_contradiction(berlin, call("weather", city="Berlin", days=5))
    assert tell_contradiction(berlin, call("forecast", city="Berlin", days=3))
    assert tell_contradiction(berlin, Answer({"role": "assistant", "content": "It is sunny."}))
    for same in (
        call("weather", days=3, city="berlin"),
        call("weather", city="Berlin, Germany", days=3),
        call("weather", city="Berlin"),
        call("weather", city="Berlin", days="3"),
    ):
        assert tell_contradiction(berlin, same) is None


@pytest.mark.parametrize(
    "question", ["Tell me a joke.", "Write a haiku about rain", "Pick a number", "Rephrase: hello"]
)
def test_open_questions(question: str) -> None:
    assert is_open(question)


@pytest.mark.parametrize(
    "question",
    ["What is 3 + 4?", "Sort this ticket: I would like a joke refund.", "When do you open?"],
)
def test_questions_with_one_answer(question: str) -> None:
    assert not is_open(question)


def test_rows_that_contradict_are_found_and_the_minority_relabelled(tmp_path: Path) -> None:
    rows = [chat(f"What is {n} plus {n}?", f"It is {2 * n}.") for n in range(20)]
    rows += [chat("How long is the warranty?", "The warranty is 2 years.")] * 2
    rows += [chat("How  long is the warranty? ", "The warranty is 3 years.")]
    rows += [chat("Is it free?", "Yes."), chat("Is it free?", "No, never.")]
    found = find(tmp_path, RULE, rows)
    assert [one.line for one in found] == [23, 24, 25]
    assert found[0].label == "The warranty is 2 years." and found[0].fix == "relabel"
    assert found[0].related[0].endswith(":21") and "'3'" in found[0].evidence
    assert [one.fix for one in found[1:]] == ["drop", "drop"]


@pytest.mark.parametrize("action", ["keep", "drop"])
def test_an_action_that_the_user_names_stands(tmp_path: Path, action: str) -> None:
    rows = [chat("Is it free?", "Yes."), chat("Is it free?", "No.")]
    found = find(tmp_path, RULE, rows, rules={RULE: action})
    assert [one.fix for one in found] == [action, action]


def test_other_systems_other_tools_and_open_questions_are_none(tmp_path: Path) -> None:
    def ask(system: str, answer: str) -> Row:
        row = chat("How long is the warranty?", answer)
        return {"messages": [{"role": "system", "content": system}, *row["messages"]]}

    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    rows: list[Row] = [
        ask("You are desk A.", "The warranty is 2 years."),
        ask("You are desk B.", "The warranty is 3 years."),
        chat("What time is it?", "It is 5."),
        chat("What time is it?", "It is 6.", tools=[tool]),
        *(chat("Tell me a random number.", str(n)) for n in range(5)),
        *(chat("What did you do today?", text) for text in ("I swam 2 km.", "I ran 9 km.")),
        *(chat("What did you do today?", text) for text in ("I read 3 books.", "I ate 1 cake.")),
    ]
    assert [one.evidence for one in find(tmp_path, RULE, rows)] == []


WORDS = {
    "billing": "invoice payment refund charge card receipt price money tax",
    "shipping": "parcel courier address late tracking van delivery doorstep box",
    "account": "password login username email locked profile reset phone code",
}
TOPICS = {label: words.split() for label, words in WORDS.items()}


def draw_labelled(num_rows: int, *, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for index in range(num_rows):
        label = list(TOPICS)[index % 3]
        words = [
            *rng.sample(TOPICS[label], 4),
            *rng.sample(["my", "the", "please", "help", "with", "now"], 4),
        ]
        rng.shuffle(words)
        rows.append(chat("Sort: " + " ".join(words), label))
    return rows


def test_flipped_labels_are_found_and_named(tmp_path: Path) -> None:
    rows = draw_labelled(240)
    flipped = {10: "account", 50: "billing", 110: "shipping", 199: "account"}
    right = {}
    for index, label in flipped.items():
        right[index] = rows[index]["messages"][-1]["content"]
        assert right[index] != label
        rows[index]["messages"][-1]["content"] = label
    found = find(tmp_path, LABELS, rows)
    assert {one.number: one.label for one in found} == right
    assert all(one.fix == "relabel" and one.severity == "warning" for one in found)


def test_a_rare_word_of_its_own_is_no_flip(tmp_path: Path) -> None:
    rows = draw_labelled(120)
    rows += [chat("Sort: my llama zorbled gleefully", "account"), chat("Sort: hm", "billing")]
    assert find(tmp_path, LABELS, rows) == []


def test_labels_that_words_do_not_decide_are_left_alone(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = draw_labelled(240)
    for row in rows:
        row["messages"][-1]["content"] = rng.choice(list(TOPICS))
    assert find(tmp_path, LABELS, rows) == []


def test_labels_that_hang_on_a_turn_of_the_sentence_are_left_alone(tmp_path: Path) -> None:
    """Nine in forty statements of each topic are denied, which no word says by itself."""
    rows = []
    for number in range(400):
        topic, is_denied = number % 10, number // 10 % 40 < 9
        words = random.Random(number).sample(range(10_000, 99_999), 6)
        told = " ".join(f"w{one}" for one in words)
        turn = "hardly ever" if is_denied else "very often"
        label = "Yes" if (topic < 5) != is_denied else "No"
        rows.append(chat(f"Is it so? {told}, {turn} {told[::-1]} topic{topic} t{topic}", label))
    assert find(tmp_path, LABELS, rows) == []


def test_kappa_by_hand() -> None:
    labels, answers = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    # Three of four agree; by chance half would: 0.5 x 0.25 + 0.5 x 0.75.
    assert measure_kappa(labels, answers) == pytest.approx(0.5)
    assert measure_kappa(labels, labels) == 1
    assert measure_kappa(labels, np.array([0, 1, 0, 1])) == pytest.approx(0)


def test_almost_the_same_prompts_tell_a_flip(tmp_path: Path) -> None:
    text = "I was charged twice for order number {} and would like to have my money back soon"
    rows = [chat(text.format(n), "yes" if n == 3 else "no") for n in range(6)]
    rows += [chat(f"{a} {b} {a}", "yes") for a in "abcdefg" for b in "uvwxyz"]
    (found,) = find(tmp_path, LABELS, rows, rules={LABELS: {"margin": 9.0}})
    assert found.number == 3 and found.label == "no" and found.fix == "relabel"
    assert "almost the same prompt" in found.evidence and len(found.related) == 5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_left_out_scores_are_those_of_a_fit_without_the_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(12, 5)).astype(np.float32)
    classes = rng.integers(0, 3, size=12)
    _, left_out = fit_classifier(matrix, classes, 3, ridge=0.5)
    targets = np.eye(3)[classes]
    means = targets.mean(axis=0)
    for row in range(12):
        others = np.arange(12) != row
        own = matrix[others].astype(np.float64)
        inverse = np.linalg.inv(own.T @ own + 0.5 * np.eye(5))
        weights = inverse @ own.T @ (targets[others] - means)
        np.testing.assert_allclose(left_out[row], means + matrix[row] @ weights, atol=2e-4)


def test_features_see_words_in_any_order_of_texts() -> None:
    texts = ["the parcel is late", "my password is lost", "", "the parcel is late"]
    features = Features.learn(texts, num_dimensions=512)
    matrix = features.compute(texts)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), [1, 1, 0, 1], atol=1e-5)
    np.testing.assert_array_equal(matrix[0], matrix[3])
    np.testing.assert_array_equal(features.compute([texts[1]])[0], matrix[1])
