"""The routes of feedback, each of the key's project: rate, correct, list, take back."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assay.runs.store.completions import find_in
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.feedback import (
    FeedbackRow,
    delete_feedback,
    find_feedback,
    insert_feedback,
    list_feedback,
)
from assay.runs.store.ids import new_id
from assay.serve.auth import Principal, require
from assay.serve.errors import ApiError, not_found, refuse
from assay.serve.inference.chat_body import MessageBody
from assay.serve.lists import render_list
from assay.serve.retries import is_retry
from assay.serve.texts import is_storable

User = Annotated[Principal, Depends(require("infer"))]


class FeedbackBody(BaseModel):
    """POST /v1/feedback: of one choice a rating, a better answer, a comment; one at least."""

    model_config = ConfigDict(extra="forbid", strict=True)

    completion_id: Annotated[str, Field(min_length=1, max_length=200)]
    choice: Annotated[int, Field(ge=0, lt=128)] = 0
    rating: float | None = None
    correction: Annotated[str, Field(min_length=1)] | MessageBody | None = None
    comment: Annotated[str, Field(min_length=1, max_length=8192)] | None = None

    @field_validator("rating")
    @classmethod
    def _is_rating(cls, value: float | None) -> float | None:
        if value is not None and value != -1 and not 0 <= value <= 1:
            raise ValueError("a rating is -1 or 1, or from 0 to 1")
        return value

    @field_validator("correction")
    @classmethod
    def _is_answer(cls, value: str | MessageBody | None) -> str | MessageBody | None:
        if isinstance(value, MessageBody) and value.role != "assistant":
            raise ValueError("a correction is a message of the assistant, or its text")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> FeedbackBody:
        if self.rating is None and self.correction is None and self.comment is None:
            raise ValueError("give a rating, a correction or a comment")
        if not is_storable([self.answer, self.comment]):
            raise ValueError("a text holds a NUL, or half of a surrogate pair")
        return self

    @property
    def score(self) -> float | None:
        """The rating from 0 to 1."""
        return None if self.rating is None else max(0.0, self.rating)

    @property
    def answer(self) -> dict[str, Any] | None:
        """The correction as a message."""
        if isinstance(self.correction, str):
            return {"role": "assistant", "content": self.correction}
        given = self.correction
        return None if given is None else given.model_dump(mode="json", exclude_unset=True)


def build_router() -> APIRouter:
    """Create, list, retrieve and delete."""
    router = APIRouter(prefix="/feedback")
    router.post("")(create)
    router.get("")(list_all)
    router.get("/{feedback_id}")(retrieve)
    router.delete("/{feedback_id}")(remove)
    return router


def create(request: Request, user: User, body: FeedbackBody) -> dict[str, Any]:
    """Say something of a stored completion."""
    store, arrived = request.app.state.store, time.time()
    mark = fingerprint(user.id, "feedback", body.model_dump(mode="json"))
    attempt = Attempt(mark, is_retry(request), arrived)
    with store.write() as connection:
        feedback_id = find_created(store, connection, attempt)
        if feedback_id is None:
            completion = find_in(store, connection, body.completion_id, user.project)
            _check_choice(completion, body)
            feedback_id = new_id("fb_")
            insert_feedback(
                store,
                connection,
                id=feedback_id,
                completion_id=body.completion_id,
                project=user.project,
                key_id=user.id,
                choice=body.choice,
                score=body.score,
                correction=body.answer,
                comment=body.comment,
            )
            note_created(store, connection, attempt, feedback_id)
    return render_feedback(_get(request, user, feedback_id))


def list_all(
    request: Request,
    user: User,
    completion_id: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """A page of what was said, the newest first; of one completion where that is named."""
    page = list_feedback(
        request.app.state.store,
        user.project,
        completion_id=completion_id,
        after=after,
        limit=limit,
    )
    return render_list(page, render_feedback, after=after)


def retrieve(request: Request, user: User, feedback_id: str) -> dict[str, Any]:
    """What was said once."""
    return render_feedback(_get(request, user, feedback_id))


def remove(request: Request, user: User, feedback_id: str) -> dict[str, Any]:
    """Take it back."""
    if not delete_feedback(request.app.state.store, feedback_id, user.project):
        raise _unknown(feedback_id)
    return {"id": feedback_id, "object": "feedback.deleted", "deleted": True}


def render_feedback(row: FeedbackRow) -> dict[str, Any]:
    """Feedback; its rating from 0 to 1."""
    return {
        "id": row.id,
        "object": "feedback",
        "created_at": int(row.created_at),
        "completion_id": row.completion_id,
        "choice": row.choice,
        "rating": row.score,
        "correction": row.correction,
        "comment": row.comment,
    }


def _check_choice(completion: Any, body: FeedbackBody) -> None:
    if completion is None:
        raise not_found(
            "completion", body.completion_id, param="completion_id", code="completion_not_found"
        )
    num = len(completion.response["choices"])
    if body.choice >= num:
        raise refuse(f"The completion has {num} choices, counted from 0.", param="choice")


def _get(request: Request, user: Principal, feedback_id: str) -> FeedbackRow:
    row = find_feedback(request.app.state.store, feedback_id, user.project)
    if row is None:
        raise _unknown(feedback_id)
    return row


def _unknown(feedback_id: str) -> ApiError:
    return not_found("feedback", feedback_id, param="feedback_id")
