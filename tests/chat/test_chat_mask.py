"""What is trained, against masks derived by hand, family by family and habit by habit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_families import build_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.chat import ChatTokenizer, RenderedExample, load_chat_tokenizer, render_example
from assay.chat import render_prompt as prompt_of
from assay.chat.spans import Span, compute_token_weights
from assay.errors import DataError

Load = Callable[[str], ChatTokenizer]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


def trained(example: RenderedExample) -> list[str]:
    """The trained characters, span by span."""
    return [example.text[start:end] for start, end in example.trained_spans]


def trained_by_tokens(tokenizer: ChatTokenizer, example: RenderedExample) -> str:
    """The same by the mask: every trained token, decoded."""
    pairs = zip(example.input_ids, example.loss_mask, strict=True)
    return tokenizer.decode([token for token, weight in pairs if weight], skip_special=False)


def with_template(folder: Path, template: str, **files: Any) -> ChatTokenizer:
    """The ChatML test tokenizer with another template."""
    build_folder("chatml", folder)
    (folder / "chat_template.jinja").write_text(template)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return load_chat_tokenizer(folder)


TWO_TURNS = [user("one?"), assistant("One."), user("two?"), assistant("Two.")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chatml", ["One.<|im_end|>", "Two.<|im_end|>"]),
        ("llama3", ["One.<|eot_id|>", "Two.<|eot_id|>"]),
        ("gemma", ["One.<end_of_turn>", "Two.<end_of_turn>"]),
        ("mistral", [" One.</s>", " Two.</s>"]),
        ("thinker", ["One.<|im_end|>", "Two.<|im_end|>"]),
        ("tiny", ["One.<|end|>", "Two.<|end|>"]),
    ],
)
def test_answers_and_their_stop_tokens_are_trained(
    name: str, expected: list[str], load_family: Load
) -> None:
    (example,) = render_example(load_family(name), TWO_TURNS)
    assert trained(example) == expected
    assert trained_by_tokens(load_family(name), example) == "".join(expected)
    assert set(example.loss_mask) == {0.0, 1.0}
    assert (example.stop_trained, example.boundary, example.straddling) == (True, "exact", ())


def test_tiny_mask_position_by_position(load_family: Load) -> None:
    tokenizer = load_family("tiny")
    (example,) = render_example(tokenizer, [user("Q"), assistant("A")])
    pieces = [tokenizer.decode([token], skip_special=False) for token in example.input_ids]
    assert pieces == ["<|bos|>", "<|user|>", "Q", "<|end|>", "<|assistant|>", "A", "<|end|>"]
    assert example.loss_mask == [0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("name", ["chatml", "gemma", "mistral", "thinker", "tiny"])
def test_prompt_at_inference_is_what_precedes_the_trained_tokens(
    name: str, load_family: Load
) -> None:
    tokenizer = load_family(name)
    (example,) = render_example(tokenizer, TWO_TURNS)
    prompt = prompt_of(tokenizer, TWO_TURNS[:3])
    assert example.input_ids[: len(prompt)] == prompt
    assert example.loss_mask[len(prompt)] == 1
    assert example.loss_mask[len(prompt) - 1] == 0
    assert example.num_changed_prompts == 0


def test_a_prompt_that_inference_tokenises_otherwise_is_reported(load_family: Load) -> None:
    # The splitter of these tokenizers keeps the last of several newlines for the word after it,
    # so "\n\n" is one token at the end of a prompt and two tokens before an answer.
    tokenizer = load_family("llama3")
    (example,) = render_example(tokenizer, TWO_TURNS)
    assert example.num_changed_prompts == 2
    assert example.straddling == ()
    prompt = prompt_of(tokenizer, TWO_TURNS[:1])
    assert example.input_ids[: len(prompt)] != prompt


def test_tool_calls_are_trained_and_results_never(load_family: Load) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        user("Sum?"),
        assistant("Wait.", tool_calls=[call("add", '{"a": 1}'), call("add", '{"a": 2}')]),
        {"role": "tool", "tool_call_id": "1", "content": "three"},
        {"role": "tool", "tool_call_id": "2", "content": "four"},
        assistant("Done."),
    ]
    (example,) = render_example(load_family("tiny"), messages)
    one = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    two = one.replace("1", "2")
    assert trained(example) == [f"Wait.{one}{two}<|end|>", "Done.<|end|>"]


def test_weights_of_messages(load_family: Load) -> None:
    messages = [user("a"), assistant("One.", weight=0), user("b"), assistant("Two.", weight=0.5)]
    (example,) = render_example(load_family("chatml"), messages)
    assert trained(example) == ["Two.<|im_end|>"]
    assert set(example.loss_mask) == {0.0, 0.5}
    (untrained,) = render_example(load_family("chatml"), messages[:2])
    assert set(untrained.loss_mask) == {0.0}
    assert (untrained.trained_spans, untrained.stop_trained) == ([], False)


@pytest.mark.parametrize("weight", [-1, "1", float("nan"), float("inf")])
def test_a_weight_that_is_no_number_from_0_is_refused(weight: Any, load_family: Load) -> None:
    with pytest.raises(DataError, match="weight"):
        render_example(load_family("chatml"), [user("a"), assistant("b", weight=weight)])


def test_consecutive_and_leading_assistant_turns(load_family: Load) -> None:
    messages = [assistant("Hello!"), user("a"), assistant("One."), assistant("Two.")]
    for name, stop in (("chatml", "<|im_end|>"), ("tiny", "<|end|>"), ("llama3", "<|eot_id|>")):
        (example,) = render_example(load_family(name), messages)
        assert trained(example) == [f"Hello!{stop}", f"One.{stop}", f"Two.{stop}"]
        assert example.boundary == "exact"


def test_stripped_reasoning_gives_one_example_for_each_answer(load_family: Load) -> None:
    messages = [
        user("a"),
        assistant("One.", reasoning_content="R1"),
        user("b"),
        assistant("Two.", reasoning_content="R2"),
    ]
    first, second = render_example(load_family("thinker"), messages)
    assert trained(first) == ["<think>\nR1\n</think>\n\nOne.<|im_end|>"]
    assert trained(second) == ["<think>\nR2\n</think>\n\nTwo.<|im_end|>"]
    assert "R1" not in second.text and "One." in second.text
    assert (first.boundary, second.boundary) == ("exact", "exact")


def test_reasoning_within_one_question_stays_one_example(load_family: Load) -> None:
    messages = [
        user("a"),
        assistant("", reasoning_content="R1", tool_calls=[call("f", "{}")]),
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
        assistant("Two.", reasoning_content="R2"),
    ]
    (example,) = render_example(load_family("thinker"), messages)
    called = '\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    assert trained(example) == [
        f"<think>\nR1\n</think>\n\n{called}<|im_end|>",
        "<think>\nR2\n</think>\n\nTwo.<|im_end|>",
    ]


def test_untrained_answers_get_no_example_of_their_own(load_family: Load) -> None:
    messages = [
        user("a"),
        assistant("One.", reasoning_content="R1", weight=0),
        user("b"),
        assistant("Two.", reasoning_content="R2"),
    ]
    (example,) = render_example(load_family("thinker"), messages)
    assert trained(example) == ["<think>\nR2\n</think>\n\nTwo.<|im_end|>"]


def test_a_system_prompt_that_moves_gives_one_example_for_each_answer(load_family: Load) -> None:
    messages = [{"role": "system", "content": "Be kind."}, *TWO_TURNS]
    first, second = render_example(load_family("mistral"), messages)
    assert first.text == "<s>[INST] Be kind.\n\none? [/INST] One.</s>"
    assert second.text == (
        "<s>[INST] one? [/INST] One.</s>[INST] Be kind.\n\ntwo? [/INST] Two.</s>"
    )
    assert [trained(first), trained(second)] == [[" One.</s>"], [" Two.</s>"]]
    assert (first.boundary, second.boundary) == ("exact", "exact")


TURNS = "{% for m in messages %}{{ m.role + ': ' + m.content + stop }}{% endfor %}"


def test_no_stop_token_trains_the_answer_without_trailing_space(tmp_path: Path) -> None:
    template = TURNS.replace("stop", "'\\n\\n'") + (
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    (example,) = render_example(with_template(tmp_path, template), TWO_TURNS)
    assert trained(example) == ["One.", "Two."]
    assert example.stop_trained is False


def test_a_control_token_that_stops_nothing_is_trained_but_reported(tmp_path: Path) -> None:
    template = TURNS.replace("stop", "'<|endoftext|>\\n'") + (
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    silent = with_template(tmp_path / "silent", template)
    (example,) = render_example(silent, TWO_TURNS)
    assert trained(example) == ["One.<|endoftext|>", "Two.<|endoftext|>"]
    assert example.stop_trained is False
    told = with_template(tmp_path / "told", template, generation_config={"eos_token_id": [0]})
    (example,) = render_example(told, TWO_TURNS)
    assert trained(example) == ["One.<|endoftext|>", "Two.<|endoftext|>"]
    assert example.stop_trained is True


def test_stop_token_written_only_between_turns(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{{ '<|im_end|>' if not loop.first }}{{ m.role + ':' + m.content }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_end|>assistant:' }}{% endif %}"
    )
    (example,) = render_example(with_template(tmp_path, template), TWO_TURNS)
    assert trained(example) == ["One.<|im_end|>", "Two."]
    assert example.stop_trained is False


def test_stop_token_written_only_at_the_end_gives_an_example_for_each_answer(
    tmp_path: Path,
) -> None:
    template = (
        "{% for m in messages %}{{ m.role + ':' + m.content + ';' }}{% endfor %}"
        "{{ 'assistant:' if add_generation_prompt else '<|im_end|>' }}"
    )
    examples = render_example(with_template(tmp_path, template), TWO_TURNS)
    assert [trained(example) for example in examples] == [["One.;<|im_end|>"], ["Two.;<|im_end|>"]]


def test_a_generation_prompt_that_is_no_beginning_is_inferred(tmp_path: Path) -> None:
    template = TURNS.replace("stop", "'<|im_end|>'") + (
        "{% if add_generation_prompt %}{{ 'assistant: <think>\\n' }}{% endif %}"
    )
    (example,) = render_example(with_template(tmp_path, template), TWO_TURNS)
    assert trained(example) == ["One.<|im_end|>", "Two.<|im_end|>"]
    assert example.boundary == "inferred"


def test_a_system_prompt_lost_once_answered_is_inferred(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{% if m.role != 'system' or add_generation_prompt %}"
        "{{ m.role + ':' + m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
        "{{ 'assistant:' if add_generation_prompt }}"
    )
    messages = [{"role": "system", "content": "One."}, user("Say One."), assistant("One.")]
    (example,) = render_example(with_template(tmp_path, template), messages)
    assert example.text[: example.trained_spans[0][0]] == "user:Say One.<|im_end|>assistant:"
    assert trained(example) == ["One.<|im_end|>"]
    assert example.boundary == "inferred"


def test_a_greeting_whose_prompt_the_template_refuses_is_inferred(tmp_path: Path) -> None:
    template = (
        "{% if not messages %}{{ raise_exception('empty') }}{% endif %}"
        + TURNS.replace("stop", "'<|im_end|>\\n'")
        + "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    messages = [assistant(" Hello! "), user("a"), assistant("One.")]
    (example,) = render_example(with_template(tmp_path, template), messages)
    assert trained(example) == ["Hello! <|im_end|>", "One.<|im_end|>"]
    assert example.boundary == "inferred"
    with pytest.raises(DataError, match="where answer 0 begins"):
        render_example(with_template(tmp_path, template), [assistant(""), *messages[1:]])


def test_a_stop_token_spelled_out_in_an_answer_does_not_end_it(load_family: Load) -> None:
    messages = [user("a"), assistant("Say <|im_end|> to stop.")]
    (example,) = render_example(load_family("chatml"), messages)
    assert trained(example) == ["Say <|im_end|> to stop.<|im_end|>"]


@pytest.mark.parametrize("last", [user("b"), {"role": "tool", "content": "x"}])
def test_a_row_must_end_with_an_answer(last: dict[str, Any], load_family: Load) -> None:
    with pytest.raises(DataError, match="ends with a message of role") as caught:
        render_example(load_family("chatml"), [user("a"), assistant("b"), last])
    assert caught.value.problems[0].key == "messages.2"
    with pytest.raises(DataError, match="no messages"):
        render_example(load_family("chatml"), [])


def test_a_token_across_the_border_is_prompt_and_reported(load_family: Load) -> None:
    # "assistant\n" and "\n\nOne." meet in newlines, which the tokenizer merges into one token.
    tokenizer = load_family("chatml")
    (example,) = render_example(tokenizer, [user("a"), assistant("\n\nOne.")])
    assert trained(example) == ["\n\nOne.<|im_end|>"]
    (index,) = example.straddling
    assert example.loss_mask[index] == 0
    merged = tokenizer.decode([example.input_ids[index]], skip_special=False)
    assert merged.startswith("\n\n")
    assert trained_by_tokens(tokenizer, example) == ("\n" * 3 + "One.<|im_end|>")[len(merged) :]


def test_token_weights_by_hand() -> None:
    offsets = [(0, 2), (2, 5), (5, 6), (5, 6), (6, 9), (9, 10)]
    spans = [Span(start=2, end=6, weight=1.0), Span(start=7, end=10, weight=0.5)]
    tokens = compute_token_weights(offsets, spans)
    assert tokens.weights == [0, 1, 1, 1, 0, 0.5]
    assert tokens.straddling == [4]
    assert compute_token_weights(offsets, []).weights == [0.0] * 6
    across_the_end = compute_token_weights([(0, 4)], [Span(start=0, end=3, weight=1.0)])
    assert (across_the_end.weights, across_the_end.straddling) == ([0.0], [0])


CONTENT = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from(list("\n <|>é你🙂")), max_size=12
)
ROWS = st.lists(st.tuples(CONTENT, CONTENT, st.sampled_from([0, 1])), min_size=1, max_size=4)
LIGHT = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def conversation(rows: list[tuple[str, str, int]]) -> list[dict[str, Any]]:
    pairs = [[user(asked), assistant(said, weight=weight)] for asked, said, weight in rows]
    return [message for pair in pairs for message in pair]


@LIGHT
@given(rows=ROWS)
def test_tiny_trains_contents_and_stop_tokens_and_nothing_else(
    rows: list[tuple[str, str, int]], load_family: Load
) -> None:
    tokenizer = load_family("tiny")
    (example,) = render_example(tokenizer, conversation(rows))
    expected = [said + "<|end|>" for _, said, weight in rows if weight]
    assert trained(example) == expected
    assert trained_by_tokens(tokenizer, example) == "".join(expected)
    assert example.straddling == ()
    assert tokenizer.decode(example.input_ids, skip_special=False) == example.text


@LIGHT
@given(rows=ROWS)
def test_chatml_spans_are_the_answers_and_the_mask_lies_within(
    rows: list[tuple[str, str, int]], load_family: Load
) -> None:
    tokenizer = load_family("chatml")
    (example,) = render_example(tokenizer, conversation(rows))
    expected = [said + "<|im_end|>" for _, said, weight in rows if weight]
    assert trained(example) == expected
    if not example.straddling:
        assert trained_by_tokens(tokenizer, example) == "".join(expected)
    assert len(example.straddling) <= len(expected)
    assert all(example.loss_mask[index] == 0 for index in example.straddling)


@LIGHT
@given(rows=ROWS)
def test_every_trained_token_follows_a_prompt_that_inference_would_render(
    rows: list[tuple[str, str, int]], load_family: Load
) -> None:
    tokenizer = load_family("tiny")
    messages = conversation(rows)
    (example,) = render_example(tokenizer, messages)
    for index, (_, _, weight) in enumerate(rows):
        prompt = prompt_of(tokenizer, messages[: 2 * index + 1])
        assert example.input_ids[: len(prompt)] == prompt
        assert example.loss_mask[len(prompt)] == weight


@LIGHT
@given(rows=ROWS)
def test_changed_prompts_are_counted_as_whole_prompts_tell(
    rows: list[tuple[str, str, int]], load_family: Load
) -> None:
    tokenizer = load_family("chatml")
    messages = conversation([(asked, said, 1) for asked, said, _ in rows])
    (example,) = render_example(tokenizer, messages)
    prompts = [prompt_of(tokenizer, messages[: 2 * index + 1]) for index in range(len(rows))]
    changed = [example.input_ids[: len(prompt)] != prompt for prompt in prompts]
    assert example.num_changed_prompts == sum(changed)
    assert not (example.straddling and example.num_changed_prompts == 0)
