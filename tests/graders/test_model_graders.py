"""Graders that ask another model: what is sent, what is read, and each way that it goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.generate.remote import Endpoint
from assay.graders import Grade, Models, Sample, build_grader

Answer = Callable[[dict[str, Any]], tuple[int, Any]]


class Judge:
    """A fake endpoint: `answer` makes a status and a message of each request."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Answer = lambda asked: (200, {"content": '{"steps": [], "result": 0.5}'})
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                judge.asked.append(asked)
                status, message = judge.answer(asked)
                usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
                body = json.dumps({"choices": [{"message": message}], "usage": usage}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def judge() -> Iterator[Judge]:
    fake = Judge()
    threading.Thread(target=fake.server.serve_forever, daemon=True).start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


INPUT = [
    {"role": "developer", "content": "Judge."},
    {"role": "user", "type": "message", "content": {"type": "input_text", "text": "{{ item.q }}"}},
    {"role": "assistant", "content": [{"type": "output_text", "text": "{{ sample.output_text }}"}]},
]
SCORE = {"type": "score_model", "name": "s", "model": "big", "input": INPUT}
LABEL = {
    "type": "label_model",
    "name": "l",
    "model": "big",
    "input": INPUT,
    "labels": ["good", "fair", "bad"],
    "passing_labels": ["good", "fair"],
}


def grade(judge: Judge, spec: dict[str, Any], said: Any, *, status: int = 200) -> Grade:
    message = said if isinstance(said, dict) else {"content": said}
    judge.answer = lambda asked: (status, message)
    grader = build_grader({**spec, "url": judge.url})
    (one,) = grader.grade([Sample("an answer")], [{"q": "a question"}])
    return one


def test_messages_and_parameters_are_sent_as_described(judge: Judge) -> None:
    parameters = {
        "seed": 3,
        "top_p": 0.5,
        "temperature": 1,
        "max_completions_tokens": 64,
        "reasoning_effort": "low",
    }
    grade(judge, {**SCORE, "sampling_params": parameters}, '{"steps": [], "result": 1}')
    (asked,) = judge.asked
    form = asked.pop("response_format")
    assert asked == {
        "model": "big",
        "messages": [
            {"role": "developer", "content": "Judge."},
            {"role": "user", "content": "a question"},
            {"role": "assistant", "content": "an answer"},
        ],
        "seed": 3,
        "top_p": 0.5,
        "temperature": 1,
        "max_completion_tokens": 64,
        "reasoning_effort": "low",
    }
    schema = form["json_schema"]["schema"]
    assert schema["required"] == ["steps", "result"]
    assert schema["properties"]["result"] == {"type": "number"}


@pytest.mark.parametrize(
    ("said", "reward"),
    [
        ('{"steps": [], "result": 3.5}', 3.5),
        ('{"result": 9}', 5),
        ('{"result": -2}', 1),
        ('Well: ```json\n{"steps": [{"description": "{", "conclusion": ""}], "result": 2}\n```', 2),
    ],
)
def test_scores_are_clipped_to_their_range(judge: Judge, said: str, reward: float) -> None:
    one = grade(judge, {**SCORE, "range": [1, 5]}, said)
    assert (one.reward, one.errors, one.token_usage) == (reward, frozenset(), {"big": 7})


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        ("good", 200, "model_grader_parse_error"),
        ('{"result": "good"}', 200, "model_grader_parse_error"),
        ('{"result": true}', 200, "model_grader_parse_error"),
        ('{"result": NaN}', 200, "model_grader_parse_error"),
        ('{"steps": []', 200, "model_grader_parse_error"),
        ({"content": None, "refusal": "I will not."}, 200, "model_grader_refusal_error"),
        ("", 401, "model_grader_server_error"),
    ],
)
def test_each_failure_of_a_judge_has_its_name(
    judge: Judge, said: Any, status: int, error: str
) -> None:
    one = grade(judge, SCORE, said, status=status)
    assert (one.reward, one.errors) == (0, {error})
    assert one.detail


@pytest.mark.parametrize(("label", "reward"), [("good", 1), ("fair", 1), ("bad", 0)])
def test_labels_pass_or_do_not(judge: Judge, label: str, reward: float) -> None:
    one = grade(judge, LABEL, json.dumps({"steps": [], "result": label}))
    assert (one.reward, one.errors) == (reward, frozenset())
    assert judge.asked[0]["response_format"]["json_schema"]["schema"]["properties"]["result"] == {
        "type": "string",
        "enum": ["good", "fair", "bad"],
    }


def test_a_label_of_its_own_is_a_parse_error(judge: Judge) -> None:
    assert grade(judge, LABEL, '{"result": "great"}').errors == {"model_grader_parse_error"}


