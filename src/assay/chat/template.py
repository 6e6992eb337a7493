"""Compiles and runs a Jinja chat template in a sandbox; it knows no tokenizer and no loss mask.

The environment offers what `transformers.apply_chat_template` offers, so a template gives the
same text here and there. Templates come with a base model and are not trusted: they see plain
data only, cannot change it, and cannot reach Python's internals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from assay.chat.messages import Tool
from assay.errors import ConfigError, DataError, Problem

# What a template of somebody else's can raise on messages that it was not written for.
_TEMPLATE_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
)


class GenerationBlock(Extension):
    """Accepts ``{% generation %} … {% endgeneration %}`` and prints what is between.

    The markers are a template's own claim of what the model writes. The loss mask does not need
    them, since most templates have none.
    """

    tags = {"generation"}  # noqa: RUF012  (jinja2 reads it from the class)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class SafeNamespace(Namespace):
    """Jinja's `namespace` without attributes that begin with an underscore."""

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        values = dict(*args, **kwargs)
        for name in values:
            _refuse_underscore(name)
        super().__init__(values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


class SafeDict:
    """`dict(...)` and `dict.fromkeys(...)` for templates, without the attributes of the type."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


@lru_cache(maxsize=64)
def compile_template(template: str) -> jinja2.Template:
    """`template`, compiled.

    Raises:
        ConfigError: the template is not valid Jinja.
    """
    try:
        return _environment().from_string(template)
    except TemplateError as error:
        raise ConfigError(
            Problem(
                got=f"a chat template that is not valid Jinja: {error}",
                do="repair chat_template.jinja of the base, or choose another base",
                line=getattr(error, "lineno", None),
                key="base",
            )
        ) from error


def run_template(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Tool] | None,
    add_generation_prompt: bool,
    variables: Mapping[str, Any],
) -> str:
    """The text that `template` gives for messages made by `build_template_messages`.

    Raises:
        DataError: the template refuses the messages; its own words are quoted.
        ConfigError: the template is not valid Jinja.
    """
    compiled = compile_template(template)
    inputs = {
        "messages": messages,
        "tools": tools,
        "documents": None,
        "add_generation_prompt": add_generation_prompt,
        **variables,
    }
    try:
        return compiled.render(inputs)
    except _TEMPLATE_FAILURES as error:
        raise DataError(
            Problem(
                got=f"messages that the chat template refuses: {error}",
                allowed="roles and an order that the template knows",
                do="change the messages, or choose a base whose template takes them",
                key="messages",
            )
        ) from error


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, LoopControlExtension]
    )
    environment.filters["tojson"] = _tojson
    environment.globals.update(
        raise_exception=_raise_exception,
        strftime_now=_strftime_now,
        dict=SafeDict(),
        namespace=SafeNamespace,
    )
    return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes characters for HTML, which a model would then learn to write.
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _refuse_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace may not hold {name!r}")
