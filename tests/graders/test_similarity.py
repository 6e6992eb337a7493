"""Text similarity: numbers derived by hand from the metrics' definitions, and embeddings."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.generate.remote import Endpoint
from assay.graders import Sample, build_grader
from assay.graders.similarity import METRICS

SPEC = {"type": "text_similarity", "input": "{{ sample.output_text }}", "reference": "{{ item.r }}"}


def compare(metric: str, text: str, reference: str) -> float:
    grader = build_grader({**SPEC, "evaluation_metric": metric})
    (grade,) = grader.grade([Sample(text)], [{"r": reference}])
    assert not grade.errors, grade.detail
    return grade.reward


LOCAL = [metric for metric in METRICS if metric != "cosine"]


@pytest.mark.parametrize("metric", LOCAL)
def test_equal_texts_are_most_alike_and_foreign_ones_least(metric: str) -> None:
    text = "the cat sat on the old red mat today"
    assert compare(metric, text, text) == pytest.approx(1, abs=2e-3)
    assert compare(metric, "zzz qqq xxx", text) == pytest.approx(0, abs=0.15)
    assert 0 <= compare(metric, "", text) <= compare(metric, text, text)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        # 3 of 4 words on each side: precision = recall = 3/4.
        ("rouge_1", 3 / 4),
        # "the cat" and "on it" have 1 of 3 pairs in common.
        ("rouge_2", 1 / 3),
        ("rouge_3", 0),
        # the cat … it: a subsequence of 3 of 4 words.
        ("rouge_l", 3 / 4),
        # 3 of 4, 1 of 3, 0 of 2, 0 of 1 n-grams: 4 of 10 on each side.
        ("gleu", 4 / 10),
        # Orders 3 and 4 count as 1/2 of 1 in 2, and 1/4 of 1 in 1; no brevity penalty.
        ("bleu", (3 / 4 * 1 / 3 * 1 / 4 * 1 / 4) ** 0.25),
        # F = 10PR/(R + 9P) = 3/4; 3 matches in 2 chunks: 1 − 0.5 (2/3)^3.
        ("meteor", 3 / 4 * (1 - 0.5 * (2 / 3) ** 3)),
        # 14 of 15 characters on each side, in order.
        ("fuzzy_match", 2 * 14 / 30),
    ],
)
def test_metrics_have_the_value_of_their_definition(metric: str, value: float) -> None:
    assert compare(metric, "the cat sits it", "the cat bits it") == pytest.approx(value)


def test_meteor_knows_stems() -> None:
    assert compare("meteor", "cats jumping", "cat jumped") > 0.9


def test_words_of_any_script_count() -> None:
    assert compare("rouge_1", "кот сидит", "кот спит") == pytest.approx(1 / 2)


@pytest.fixture
def embedder() -> Iterator[str]:
    """Serves vectors (length of the text, 1), in another order than asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/embeddings"
            rows = [
                {"index": place, "embedding": [len(text), 1]}
                for place, text in enumerate(asked["input"])
            ]
            body = json.dumps({"data": rows[::-1]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_cosine_compares_an_endpoints_embeddings(embedder: str) -> None:
    spec = {**SPEC, "evaluation_metric": "cosine", "model": "small"}
    samples, items = [Sample("abc"), Sample("a"), Sample("x")], [{"r": "a"}, {"r": "a"}, {}]
    for grader in (
        build_grader({**spec, "url": embedder}),
        build_grader(spec, endpoints={"small": Endpoint(embedder, "small")}),
    ):
        grades = grader.grade(samples, items)
        assert grades[0].reward == pytest.approx(4 / math.sqrt(10 * 2))
        assert grades[1].reward == pytest.approx(1)
        assert grades[2].errors == {"invalid_variable_error"}


def test_cosine_without_an_endpoint_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="without an endpoint"):
        build_grader({**SPEC, "evaluation_metric": "cosine", "model": "small"})


def test_a_host_that_was_not_allowed_is_refused() -> None:
    spec = {**SPEC, "evaluation_metric": "cosine", "model": "m", "url": "https://example.com/v1"}
    with pytest.raises(ConfigError, match=r"grader\.url: got host 'example\.com'"):
        build_grader(spec)


def test_an_endpoint_that_fails_fails_every_sample() -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m", max_tries=1)
    spec = {**SPEC, "evaluation_metric": "cosine", "model": "m"}
    (grade,) = build_grader(spec, endpoints={"m": endpoint}).grade([Sample("a")], [{"r": "a"}])
    assert (grade.reward, grade.errors) == (0, {"model_grader_server_error"})
