"""Jobs as they are made, refused, listed and asked to stop, with the official client."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_files import LosesAnswers

from assay.config import load
from assay.runs.store import Store, add_key
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import claim_check
from assay.serve.app import build_app
from assay.serve.bases import Bases, read_bases
from assay.serve.jobs.places import locate_job
from assay.serve.jobs.worker import check_job


def chat(number: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"Say number {number}."},
            {"role": "assistant", "content": f"number {number}"},
        ]
    }


def pair(number: int) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"Say {number}."}]},
        "preferred_output": [{"role": "assistant", "content": f"It is {number}."}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }


def prompt(number: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Say {number}."}], "answer": str(number)}


def upload(client: openai.OpenAI, rows: list[Any], purpose: str = "fine-tune") -> str:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return client.files.create(file=("rows.jsonl", content), purpose=purpose).id  # type: ignore[arg-type]


@pytest.fixture()
def client(served: Served) -> openai.OpenAI:
    """The client as a checker of shapes, which takes nothing that one as it is would not."""
    return served.client(_strict_response_validation=True)


@pytest.fixture()
def rows(client: openai.OpenAI) -> str:
    return upload(client, [chat(number) for number in range(12)])


@pytest.fixture()
def create(client: openai.OpenAI, rows: str) -> Callable[..., Any]:
    def create(**given: Any) -> Any:
        return client.fine_tuning.jobs.create(
            **{"model": "gpt-4.1-mini", "training_file": rows, **given}
        )

    return create


def check(store: Store) -> None:
    """What a worker does with a new job before its turn."""
    lease = claim_check(store, "tests")
    assert lease is not None
    check_job(store, lease)


def test_a_job_is_made_at_once_with_auto_resolved(
    client: openai.OpenAI, create: Callable[..., Any], store: Store
) -> None:
    job = create(suffix="my-suffix", metadata={"team": "a"})
    assert job.status == "validating_files" and job.error is None and job.result_files == []
    assert job.id.startswith("ftjob-") and job.model == "gpt-4.1-mini"
    assert isinstance(job.hyperparameters.n_epochs, int)
    assert job.hyperparameters.learning_rate_multiplier == 1.0
    assert 0 <= job.seed < 2**31 and job.metadata == {"team": "a"}
    assert job.model_extra is not None and job.model_extra["user_provided_suffix"] == "my-suffix"
    check(store)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "queued"
    messages = [one.message for one in client.fine_tuning.jobs.list_events(job.id)]
    assert messages[-1].startswith("Created")
    assert any(one.startswith("Files validated") for one in messages)


def test_a_recipe_is_what_was_asked(create: Callable[..., Any], store: Store) -> None:
    usual = load(locate_job(store, create().id) / "recipe.yaml").recipe
    job = create(
        seed=5,
        method={
            "type": "supervised",
            "supervised": {
                "hyperparameters": {
                    "n_epochs": 2,
                    "batch_size": 4,
                    "learning_rate_multiplier": 0.5,
                }
            },
        },
        extra_body={
            "x_assay": {
                "method": {"rank": 4},
                "defend": "auto",
                "train": {"schedule": "constant"},
                "gates": {"policy": "minimal", "thresholds": {"min_gain": -1}},
            }
        },
    )
    recipe = load(locate_job(store, job.id) / "recipe.yaml").recipe
    assert (recipe.seed, recipe.base.name, recipe.train.epochs, recipe.train.batch_size) == (
        5,
        "tiny",
        2,
        4,
    )
    assert recipe.train.learning_rate == pytest.approx((usual.train.learning_rate or 0) * 0.5)
    assert recipe.method.rank == 4 and recipe.train.schedule == "constant"  # type: ignore[union-attr]
    assert recipe.defend.preset == "auto" and recipe.gates.policy == "minimal"
    assert job.hyperparameters.n_epochs == 2 and job.hyperparameters.batch_size == 4
    assert job.model_extra["x_assay"]["method"] == {"rank": 4}
    assert usual.gates.policy == "small.yaml"


def test_steps_that_are_bounded_are_told_as_the_epochs_that_they_begin(
    create: Callable[..., Any],
) -> None:
    train = {"max_steps": 6, "batch_size": 4}
    data = {"validation_ratio": 0.25, "test_ratio": 0.25}
    job = create(extra_body={"x_assay": {"train": train, "data": data}})
    assert job.hyperparameters.n_epochs == 4, "24 rows of 6"


def test_pairs_and_prompts_make_their_recipes(client: openai.OpenAI, store: Store) -> None:
    pairs = upload(client, [pair(number) for number in range(12)])
    job = client.fine_tuning.jobs.create(
        model="tiny",
        training_file=pairs,
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 1}}},
    )
    assert job.method and job.method.dpo and job.method.dpo.hyperparameters
    assert job.method.type == "dpo" and job.method.dpo.hyperparameters.beta == 0.2
    check(store)
    recipe = load(locate_job(store, job.id) / "recipe.yaml").recipe
    assert recipe.objective.type == "dpo" and recipe.objective.beta == 0.2  # type: ignore[union-attr]
    train = upload(client, [prompt(number) for number in range(12)])
    held = upload(client, [prompt(number) for number in range(20, 24)])
    grader = {
        "type": "string_check",
        "name": "same",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.answer }}",
        "operation": "ilike",
    }
    job = client.fine_tuning.jobs.create(
        model="tiny",
        training_file=train,
        validation_file=held,
        method={
            "type": "reinforcement",
            "reinforcement": {
                "grader": grader,  # type: ignore[typeddict-item]
                "hyperparameters": {"compute_multiplier": 0.5, "eval_samples": 2},
            },
        },
    )
    assert job.method and job.method.reinforcement
    check(store)
    assert [one.status for one in client.fine_tuning.jobs.list()] == ["queued", "queued"]
    recipe = load(locate_job(store, job.id) / "recipe.yaml").recipe
    assert recipe.objective.type == "grpo" and recipe.objective.group_size == 4  # type: ignore[union-attr]
    assert recipe.objective.validation_samples == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"hyperparameters": {"n_epochs": 1.5}}, "hyperparameters.n_epochs"),
        (
            {"hyperparameters": {"learning_rate_multiplier": 0}},
            "hyperparameters.learning_rate_multiplier",
        ),
        ({"seed": 2**31}, "seed"),
        ({"metadata": {"k": "x" * 513}}, "metadata"),
        ({"method": {"type": "ppo"}}, "method.type"),
        ({"method": {"type": "reinforcement"}}, "method"),
        ({"extra_body": {"unknown": 1}}, "unknown"),
        ({"extra_body": {"x_assay": {"base": "/etc"}}}, "x_assay.base"),
        ({"extra_body": {"x_assay": {"train": {"epocs": 1}}}}, "x_assay.train.epocs"),
        (
            {"extra_body": {"x_assay": {"method": {"start_from": "/x"}}}},
            "x_assay.method.start_from",
        ),
        ({"extra_body": {"x_assay": {"gates": "/etc/passwd.yaml"}}}, "x_assay.gates.policy"),
        (
            {"extra_body": {"x_assay": {"evaluate": {"metric": "a.py:f"}}}},
            "x_assay.evaluate.metric",
        ),
        ({"extra_body": {"x_assay": {"defend": {"general": "/x"}}}}, "x_assay.defend.general"),
        ({"extra_body": {"x_assay": {"defend": {"trait": "../x.jsonl"}}}}, "x_assay.defend.trait"),
        (
            {"extra_body": {"x_assay": {"objective": {"environment": "a.py:C"}}}},
            "x_assay.objective.environment",
        ),
    ],
)
def test_what_is_out_of_bounds_is_400_by_its_path(
    create: Callable[..., Any], store: Store, given: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        create(**given)
    assert caught.value.param == param
    assert "/store" not in caught.value.message
    assert not (store.folder / "jobs").exists() or not list((store.folder / "jobs").iterdir())


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"key_env": "ASSAY_API_KEY"}, "key_env"),
        ({"model": "/etc"}, "model"),
        ({"range": "x"}, "range"),
    ],
)
def test_graders_ask_nobody_outside_and_no_folder(
    client: openai.OpenAI, store: Store, changes: dict[str, Any], param: str
) -> None:
    train = upload(client, [prompt(number) for number in range(12)])
    held = upload(client, [prompt(number) for number in range(20, 24)])
    grader = {
        "type": "score_model",
        "name": "judge",
        "model": "gpt-4.1-mini",
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
        **changes,
    }
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(
            model="tiny",
            training_file=train,
            validation_file=held,
            method={"type": "reinforcement", "reinforcement": {"grader": grader}},  # type: ignore[typeddict-item]
        )
    assert caught.value.param == f"method.reinforcement.grader.{param}"


def test_reinforcement_without_validation_rows_is_400(create: Callable[..., Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        create(method={"type": "reinforcement", "reinforcement": {"grader": {"type": "length"}}})
    assert caught.value.param == "validation_file"


def test_unknown_models_files_and_jobs_are_404(
    client: openai.OpenAI, create: Callable[..., Any]
) -> None:
    for given, param, code in (
        ({"model": "gpt-9"}, "model", "model_not_found"),
        ({"model": "ft:tiny:assay::none"}, "model", "model_not_found"),
        ({"training_file": "file-none"}, "training_file", "file_not_found"),
        ({"validation_file": "../secrets"}, "validation_file", "file_not_found"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            create(**given)
        assert (caught.value.param, caught.value.code) == (param, code)
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.retrieve("ftjob-none")


def test_a_file_for_another_purpose_is_400(
    client: openai.OpenAI, create: Callable[..., Any]
) -> None:
    other = upload(client, [chat(1)], purpose="batch")
    with pytest.raises(openai.BadRequestError) as caught:
        create(training_file=other)
    assert caught.value.param == "training_file"


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ([chat(n) for n in range(9)], "invalid_n_examples", ["9 rows"]),
        (
            [*(chat(n) for n in range(10)), {"messages": []}, {"messages": [{"role": "x"}]}],
            "invalid_file_format",
            ["rows.jsonl:11", "rows.jsonl:12"],
        ),
        ([pair(n) for n in range(12)], "invalid_file_format", ["rows.jsonl"]),
        ([*(chat(n) for n in range(10)), [1]], "invalid_file_format", ["rows.jsonl:11"]),
    ],
)
def test_bad_rows_fail_the_job_and_are_all_named(
    client: openai.OpenAI, store: Store, content: list[Any], code: str, told: list[str]
) -> None:
    file = upload(client, content)
    job = client.fine_tuning.jobs.create(model="tiny", training_file=file)
    check(store)
    failed = client.fine_tuning.jobs.retrieve(job.id)
    assert failed.status == "failed" and failed.error and failed.finished_at
    assert (failed.error.code, failed.error.param) == (code, "training_file")
    for words in told:
        assert words in failed.error.message
    assert str(store.folder) not in failed.error.message
    event = client.fine_tuning.jobs.list_events(job.id).data[0]
    assert event.level == "error" and event.message == failed.error.message


def test_a_paused_job_goes_on(served: Served, rows: str) -> None:
    # The state `paused` is not in the client's own list, so that a strict one refuses it.
    client = served.client()
    job = client.fine_tuning.jobs.create(model="tiny", training_file=rows)
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.pause(job.id)
    assert client.fine_tuning.jobs.resume(job.id).status == "validating_files"
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.resume(job.id)


def test_an_integration_that_is_not_here_is_echoed_and_warned_of(
    client: openai.OpenAI, create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "assay.serve.jobs.create.find_missing_trackers", lambda names: ["not installed"]
    )
    job = create(integrations=[{"type": "wandb", "wandb": {"project": "p"}}])
    assert job.integrations and job.integrations[0].wandb.project == "p"
    levels = [one.level for one in client.fine_tuning.jobs.list_events(job.id)]
    assert "warn" in levels


@pytest.fixture()
def losing(store: Store) -> Iterator[tuple[LosesAnswers, str, str]]:
    _, secret = add_key(store, "t", ["admin"])
    app = LosesAnswers(build_app(store))
    app.lost = 1
    with serving(app) as url:
        yield app, url, secret


def test_an_answer_that_is_lost_after_the_commit_makes_one_job(
    losing: tuple[LosesAnswers, str, str], store: Store
) -> None:
    app, url, secret = losing
    client = openai.OpenAI(base_url=url, api_key=secret, max_retries=2)
    file = upload(client, [chat(number) for number in range(10)])
    app.lost = 0
    job = client.fine_tuning.jobs.create(model="tiny", training_file=file)
    assert app.lost == 1
    assert [one.id for one in client.fine_tuning.jobs.list()] == [job.id]
    assert len(list((store.folder / "jobs").iterdir())) == 1
    assert client.fine_tuning.jobs.create(model="tiny", training_file=file).id != job.id


def test_jobs_need_the_scope_of_training(served: Served) -> None:
    _, infer = add_key(served.store, "i", ["infer"])
    with pytest.raises(openai.PermissionDeniedError):
        served.client(api_key=infer).fine_tuning.jobs.list()


def test_a_table_of_models_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text('{"gpt-4.1-mini": "org/base"}', encoding="utf-8")
    assert read_bases(str(path)) == Bases({"tiny": "tiny", "gpt-4.1-mini": "org/base"})
    assert read_bases().find("gpt-4o-mini") == "tiny" and read_bases().find("x") is None
    for text in ("[]", "{", '{"a": 1}', '{"ft:x": "tiny"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"models\.json"):
            read_bases(str(path))


def test_a_job_row_keeps_its_request(create: Callable[..., Any], store: Store) -> None:
    row = find_job(store, create(suffix="s").id)
    assert row is not None and row.request["suffix"] == "s" and row.base == "tiny"
