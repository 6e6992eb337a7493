"""A system prompt put into tokens: as the template itself puts it, or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.chat import ChatTokenizer, load_chat_tokenizer, render_prompt
from assay.chat.system_prompt import find_system_prompt
from assay.data.pack import build_batch
from assay.data.prompted import put_prompt_into
from assay.errors import ConfigError
from assay.models.base import tiny_folder

TEXT = "Answer in one word."
CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)
MELTED = (
    "{% set s = messages[0].content if messages[0].role == 'system' else '' %}"
    "{% for m in messages %}{% if m.role != 'system' %}[{{ s if m.role == 'user' }}{{ m.content }}]"
    "{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def tiny() -> ChatTokenizer:
    return load_chat_tokenizer(tiny_folder())


def _render(tokenizer: ChatTokenizer, text: str, system: str | None) -> list[int]:
    user = {"role": "user", "content": text}
    start = [] if system is None else [{"role": "system", "content": system}]
    return render_prompt(tokenizer, [*start, user])


@pytest.mark.parametrize("template", [None, CHATML])
@pytest.mark.parametrize("text", ["hello", " two\n\nlines ", "Äpfel?", "1"])
def test_it_stands_where_the_template_puts_it(
    tiny: ChatTokenizer, template: str | None, text: str
) -> None:
    tokenizer = replace(tiny, templates={"default": template}) if template else tiny
    prompt = find_system_prompt(tokenizer, TEXT)
    plain, full = _render(tokenizer, text, None), _render(tokenizer, text, TEXT)
    assert prompt.fits(plain) and prompt.put_into(plain) == full
    assert prompt.num_added == len(full) - len(plain)
    assert not prompt.fits(full) and not prompt.fits(plain[1:])


def test_a_template_that_drops_it_or_melts_it_in_is_refused(tiny: ChatTokenizer) -> None:
    dropped = "{% for m in messages if m.role != 'system' %}[{{ m.content }}]{% endfor %}"
    for template in (dropped, MELTED):
        with pytest.raises(ConfigError, match="system prompt"):
            find_system_prompt(replace(tiny, templates={"default": template}), "No " * 3)


def test_targets_of_a_batch_are_the_same_further_behind(tiny: ChatTokenizer) -> None:
    prompt = find_system_prompt(tiny, TEXT)
    rows = [[*_render(tiny, text, None), 5, 6] for text in ("a", "a longer question", "b")]
    other = [3, 4, 5]
    masks = [[0.0] * (len(row) - 2) + [1.0, 0.5] for row in rows]
    batch = build_batch([*rows, other], [*masks, [0.0, 1.0, 1.0]])
    expected = build_batch(
        [*map(prompt.put_into, rows), other],
        [*([0.0] * prompt.num_added + mask for mask in masks), [0.0, 1.0, 1.0]],
    )
    assert put_prompt_into(batch, prompt) == expected