def test_many_samples_keep_their_places_and_their_own_errors(judge: Judge) -> None:
    def answer(asked: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"content": json.dumps({"result": int(asked["messages"][2]["content"]) / 40})}

    judge.answer = answer
    grader = build_grader(SCORE, endpoints={"big": Endpoint(judge.url, "big")})
    items: list[dict[str, Any]] = [{"q": "?"}] * 20 + [{}] * 10 + [{"q": "?"}] * 10
    grades = grader.grade([Sample(str(i)) for i in range(40)], items)
    assert [one.reward for one in grades] == [0 if 20 <= i < 30 else i / 40 for i in range(40)]
    assert {tuple(one.errors) for one in grades[20:30]} == {("invalid_variable_error",)}
    assert len(judge.asked) == 30


def test_an_endpoint_that_fails_is_given_up_on_for_the_batch(judge: Judge) -> None:
    judge.answer = lambda asked: (400, {})
    grader = build_grader({**SCORE, "url": judge.url})
    grades = grader.grade([Sample("")] * 60, [{"q": "?"}] * 60)
    assert {tuple(one.errors) for one in grades} == {("model_grader_server_error",)}
    assert len(judge.asked) < 60


def test_images_and_sounds_are_sent_in_the_form_of_chats(judge: Judge) -> None:
    parts = [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": "{{ item.q }}", "detail": "low"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    grade(judge, {**SCORE, "input": [{"role": "user", "content": parts}]}, '{"result": 1}')
    assert judge.asked[0]["messages"][0]["content"] == [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": {"url": "a question", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]


def test_within_multi_its_tokens_are_counted_once_for_all(judge: Judge) -> None:
    spec = {
        "type": "multi",
        "graders": {"a": {**SCORE, "url": judge.url}, "b": {**SCORE, "url": judge.url}},
        "calculate_output": "a + b",
    }
    (one,) = build_grader(spec).grade([Sample("x")], [{"q": "?"}])
    assert (one.reward, one.token_usage) == (1.0, {"big": 14})


class LengthChooser:
    """Likes the answer whose place is the number of messages, by far or by a little."""

    def __init__(self, logprob: float) -> None:
        self.logprob = logprob

    def choose(self, chats: Sequence[Any], answers: Sequence[str]) -> list[list[float]]:
        return [
            [self.logprob if place == len(chat) else -1.0 for place in range(len(answers))]
            for chat in chats
        ]


def test_a_model_in_this_process_scores_by_the_probability_of_each_score() -> None:
    grader = build_grader(
        {**SCORE, "range": [0, 10]}, models=Models(load=lambda name: LengthChooser(99.0))
    )
    (one,) = grader.grade([Sample("x")], [{"q": "?"}])
    assert one.reward == pytest.approx(3 * 10 / 20)
    flat = build_grader(
        {**SCORE, "range": [0, 10]}, models=Models(load=lambda name: LengthChooser(-1.0))
    )
    assert flat.grade([Sample("x")], [{"q": "?"}])[0].reward == pytest.approx(5)


def test_a_model_in_this_process_chooses_the_likeliest_label() -> None:
    spec = {**LABEL, "labels": ["a", "b", "c", "d"], "passing_labels": ["d"]}
    for logprob, reward in ((-0.9, 1.0), (-1.1, 0.0)):
        grader = build_grader(spec, models=Models(load=lambda name, p=logprob: LengthChooser(p)))
        grades = grader.grade([Sample("x"), Sample("x")], [{"q": "?"}, {}])
        assert [one.reward for one in grades] == [reward, 0]
        assert grades[1].errors == {"invalid_variable_error"}


def test_what_a_model_in_this_process_cannot_do_is_refused() -> None:
    content = {"type": "input_image", "image_url": "x"}
    spec = {
        **SCORE,
        "input": [{"role": "user", "content": content}],
        "sampling_params": {"temperature": 1},
    }
    with pytest.raises(ConfigError) as raised:
        build_grader(spec, models=Models(load=lambda name: LengthChooser(0)))
    assert "sampling_params.temperature" in str(raised.value)
    assert "an image or a sound" in str(raised.value)


def test_all_mistakes_of_a_description_come_at_once() -> None:
    spec = {
        "type": "label_model",
        "model": "big",
        "input": [{"role": "judge", "content": "x"}, {"role": "user", "contents": "x"}],
        "labels": ["a"],
        "passing_labels": ["b"],
        "sampling_params": {"top_p": 2, "top_k": 1},
        "key_env": "KEY",
    }
    with pytest.raises(ConfigError) as raised:
        build_grader(spec)
    said = str(raised.value)
    for part in ("input.0.role", "input.1.contents", "passing label 'b'", "top_p 2", "top_k",
                 "key_env without url", "without an endpoint (known: none)"):  # fmt: skip
        assert part in said, part
    with pytest.raises(ConfigError, match="the lower first"):
        build_grader({**SCORE, "range": [1, 0]}, models=Models(load=lambda name: LengthChooser(0)))
