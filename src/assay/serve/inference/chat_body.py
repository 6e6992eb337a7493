"""The body of a chat completion: every parameter with its range; whatever else is refused by name.

Parameters that change no answer (`user`, `metadata` and their kin) are taken. Those that would
change it and are not served are refused unless they are at the value that changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from assay.serve.errors import refuse
from assay.serve.metadata import Metadata
from assay.serve.texts import check_name, check_whole

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Person = Annotated[str, AfterValidator(check_name)] | None
"""The end user that a request names."""
Stop = Annotated[str, Field(min_length=1, max_length=1024)]


class Body(BaseModel):
    """A closed body; numbers and texts are not made of one another."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Function(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(Body):
    type: Literal["function"]
    function: Function


class NamedFunction(Body):
    name: Name


class NamedChoice(Body):
    type: Literal["function"]
    function: NamedFunction


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(Body):
    name: Name
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")] = {"type": "object"}
    strict: bool | None = None


class ResponseFormat(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _has_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema belongs to the type json_schema, which needs it")
        return self


class MessageBody(BaseModel):
    """A message; keys that only a template knows (reasoning, say) are passed on to it."""

    model_config = ConfigDict(extra="allow", strict=True)

    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @field_validator("content")
    @classmethod
    def _is_text(cls, content: Any) -> Any:
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                told = f"part {place} is {part.get('type')!r}; parts of text alone are understood"
                raise ValueError(told)
        return content

    @model_validator(mode="after")
    def _is_whole(self) -> MessageBody:
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a message of a tool needs tool_call_id")
        if self.role != "assistant" and self.content is None:
            raise ValueError(f"a message of role {self.role} needs content")
        if self.role == "assistant" and self.content is None and not self.tool_calls:
            raise ValueError("a message of the assistant needs content or tool_calls")
        return self


class SamplingBody(Body):
    """What chat completions and completions have in common."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    user: Person = None

    @model_validator(mode="before")
    @classmethod
    def _has_whole_texts(cls, given: Any) -> Any:
        return check_whole(given)

    @field_validator("logit_bias")
    @classmethod
    def _are_tokens(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        for name, bias in (value or {}).items():
            if not name.isdecimal() or not name.isascii() or len(name) > 9:
                raise ValueError(f"{name!r} is no token id")
            if not -100 <= bias <= 100:
                raise ValueError(f"{bias:g} for the token {name}: from -100 to 100")
        return value

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatBody(SamplingBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[MessageBody], Field(min_length=1)]
    logprobs: bool | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    metadata: Metadata = None
    modalities: list[Literal["text"]] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: Person = None
    service_tier: Literal["auto", "default"] | None = None
    store: bool | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    tools: Annotated[list[ToolBody], Field(max_length=128)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


def check_chat(body: ChatBody) -> None:
    """Refuse parameters that do not fit together.

    Raises:
        ApiError: 400, naming the parameter.
    """
    check_streaming(body)
    names = [tool.function.name for tool in body.tools or ()]
    choice = body.tool_choice
    both = (body.max_tokens, body.max_completion_tokens)
    if body.top_logprobs is not None and not body.logprobs:
        raise refuse("top_logprobs needs logprobs to be true.", param="top_logprobs")
    if None not in both and both[0] != both[1]:
        told = "max_tokens and max_completion_tokens differ; give the second alone."
        raise refuse(told, param="max_tokens")
    if len(set(names)) < len(names):
        raise refuse("Two tools have the same name.", param="tools")
    if isinstance(choice, NamedChoice) and choice.function.name not in names:
        told = f"{choice.function.name} is not among the tools."
        raise refuse(told, param="tool_choice.function.name")
    if choice in ("required", "auto") and not names:
        raise refuse(f"tool_choice {choice} needs tools.", param="tool_choice")


def check_streaming(body: SamplingBody) -> None:
    """Refuse options of a stream where there is none (400)."""
    if body.stream_options is not None and not body.stream:
        raise refuse("stream_options needs stream to be true.", param="stream_options")
