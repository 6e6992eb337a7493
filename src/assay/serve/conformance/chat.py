"""Checks 36 to 41 but 39: chat completions."""

from __future__ import annotations

import json
from typing import Any

import openai
from pydantic import BaseModel

from assay.serve.conformance.check import Skipped, check, expect, expect_equal
from assay.serve.conformance.session import Session

QUESTION = "What is the capital of France?"


@check(36, "an answer has all fields; usage adds up; n, stop, seed and limits are kept")
def check_chat(session: Session) -> None:
    found = session.ask(QUESTION)
    expect_equal(found.object, "chat.completion", "The object")
    expect(found.id and found.created and found.model, "A required field is missing.")
    usage = found.usage
    total = usage.prompt_tokens + usage.completion_tokens
    expect(usage.prompt_tokens > 0, "No tokens of the prompt are counted.")
    expect_equal(usage.total_tokens, total, "usage.total_tokens")
    reason = found.choices[0].finish_reason
    expect(reason in ("stop", "length"), f"The answer ends by {reason}.")
    short = session.ask(QUESTION, max_completion_tokens=2)
    expect_equal(short.choices[0].finish_reason, "length", "The end of an answer of two tokens")
    expect_equal(short.usage.completion_tokens, 2, "Its tokens")
    sampled = {"temperature": 1.0, "seed": 11, "n": 3}
    texts = _read_texts(session.ask(QUESTION, **sampled))
    expect_equal(len(texts), 3, "The number of choices for n=3")
    expect_equal(_read_texts(session.ask(QUESTION, **sampled)), texts, "The same seed's answers")
    _check_stop(session, found.choices[0].message.content)


def _check_stop(session: Session, free: str) -> None:
    if len(free) < 6:
        raise Skipped(f"The model's answer {free!r} is too short to be cut by a stop string.")
    stop = free[3:6]
    cut = session.ask(QUESTION, stop=[stop, "\n\n\n\n"]).choices[0]
    expect_equal(cut.message.content, free[: free.index(stop)], "The answer before the stop string")
    expect_equal(cut.finish_reason, "stop", "Its end")


def _read_texts(found: Any) -> list[str]:
    return [choice.message.content for choice in found.choices]


@check(37, "a stream is the answer in pieces, framed as the client expects")
def check_stream(session: Session) -> None:
    whole = session.ask(QUESTION, seed=1)
    options = {"include_usage": True}
    chunks = list(session.ask(QUESTION, seed=1, stream=True, stream_options=options))
    first, last = chunks[0], chunks[-1]
    expect_equal(first.choices[0].delta.role, "assistant", "The role of the first delta")
    expect_equal({one.id for one in chunks}, {first.id}, "The ids of the chunks")
    kinds = {one.object for one in chunks}
    expect_equal(kinds, {"chat.completion.chunk"}, "The objects of the chunks")
    expect_equal(last.choices, [], "The choices of the last chunk")
    expect(last.usage is not None, "The last chunk has no usage.")
    expect_equal(last.usage.total_tokens, whole.usage.total_tokens, "The tokens of the stream")
    spoken = [one.choices[0] for one in chunks[:-1]]
    text = "".join(one.delta.content or "" for one in spoken)
    expect_equal(text, whole.choices[0].message.content, "The text of the pieces")
    final = spoken[-1]
    expect_equal(final.finish_reason, whole.choices[0].finish_reason, "finish_reason")
    expect(not final.delta.content and not final.delta.tool_calls, "The final delta is not empty.")
    ends = [one.finish_reason for one in spoken[:-1]]
    expect_equal(set(ends) - {None}, set(), "Reasons before the end")
    _check_frames(session)


def _check_frames(session: Session) -> None:
    body = {
        "model": session.target.model,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_completion_tokens": 4,
        "stream": True,
    }
    # As the client does: a stream is asked for by the body, and not by Accept.
    content = json.dumps(body).encode()
    answer = session.send("POST", "/chat/completions", content, accept="application/json")
    kind = answer.headers.get("content-type", "")
    expect(kind.startswith("text/event-stream"), f"The stream's content type is {kind!r}.")
    lines = [line for line in answer.body.decode().splitlines() if line.startswith("data:")]
    expect_equal(lines[-1], "data: [DONE]", "The last frame")


@check(38, "a stream that fails ends with an error frame, which the client raises")
def check_broken_stream(session: Session) -> None:
    if session.hooks.break_answer is None:
        raise Skipped(
            "It needs an answer that fails in its middle, which only the server can make."
        )
    session.hooks.break_answer()
    seen = []
    try:
        for chunk in session.ask(QUESTION, stream=True, max_completion_tokens=64):
            seen.append(chunk)
    except openai.APIError as error:
        expect(error.code, "The error has no code.")
        expect(seen, "Nothing came before the error.")
    else:
        expect(False, "The stream ended as if nothing had failed.")
    session.ask(QUESTION)


@check(40, "logprobs stand at the choice, for the text as it is")
def check_logprobs(session: Session) -> None:
    options = {"logprobs": True, "top_logprobs": 2}
    whole = session.ask(QUESTION, **options).choices[0]
    entries = whole.logprobs.content
    expect(entries, "There are no logprobs.")
    spelt = b"".join(bytes(entry.bytes) for entry in entries).decode()
    expect_equal(spelt, whole.message.content, "The text of the tokens")
    for entry in entries:
        expect(entry.logprob <= 0, f"A logprob is {entry.logprob}.")
        expect_equal(len(entry.top_logprobs), 2, "The number of top_logprobs")
    told = [
        entry
        for chunk in session.ask(QUESTION, stream=True, **options)
        if chunk.choices and chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content or ()
    ]
    found = [entry.token for entry in told]
    expect_equal(found, [entry.token for entry in entries], "The streamed tokens")
    bare = session.ask(QUESTION, logprobs=True).choices[0].logprobs.content
    expect(all(entry.top_logprobs == [] for entry in bare), "top_logprobs came unasked.")


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    is_capital: bool


@check(41, "parsed answers fit their class; one that was cut raises")
def check_parse(session: Session) -> None:
    client = session.client()
    options: dict[str, Any] = {
        "model": session.target.model,
        "messages": [{"role": "user", "content": "Describe Paris as JSON."}],
        "response_format": City,
        "temperature": 0,
    }
    try:
        found = client.chat.completions.parse(**options, max_completion_tokens=120).choices[0]
        expect(isinstance(found.message.parsed, City), "The answer was not parsed.")
    except openai.LengthFinishReasonError as error:
        begun = error.completion.choices[0].message.content or ""
        expect(begun.startswith("{"), "What was cut is no JSON either.")
    try:
        client.chat.completions.parse(**options, max_completion_tokens=2)
    except openai.LengthFinishReasonError:
        return
    expect(False, "An answer that was cut is taken as whole.")
