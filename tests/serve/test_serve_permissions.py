"""Permissions of checkpoints, and the models of jobs as inference asks for them."""

from typing import Any

import openai
import pytest
from tests.serve.conftest import Served

from assay.runs.store import Store, add_key
from assay.runs.store.jobs import insert_job
from assay.runs.store.models import insert_model
from assay.runs.store.owners import insert_owner
from assay.serve.errors import ApiError
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.stored_records import StoredRecords

NAME = "ft:tiny:assay:x:abc"
CHECKPOINT = f"{NAME}:ckpt-step-5"


@pytest.fixture(autouse=True)
def models(store: Store) -> None:
    with store.write() as connection:
        insert_job(
            connection,
            id="ftjob-1",
            status="succeeded",
            model="tiny",
            base="tiny",
            training_file="file-1",
            seed=0,
            priority=0,
            num_attempts=0,
            not_before=0.0,
            created_at=0.0,
        )
        for name, state, checkpoint, step in (
            (NAME, "released", None, None),
            (f"{NAME}-held", "held", None, None),
            (CHECKPOINT, "unreleased", "ftckpt_1", 5),
        ):
            insert_model(
                store,
                connection,
                id=name,
                base="tiny",
                job_id="ftjob-1",
                checkpoint_id=checkpoint,
                step=step,
                folder="jobs/ftjob-1/a",
                run="jobs/ftjob-1/r",
                state=state,
            )


def test_projects_are_let_in_listed_and_let_out(client: openai.OpenAI, store: Store) -> None:
    for name in ("b", "c"):
        add_key(store, name, ["infer"], project=f"proj_{name}")
    permissions = client.fine_tuning.checkpoints.permissions
    made = list(permissions.create(CHECKPOINT, project_ids=["proj_b", "proj_c"]))
    assert [one.project_id for one in made] == ["proj_b", "proj_c"]
    assert all(one.object == "checkpoint.permission" for one in made)
    again = list(permissions.create("ftckpt_1", project_ids=["proj_b"]))
    assert again == made[:1]
    ids = [one.id for one in made]
    assert [one.id for one in permissions.list(CHECKPOINT, limit=1)] == ids[::-1]
    assert [one.id for one in permissions.list(CHECKPOINT, order="ascending")] == ids
    assert [one.id for one in permissions.list(CHECKPOINT, project_id="proj_c")] == ids[1:]
    gone = permissions.delete(made[0].id, fine_tuned_model_checkpoint=CHECKPOINT)
    assert gone.deleted and gone.id == made[0].id
    assert [one.id for one in permissions.list(CHECKPOINT)] == ids[1:]


def test_unknown_projects_checkpoints_and_scopes_are_refused(served: Served, store: Store) -> None:
    permissions = served.client().fine_tuning.checkpoints.permissions
    with pytest.raises(openai.BadRequestError) as caught:
        permissions.create(CHECKPOINT, project_ids=["proj_none"])
    assert caught.value.param == "project_ids"
    with pytest.raises(openai.NotFoundError):
        permissions.create(NAME, project_ids=["proj_default"])
    with pytest.raises(openai.NotFoundError):
        permissions.delete("cp_none", fine_tuned_model_checkpoint=CHECKPOINT)
    _, train = add_key(store, "t", ["train"])
    with pytest.raises(openai.PermissionDeniedError):
        served.client(api_key=train).fine_tuning.checkpoints.permissions.list(CHECKPOINT)


class User:
    """A key of a project."""

    def __init__(self, project: str, *scopes: str) -> None:
        self.project, self.scopes = project, scopes

    def allows(self, scope: str) -> bool:
        return scope in self.scopes


def test_checkpoints_are_for_their_project_those_let_in_and_admins(
    client: openai.OpenAI, store: Store
) -> None:
    with store.write() as connection:
        insert_owner(connection, "ftjob-1", "proj_a")
    for name in ("a", "b", "c"):
        add_key(store, name, ["train"], project=f"proj_{name}")
    client.fine_tuning.checkpoints.permissions.create(CHECKPOINT, project_ids=["proj_b"])
    base: Any = None
    catalog = ReleaseCatalog(base, ("tiny",), 1, StoredRecords(store))
    users: dict[Any, bool] = {
        User("proj_a", "train"): True,
        User("proj_b", "train"): True,
        User("proj_c", "train"): False,
        User("proj_default", "train"): False,
        User("proj_a", "infer"): False,
        User("proj_b", "infer"): False,
        User("proj_c", "admin"): True,
    }
    for user, may_use in users.items():
        listed = {one.id: one for one in catalog.list_models(user)}
        assert (CHECKPOINT in listed) == may_use and NAME in listed and "tiny" in listed
        if may_use:
            assert listed[CHECKPOINT].fields == {"x_assay": {"state": "unreleased"}}
            assert catalog.describe(CHECKPOINT, user).headers == {"x-assay-state": "unreleased"}
            continue
        with pytest.raises(ApiError) as unknown:
            catalog.describe(CHECKPOINT, user)
        assert (unknown.value.status_code, unknown.value.code) == (404, "model_not_found")
        assert catalog.describe(NAME, user).id == NAME


def test_jobs_start_from_checkpoints_that_their_project_may_use(
    served: Served, store: Store
) -> None:
    """Whether it may is asked before what is wrong with its folder, which is empty here."""
    with store.write() as connection:
        insert_owner(connection, "ftjob-1", "proj_a")
    for project, told in (("proj_a", "no adapter to go on from"), ("proj_b", "No such model")):
        _, secret = add_key(store, project, ["train"], project=project)
        with pytest.raises(openai.APIStatusError, match=told):
            served.client(api_key=secret).fine_tuning.jobs.create(
                model=CHECKPOINT, training_file="file-1"
            )


def test_inference_finds_what_jobs_made(store: Store) -> None:
    records = StoredRecords(store)
    assert [one.id for one in records.list_released()] == [NAME]
    held, checkpoint = records.find(f"{NAME}-held"), records.find(CHECKPOINT)
    assert held is not None and not held.is_released and not held.is_checkpoint
    assert checkpoint is not None and checkpoint.is_checkpoint and not checkpoint.is_released
    assert checkpoint.folder == store.folder / "jobs/ftjob-1/a"
    with pytest.raises(ApiError, match="of another project"):
        records.delete(NAME, "proj_b")
    assert records.find(NAME) is not None
    assert records.delete(NAME, "proj_default") and not records.delete(NAME, None)
    assert records.find(NAME) is None
