"""The body of POST /v1/responses: every parameter with its range; what is not served is refused.

Items that a client got from the server go in again as they came out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assay.serve.inference.chat_body import Body, Name, StreamOptions
from assay.serve.texts import check_whole


class Item(BaseModel):
    """An item, or a part of one; keys that are not known must hold nothing."""

    model_config = ConfigDict(extra="allow", strict=True)

    @model_validator(mode="after")
    def _holds_nothing_else(self) -> Item:
        odd = sorted(key for key, value in (self.model_extra or {}).items() if value is not None)
        if odd:
            raise ValueError(f"{', '.join(odd)}: not understood here")
        return self


class TextPart(Item):
    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class RefusalPart(Item):
    type: Literal["refusal"]
    refusal: str


Part = Annotated[TextPart | RefusalPart, Field(discriminator="type")]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class MessageItem(Item):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]
    id: str | None = None
    status: ItemStatus | None = None
    phase: str | None = None


class CallItem(Item):
    type: Literal["function_call"]
    call_id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Name
    arguments: str
    id: str | None = None
    status: ItemStatus | None = None


class CallOutputItem(Item):
    type: Literal["function_call_output"]
    call_id: Annotated[str, Field(min_length=1, max_length=128)]
    output: str | list[Part]
    id: str | None = None
    status: ItemStatus | None = None


class ReasoningPart(Item):
    type: Literal["reasoning_text", "summary_text"]
    text: str


class ReasoningItem(Item):
    type: Literal["reasoning"]
    summary: list[ReasoningPart] = Field(default_factory=list)
    content: list[ReasoningPart] | None = None
    id: str | None = None
    status: ItemStatus | None = None


AnyItem = Annotated[
    MessageItem | CallItem | CallOutputItem | ReasoningItem, Field(discriminator="type")
]


class FunctionTool(Body):
    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedChoice(Body):
    type: Literal["function"]
    name: Name


class TextFormat(Body):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Name | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_schema(self) -> TextFormat:
        is_schema = self.type == "json_schema"
        given = [self.name, self.schema_]
        if is_schema and None in given:
            raise ValueError("json_schema needs name and schema")
        if not is_schema and given != [None, None]:
            raise ValueError(f"name and schema belong to json_schema, not to {self.type}")
        return self


class Text(Body):
    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


Pairs = Annotated[dict[Annotated[str, Field(max_length=64)], str], Field(max_length=16)]
Included = Literal["message.output_text.logprobs"]


class ResponseBody(Body):
    """POST /v1/responses; `seed` is ours."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    input: str | Annotated[list[AnyItem], Field(min_length=1)]
    background: Literal[False] | None = None
    include: list[Included] | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    metadata: Pairs | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    text: Text | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    truncation: Literal["disabled"] | None = None
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_messages(cls, given: Any) -> Any:
        """A message may come without its type, by which items are told apart."""
        items = given.get("input") if isinstance(check_whole(given), dict) else None
        if not isinstance(items, list):
            return given
        named = [
            {"type": "message", **one} if isinstance(one, dict) and "role" in one else one
            for one in items
        ]
        return {**given, "input": named}
