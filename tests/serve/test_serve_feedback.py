"""Feedback over HTTP, and what becomes of it: reviewed, curated versions, and a job of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import select
from tests.serve.conftest import Served

from assay.cli import main
from assay.data.versions import VersionStore
from assay.pipeline.feedback.candidates import gather_candidates
from assay.pipeline.feedback.said import read_rating
from assay.runs.store import Store, add_key
from assay.runs.store.completions import completions, insert_completion, iterate_completions
from assay.runs.store.keys import DEFAULT_PROJECT
from assay.runs.store.models import insert_model

Post = Callable[..., Any]
TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": "{}"}}


def put(
    store: Store,
    number: int,
    *,
    answers: tuple[dict[str, Any], ...] | None = None,
    reason: str = "stop",
    choice: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
    request: dict[str, Any] | None = None,
    project: str = DEFAULT_PROJECT,
) -> str:
    """A stored completion, as the server keeps it."""
    identity = f"chatcmpl-{project}-{number}"
    given = answers or (
        {"role": "assistant", "content": f"Answer {TOPICS[number]}.", "refusal": None},
    )
    choices = [
        {"index": n, "message": one, "logprobs": None, "finish_reason": reason, **(choice or {})}
        for n, one in enumerate(given)
    ]
    asked = {
        "model": "tiny",
        "store": True,
        "messages": [
            {"role": "system", "content": "You are the desk."},
            {"role": "user", "content": f"How is {TOPICS[number]} done here?"},
        ],
        **(request or {}),
    }
    insert_completion(
        store,
        retention_s=1000,
        id=identity,
        project=project,
        key_id="key_a",
        model="tiny",
        asked_model="tiny",
        metadata=metadata,
        request=asked,
        response={"id": identity, "object": "chat.completion", "created": 1, "choices": choices},
    )
    return identity


TOPICS = [
    "baking bread", "mending a roof", "planting oaks", "tuning a violin", "cutting glass",
    "reading a map", "brewing tea", "sailing upwind", "binding books", "keeping bees",
    "casting bronze", "drawing maps", "washing wool", "laying bricks", "ringing bells",
]  # fmt: skip


@pytest.fixture()
def post(served: Served) -> Post:
    def send(path: str = "/feedback", *, secret: str = served.key, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}"}
        return httpx.post(served.url + path, headers=headers, json=body)

    return send


def build(store: Store, out: Path, capsys: Any, *options: str, code: int = 0) -> Any:
    verb = ["data", "from-feedback", "--store", str(store.folder), "--json", *options]
    assert main([*verb, *(["--out", str(out)] if "--review" not in options else [])]) == code
    told = capsys.readouterr()
    return json.loads(told.out) if not code else told.out + told.err


def read_rows(out: Path, name: str) -> list[Any]:
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]


def test_feedback_is_kept_listed_and_taken_back(served: Served, post: Post) -> None:
    one, two = put(served.store, 0), put(served.store, 1)
    made = post(completion_id=one, rating=-1, correction="Knead it.", comment="too short")
    assert made.status_code == 200
    told = made.json()
    assert (told["object"], told["rating"], told["comment"]) == ("feedback", 0, "too short")
    assert told["correction"] == {"role": "assistant", "content": "Knead it."}
    other = post(completion_id=two, rating=0.25).json()
    client = served.client()
    listed: Any = client.get("/feedback", cast_to=object)
    assert [item["id"] for item in listed["data"]] == [other["id"], told["id"]]
    query = {"params": {"completion_id": one}}
    found: Any = client.get("/feedback", cast_to=object, options=query)
    assert found["data"] == [told]
    assert client.get(f"/feedback/{told['id']}", cast_to=object) == told
    gone: Any = client.delete(f"/feedback/{told['id']}", cast_to=object)
    assert gone == {"id": told["id"], "object": "feedback.deleted", "deleted": True}
    for call in (client.get, client.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            call(f"/feedback/{told['id']}", cast_to=object)
        assert caught.value.code == "feedback_not_found"


def test_feedback_that_is_sent_again_is_one(served: Served) -> None:
    client, one = served.client(), put(served.store, 0)
    again = {"headers": {"x-stainless-retry-count": "1"}}
    body = {"completion_id": one, "rating": 1}
    first: Any = client.post("/feedback", cast_to=object, body=body)
    assert client.post("/feedback", cast_to=object, body=body, options=again) == first
    listed: Any = client.get("/feedback", cast_to=object)
    assert len(listed["data"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"rating": 1.5}, 400, "rating"),
        ({"rating": -0.5}, 400, "rating"),
        ({"rating": True}, 400, "rating"),
        ({}, 400, None),
        ({"rating": 1, "choice": 1}, 400, "choice"),
        ({"rating": 1, "stars": 5}, 400, "stars"),
        ({"completion_id": "chatcmpl-none", "rating": 1}, 404, "completion_id"),
    ],
)
def test_wrong_feedback_is_refused_by_name(
    served: Served, post: Post, body: dict[str, Any], status: int, param: str | None
) -> None:
    found = post(**{"completion_id": put(served.store, 0), **body})
    assert (found.status_code, found.json()["error"]["param"]) == (status, param)


def test_a_correction_is_the_assistants(served: Served, post: Post) -> None:
    one = put(served.store, 0)
    wrong = post(completion_id=one, correction={"role": "user", "content": "x"})
    assert wrong.status_code == 400
    right = post(completion_id=one, correction={"role": "assistant", "tool_calls": [CALL]})
    assert right.json()["correction"]["tool_calls"] == [CALL]


def test_another_project_says_nothing_of_it(served: Served, post: Post) -> None:
    _, secret = add_key(served.store, "other", ["infer"], project="proj_other")
    one = put(served.store, 0)
    mine = post(completion_id=one, rating=1).json()
    assert post(secret=secret, completion_id=one, rating=0).status_code == 404
    other = served.client(api_key=secret)
    with pytest.raises(openai.NotFoundError):
        other.get(f"/feedback/{mine['id']}", cast_to=object)


def test_corrections_and_good_answers_become_rows_and_pairs(
    served: Served, post: Post, tmp_path: Path, capsys: Any
) -> None:
    store, out = served.store, tmp_path / "feedback"
    corrected, good, mixed, bad, cut, denied, silent, told = (put(store, n) for n in range(8))
    put(store, 8, project="proj_other", metadata={"rating": "1"})
    called = put(
        store,
        9,
        answers=({"role": "assistant", "content": "Soon.", "refusal": None},) * 2,
        request={"tools": [TOOL]},
    )
    post(completion_id=corrected, correction="An older one.", rating=-1)
    post(completion_id=corrected, correction="Knead, rest, bake.")
    post(completion_id=good, rating=1)
    for rating in (1, 1, 1, 0.2):
        post(completion_id=mixed, rating=rating)
    post(completion_id=bad, rating=0.5)
    for number, odd in ((cut, {"finish_reason": "length"}), (denied, {"tool_policy": {"n": 1}})):
        with store.write() as connection:
            row = connection.execute(select(completions).where(completions.c.id == number)).one()
            response = {**row.response, "choices": [{**row.response["choices"][0], **odd}]}
            changed = completions.update().where(completions.c.id == number)
            connection.execute(changed.values(response=response))
        post(completion_id=number, rating=1)
    metadata = {"rating": "0.9", "comment": "fine", "correction": "Warm the pot first."}
    served.client().chat.completions.update(told, metadata=metadata)
    post(
        completion_id=called,
        choice=1,
        correction={"role": "assistant", "content": None, "tool_calls": [CALL]},
    )
    found = build(store, out, capsys)
    assert found["left_out"] == {
        "rated well and badly": 1,
        "rated low, and not corrected": 1,
        "rated well, though it was cut off": 1,
        "rated well, though calls of it were denied": 1,
        "neither rated nor corrected": 2,
    }
    rows, pairs = read_rows(out, "answers"), read_rows(out, "pairs")
    assert [one["completion_id"] for one in rows] == [corrected, good, told, called]
    answers = [one["messages"][-1] for one in rows]
    assert [one["content"] for one in answers] == [
        "Knead, rest, bake.", "Answer mending a roof.", "Warm the pot first.", "",
    ]  # fmt: skip
    assert rows[3]["tools"] == [TOOL] and answers[3]["tool_calls"] == [CALL]
    assert rows[0]["messages"][:2] == [
        {"role": "system", "content": "You are the desk."},
        {"role": "user", "content": "How is baking bread done here?"},
    ]
    assert [one["completion_id"] for one in pairs] == [corrected, told, called]
    assert pairs[0]["non_preferred_output"][0]["content"] == "Answer baking bread."
    for name, num in (("answers", 4), ("pairs", 3)):
        versions = VersionStore.open(out / name)
        assert versions.current.id == found["versions"][name]["version"]
        records = list(versions.records(versions.current))
        assert len(records) == num
        assert (versions.folder(versions.current.id) / "README.md").is_file()
    assert json.loads((out / "feedback.json").read_text())["reviewed"] is False
    assert silent not in (out / "feedback.json").read_text()


def test_empty_answers_are_neither_learned_nor_compared(store: Store) -> None:
    nothing = ({"role": "assistant", "content": "", "refusal": None},)
    rated = put(store, 0, answers=nothing, metadata={"rating": "1"})
    put(store, 1, answers=nothing, metadata={"correction": "Slowly."})
    put(store, 2, metadata={"correction": f"Answer {TOPICS[2]}."})
    odd = put(store, 3, metadata={"rating": "good"})
    found = gather_candidates(iterate_completions(store, DEFAULT_PROJECT))
    assert [(one.kind, one.is_pair) for one in found.candidates] == [("correction", False)] * 2
    assert found.left_out == {
        "rated well, though it is empty": 1,
        "a rating in the metadata that is no number": 1,
        "neither rated nor corrected": 1,
    }
    assert {rated, odd}.isdisjoint(one.completion_id for one in found.candidates)


def test_a_review_decides_and_mends(
    served: Served, post: Post, tmp_path: Path, capsys: Any
) -> None:
    one, two, three = (put(served.store, n) for n in range(3))
    post(completion_id=one, correction="Knead.")
    for other in (two, three):
        post(completion_id=other, rating=1)
    review, out = tmp_path / "review.jsonl", tmp_path / "out"
    told = build(served.store, out, capsys, "--review", str(review))
    assert told["num_candidates"] == 3 and not out.exists()
    lines = [json.loads(line) for line in review.read_text().splitlines()]
    lines[0]["correction"] = "Knead, and rest."
    lines[1]["take"] = False
    lines[2]["correction"] = {"role": "assistant", "content": "In autumn."}
    review.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = build(served.store, out, capsys, "--reviewed", str(review))
    rows = read_rows(out, "answers")
    assert [row["messages"][-1]["content"] for row in rows] == ["Knead, and rest.", "In autumn."]
    assert [row["completion_id"] for row in rows] == [one, three]
    assert len(read_rows(out, "pairs")) == 2
    assert found["left_out"] == {"not taken by the review": 1}
    assert json.loads((out / "feedback.json").read_text())["reviewed"] is True
    review.write_text('{"take": "yes"}\n\n[1]\n')
    told = build(served.store, out, capsys, "--reviewed", str(review), code=2)
    assert [one["line"] for one in json.loads(told)["error"]["problems"]] == [1, 3]


def test_what_is_deleted_teaches_nothing_any_more(
    served: Served, post: Post, tmp_path: Path, capsys: Any
) -> None:
    store, out = served.store, tmp_path / "out"
    kept = put(store, 0, request={"user": "ben"})
    gone = put(store, 1, request={"user": "ann"})
    for one in (kept, gone):
        post(completion_id=one, correction=f"Better than {one}.")
    first = build(store, out, capsys, "--as-file")["versions"]
    files = [one["file"] for one in first.values()]
    client = served.client()
    served.client().delete(
        "/chat/completions", cast_to=object, options={"params": {"person": "ann"}}
    )
    found = build(store, out, capsys)
    assert [row["completion_id"] for row in read_rows(out, "answers")] == [kept]
    old = [f"{name}/{first[name]['version']}" for name in ("answers", "pairs")]
    assert found["forgotten"]["versions"] == old and not found["forgotten"]["is_purged"]
    assert (out / "answers" / "versions" / first["answers"]["version"]).is_dir()
    assert found["forgotten"]["files"] == files and client.files.retrieve(files[0])
    found = build(store, out, capsys, "--purge")
    assert found["forgotten"]["versions"] == old and found["forgotten"]["is_purged"]
    for one in files:
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(one)
    for path in out.rglob("*"):
        assert path.is_dir() or gone.encode() not in path.read_bytes()
    assert build(store, out, capsys)["forgotten"]["versions"] == []
    served.client().chat.completions.delete(kept)
    told = build(store, out, capsys, "--purge", code=2)
    assert "no answer to learn" in told
    assert not (out / "answers.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "score"),
    [("1", 1.0), ("-1", 0.0), ("0.5", 0.5), ("good", None), ("2", None), ("nan", None)],
)
def test_ratings_of_metadata_are_read(text: str, score: float | None) -> None:
    assert read_rating(text) == score


def test_private_texts_are_masked_on_the_way(
    served: Served, post: Post, tmp_path: Path, capsys: Any
) -> None:
    one, other = put(served.store, 0), put(served.store, 1)
    post(completion_id=one, correction="Write to anna.berg@posteo.de, she knows.")
    post(completion_id=other, rating=1)
    build(served.store, tmp_path / "out", capsys)
    versions = VersionStore.open(tmp_path / "out" / "answers")
    texts = [record.messages[-1]["content"] for record in versions.records(versions.current)]
    assert "anna.berg" not in texts[0] and "she knows" in texts[0]


def test_capture_curate_and_a_job_from_the_adapter_before(
    served: Served, post: Post, tmp_path: Path, capsys: Any
) -> None:
    """The loop up to the queue: what users said becomes a job that goes on from what they used."""
    store, client = served.store, served.client(_strict_response_validation=True)
    first = client.fine_tuning.jobs.create(
        model="tiny", training_file=upload_rows(client), suffix="desk"
    )
    adapter = "ft:tiny:proj_default:desk:first"
    with store.write() as connection:
        insert_model(
            store,
            connection,
            id=adapter,
            base="tiny",
            job_id=first.id,
            folder="jobs/first/adapter",
            run="jobs/first",
            state="released",
        )
    write_adapter(store.folder / "jobs" / "first" / "adapter")
    for number in range(12):
        one = put(store, number, request={"model": adapter})
        post(completion_id=one, correction=f"In this house, {TOPICS[number]} takes patience.")
    found = build(store, tmp_path / "out", capsys, "--as-file")
    assert found["versions"]["answers"]["num_rows"] == 12
    kept = client.files.retrieve(found["versions"]["answers"]["file"])
    assert (kept.status, kept.purpose) == ("processed", "fine-tune")
    job = client.fine_tuning.jobs.create(model=adapter, training_file=kept.id)
    assert job.status in ("validating_files", "queued") and job.model == adapter
    assert job.model_extra is not None
    assert adapter in json.dumps(job.model_extra["x_assay"])
    pairs = found["versions"]["pairs"]["file"]
    second = client.fine_tuning.jobs.create(
        model=adapter, training_file=pairs, method={"type": "dpo", "dpo": {}}
    )
    assert second.method is not None and second.method.type == "dpo"


def upload_rows(client: openai.OpenAI) -> str:
    rows = [
        {"messages": [{"role": "user", "content": one}, {"role": "assistant", "content": "Ask."}]}
        for one in TOPICS
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    return client.files.create(file=("rows.jsonl", text.encode()), purpose="fine-tune").id


def write_adapter(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]})
    )
    (folder / "adapter_model.safetensors").write_bytes(b"")
