"""The bodies of evals and their runs, field by field; what is not served is refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assay.serve.inference.chat_body import Body, ResponseFormat, ToolBody
from assay.serve.metadata import Metadata

MAX_CRITERIA, MAX_INLINE_ROWS = 50, 10_000
DEFAULT_SEED = 42
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class CustomSource(Body):
    type: Literal["custom"]
    item_schema: dict[str, Any]
    include_sample_schema: bool = False


class CreateEval(Body):
    """POST /v1/evals. Criteria are graders' descriptions, with a `pass_threshold` beside them."""

    name: Name | None = None
    metadata: Metadata = None
    data_source_config: CustomSource
    testing_criteria: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_CRITERIA)]


class ChangeEval(Body):
    name: Name | None = None
    metadata: Metadata = None


class ChoiceBody(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    message: dict[str, Any] | None = None


class SampleBody(BaseModel):
    """An answer as graders read it; its text may stand in the first of `choices`."""

    model_config = ConfigDict(extra="allow", strict=True)

    output_text: str | None = None
    output_json: Any = None
    output_tools: list[dict[str, Any]] | None = None
    choices: list[ChoiceBody] | None = None
    model: str | None = None


class RowBody(Body):
    """One row: what graders read as ``item``, and an answer to judge where none is asked for."""

    item: dict[str, Any]
    sample: SampleBody | None = None


class InlineRows(Body):
    type: Literal["file_content"]
    content: Annotated[list[RowBody], Field(min_length=1, max_length=MAX_INLINE_ROWS)]


class FileRows(Body):
    type: Literal["file_id"]
    id: Annotated[str, Field(min_length=1, max_length=200)]


Rows = Annotated[InlineRows | FileRows, Field(discriminator="type")]


class TemplateMessages(Body):
    type: Literal["template"]
    template: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]


class ReferredMessages(Body):
    """Messages that stand in the row, such as ``item.messages``."""

    type: Literal["item_reference"]
    item_reference: Annotated[str, Field(pattern=r"^item(\.[A-Za-z_][\w-]*)+$", max_length=200)]


class SamplingParams(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    response_format: ResponseFormat | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    tools: Annotated[list[ToolBody], Field(max_length=128)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None


class JsonlSource(Body):
    type: Literal["jsonl"]
    source: Rows


class CompletionsSource(Body):
    """Answers of a model of this server to each row; without `model` the rows' own answers."""

    type: Literal["completions"]
    source: Rows
    model: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    input_messages: (
        Annotated[TemplateMessages | ReferredMessages, Field(discriminator="type")] | None
    ) = None
    sampling_params: SamplingParams | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> CompletionsSource:
        if (self.model is None) != (self.input_messages is None):
            raise ValueError("model and input_messages belong together: what is asked, and whom")
        if self.model is None and self.sampling_params is not None:
            raise ValueError("sampling_params need a model")
        return self


DataSource = Annotated[JsonlSource | CompletionsSource, Field(discriminator="type")]


class CreateRun(Body):
    """POST /v1/evals/{id}/runs."""

    name: Name | None = None
    metadata: Metadata = None
    data_source: DataSource
