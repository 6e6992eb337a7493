"""The `input` of model graders: messages with templates, in the published form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders.grade import GradeFailure, Item, Sample
from assay.graders.spec import SpecReader
from assay.graders.template import Template, render_template

ROLES = ("user", "assistant", "system", "developer")
TEXT_PARTS = ("input_text", "output_text")
MAX_CHARS = 400_000
"""Of all texts that a model is asked with."""


@dataclass(frozen=True)
class Part:
    """One part of a message: a text, or what an image or a sound is sent as, with templates."""

    kind: str
    text: Template
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class ChatTemplate:
    """Messages, each a role and its parts."""

    messages: tuple[tuple[str, tuple[Part, ...]], ...]

    @property
    def is_text(self) -> bool:
        return all(part.kind == "text" for _, parts in self.messages for part in parts)

    def render(self, sample: Sample, item: Item) -> list[dict[str, Any]]:
        """Chat messages. Raises GradeFailure as `render_template`, and where they are too long."""
        rendered = [(role, [_render(one, sample, item) for one in p]) for role, p in self.messages]
        length = sum(len(part.get("text", "")) for _, parts in rendered for part in parts)
        if length > MAX_CHARS:
            detail = f"{length:,} characters for a model that is given {MAX_CHARS:,}"
            raise GradeFailure("truncated_observation_error", detail)
        return [{"role": role, "content": _join(parts)} for role, parts in rendered]


def read_chat(spec: SpecReader, key: str = "input") -> ChatTemplate:
    """The messages of a field; problems are noted at the message's place."""
    allowed = "a list of messages, such as {role: user, content: …}"
    given = spec.read_any(key, allowed=allowed)
    if not isinstance(given, list | tuple) or not given:
        if given is not None:
            spec.note(key, f"{key} {given!r}", allowed)
        return ChatTemplate(())
    messages = []
    for place, message in enumerate(given):
        if not isinstance(message, Mapping):
            spec.note(f"{key}.{place}", f"{message!r}", allowed)
            continue
        reader = SpecReader(message, f"{spec.place}.{key}.{place}", spec.problems, {"type"})
        role = reader.read_text("role", choices=ROLES)
        messages.append((role, tuple(_read_parts(reader))))
        reader.finish()
    return ChatTemplate(tuple(messages))


def _read_parts(reader: SpecReader) -> list[Part]:
    content = reader.read_any("content", allowed="a text, a part, or parts")
    listed: Sequence[Any] = content if isinstance(content, list | tuple) else [content]
    parts = []
    for one in listed:
        if isinstance(one, str):
            parts.append(Part("text", reader.compile("content", one), {}))
        elif isinstance(one, Mapping):
            parts += _read_part(SpecReader(one, f"{reader.place}.content", reader.problems))
        elif one is not None:
            reader.note("content", f"content {one!r}", "a text, a part, or parts")
    return parts


def _read_part(reader: SpecReader) -> list[Part]:
    kind = reader.read_text("type", choices=(*TEXT_PARTS, "input_image", "input_audio"))
    if kind in TEXT_PARTS:
        part = Part("text", reader.read_template("text"), {})
    elif kind == "input_image":
        detail = {"detail": reader.read_text("detail")} if reader.spec.get("detail") else {}
        part = Part("image_url", reader.read_template("image_url"), detail)
    else:
        allowed = "{data: …, format: wav or mp3}"
        sound = reader.read_any("input_audio", allowed=allowed)
        if not isinstance(sound, Mapping):
            if sound is not None:
                reader.note("input_audio", f"input_audio {sound!r}", allowed)
            return []
        inner = SpecReader(sound, f"{reader.place}.input_audio", reader.problems)
        kept = {"format": inner.read_text("format", choices=("wav", "mp3"))}
        part = Part("input_audio", inner.read_template("data"), kept)
        inner.finish()
    reader.finish()
    return [part]


def _render(part: Part, sample: Sample, item: Item) -> dict[str, Any]:
    text = render_template(part.text, sample, item)
    if part.kind == "text":
        return {"type": "text", "text": text}
    if part.kind == "image_url":
        return {"type": "image_url", "image_url": {"url": text, **part.fields}}
    return {"type": "input_audio", "input_audio": {"data": text, **part.fields}}


def _join(parts: Sequence[dict[str, Any]]) -> Any:
    """A text where there is nothing else, as every endpoint takes it."""
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return list(parts)
