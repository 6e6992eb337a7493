"""A prompt with its answer as one sequence of tokens, for models that score answers."""

from __future__ import annotations

from collections.abc import Sequence

from assay.chat.examples import render_completion, render_example
from assay.chat.messages import Message, Tool
from assay.chat.tokenizer import ChatTokenizer


def render_answered(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    answer: str | Sequence[Message],
    *,
    tools: Sequence[Tool] | None = None,
    raw: bool = False,
) -> list[int]:
    """Prompt and answer as a reward model was trained on them: whole, the answer's end included.

    With `raw`, or a tokenizer without a template, the text of the last message and the answer's.
    """
    if raw or not tokenizer.has_template:
        prompt = str(messages[-1].get("content") or "") if messages else ""
        text = answer if isinstance(answer, str) else str(answer[-1].get("content") or "")
        return render_completion(tokenizer, prompt, text).input_ids
    before = [{**message, "weight": 0} for message in messages]
    if isinstance(answer, str):
        answer = [{"role": "assistant", "content": answer}]
    return render_example(tokenizer, [*before, *answer], tools=tools)[-1].input_ids
