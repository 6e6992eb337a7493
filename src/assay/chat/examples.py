"""Training examples: token ids with a loss weight for each; it knows no packing and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.chat.borders import count_changed_prompts
from assay.chat.messages import Message, Tool, message_weight
from assay.chat.render import render_text
from assay.chat.spans import Span, compute_token_weights
from assay.chat.tokenizer import ChatTokenizer
from assay.chat.turns import Conversation, Turn, build_conversation, find_turn
from assay.errors import DataError, Problem

Boundary = Literal["exact", "inferred"]


@dataclass(frozen=True)
class RenderedExample:
    """One sequence as the model will see it, and what of it is trained.

    Attributes:
        input_ids: the tokens.
        loss_mask: a weight per token; above 0 where the token is a trained *target*, i.e. where
            the model learns to predict it from the tokens before it.
        text: what the tokens spell, control tokens included.
        trained_spans: characters ``[start, end)`` of `text` that are trained.
        stop_trained: every trained answer ends with a trained stop token.
        boundary: ``exact`` where each prompt, as inference will render it, is the beginning of
            `text`; ``inferred`` where a template forbids that.
        straddling: indices of tokens across the border of a trained span; they are not trained.
        num_changed_prompts: answers whose prompt has other tokens here than at inference, since
            the tokenizer looks across the border (see `borders`).
    """

    input_ids: list[int]
    loss_mask: list[float]
    text: str
    trained_spans: list[tuple[int, int]]
    stop_trained: bool
    boundary: Boundary = "exact"
    straddling: tuple[int, ...] = ()
    num_changed_prompts: int = 0


@dataclass(frozen=True)
class RenderedConversation:
    """The whole conversation by the base's template, and the examples that train its answers."""

    text: str
    examples: list[RenderedExample]


def render_example(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] | None = None,
    **template_kwargs: Any,
) -> list[RenderedExample]:
    """The examples of `render_conversation`. Raises as it does."""
    return render_conversation(tokenizer, messages, tools=tools, **template_kwargs).examples


def render_conversation(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] | None = None,
    **template_kwargs: Any,
) -> RenderedConversation:
    """Examples that train every assistant message whose weight is not 0, and the text of all.

    One example, unless the template renders earlier answers differently once the conversation
    goes on (it strips their reasoning, say): then one for each answer, rendered as the model will
    see it at that turn, and training that answer alone.

    Raises:
        DataError: no messages, the last is not the assistant's, a weight that is no number from 0,
            or messages that the template refuses.
        ConfigError: the base has no template.
    """
    text = render_text(tokenizer, messages, tools=tools, **template_kwargs)
    _require_answer(messages)
    conversation = build_conversation(
        tokenizer, messages, tools=tools, template_kwargs=template_kwargs
    )
    last = len(messages) - 1
    texts = {
        index: conversation.text_of(index + 1)
        for index, message in enumerate(messages[:last])
        if message.get("role") == "assistant"
    }
    texts[last] = text
    if all(text.startswith(beginning) for beginning in texts.values()):
        ends = {index: len(beginning) for index, beginning in texts.items()}
        return RenderedConversation(text, [_build_example(conversation, text, ends)])
    trained = [index for index in texts if message_weight(messages[index]) > 0] or [last]
    examples = [_build_example(conversation, texts[i], {i: len(texts[i])}) for i in trained]
    return RenderedConversation(text, examples)


def render_plain(tokenizer: ChatTokenizer, text: str) -> RenderedExample:
    """`text` without a template: all of it trained, then the eos token.

    Tokenizers that put a bos token before plain text do so here; it is not trained.
    """
    ids = tokenizer.encode(text)
    return _build_raw(tokenizer, prompt="", prompt_ids=[], answer=text, answer_ids=ids)


def render_completion(tokenizer: ChatTokenizer, prompt: str, completion: str) -> RenderedExample:
    """`prompt` and `completion` without a template: the completion trained, then the eos token.

    The prompt is tokenised as it will be at inference. Where a token would lie across the border,
    the completion is tokenised apart.
    """
    prompt_ids = tokenizer.encode(prompt)
    whole = tokenizer.encode(prompt + completion)
    is_prefix = whole[: len(prompt_ids)] == prompt_ids
    answer_ids = whole[len(prompt_ids) :] if is_prefix else tokenizer.encode(completion)
    return _build_raw(
        tokenizer, prompt=prompt, prompt_ids=prompt_ids, answer=completion, answer_ids=answer_ids
    )


def _require_answer(messages: Sequence[Message]) -> None:
    role = messages[-1].get("role")
    if role != "assistant":
        raise DataError(
            Problem(
                got=f"a conversation that ends with a message of role {role!r}",
                allowed="an assistant's message at the end",
                do="add the answer, or drop the messages after the last answer",
                key=f"messages.{len(messages) - 1}",
            )
        )


def _build_example(
    conversation: Conversation, text: str, limits: dict[int, int]
) -> RenderedExample:
    """The example of `text`; `limits` holds where each assistant message in it ends."""
    turns: list[tuple[Turn, float]] = []
    for index, limit in limits.items():
        weight = message_weight(conversation.messages[index])
        if weight > 0:
            turns.append((find_turn(conversation, index, text=text, limit=limit), weight))
    input_ids, offsets = conversation.tokenizer.encode_with_offsets(text)
    spans = [Span(start=turn.start, end=turn.end, weight=weight) for turn, weight in turns]
    tokens = compute_token_weights(offsets, spans)
    return RenderedExample(
        input_ids=input_ids,
        loss_mask=tokens.weights,
        text=text,
        trained_spans=[(span.start, span.end) for span in spans],
        stop_trained=bool(turns) and all(turn.stopped for turn, _ in turns),
        boundary="exact" if all(turn.exact for turn, _ in turns) else "inferred",
        straddling=tuple(tokens.straddling),
        num_changed_prompts=count_changed_prompts(
            conversation.tokenizer,
            text,
            input_ids=input_ids,
            offsets=offsets,
            starts=[span.start for span in spans],
        ),
    )


def _build_raw(
    tokenizer: ChatTokenizer,
    *,
    prompt: str,
    prompt_ids: list[int],
    answer: str,
    answer_ids: list[int],
) -> RenderedExample:
    context_ids = [*tokenizer.prefix_ids, *prompt_ids]
    stop_ids = list(tokenizer.eos_ids[:1])
    prefix = tokenizer.decode(tokenizer.prefix_ids, skip_special=False)
    start = len(prefix) + len(prompt)
    text = prefix + prompt + answer + "".join(tokenizer.eos_texts[:1])
    num_trained = len(answer_ids) + len(stop_ids)
    return RenderedExample(
        input_ids=[*context_ids, *answer_ids, *stop_ids],
        loss_mask=[0.0] * len(context_ids) + [1.0] * num_trained,
        text=text,
        trained_spans=[(start, len(text))] if num_trained else [],
        stop_trained=bool(stop_ids),
    )
