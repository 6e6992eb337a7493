"""What a router's policy says: models, remote models, privacy labels, and rules in their order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

AUTO = "auto"
SCOPE, BASE, REFUSE = "scope", "base", "refuse"
RESERVED = (SCOPE, BASE, REFUSE, AUTO)
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Level = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRule(_Closed):
    """An adapter: a released model's name, or an alias.

    `level` is the share of its own prompts that may leave it; None is what its release says.
    """

    model: Annotated[str, Field(min_length=1, max_length=512)]
    level: Level | None = None


class RemoteRule(_Closed):
    """A model behind another OpenAI-compatible server.

    `base_url` ends before ``/chat/completions``. Its key is in the environment of the server, in
    `key_variable`; without one none is sent. `model` is plain ASCII, since answers have it in a
    header.
    """

    base_url: Annotated[str, Field(min_length=1, max_length=2048)]
    model: Annotated[str, Field(max_length=512, pattern=r"^[!-~]+$")]
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0


class LabelRule(_Closed):
    """A privacy label: whether requests that bear it may leave the machine."""

    remote: bool


class When(_Closed):
    """What a request must be for a rule: all that is named here; nothing named is every request.

    Attributes:
        projects: of the key.
        labels: privacy labels.
        languages: of the last user turn, as ISO 639 codes.
        min_tokens, max_tokens: of the whole prompt, both inclusive.
        tools: whether tools are offered.
    """

    projects: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    min_tokens: Count | None = None
    max_tokens: Count | None = None
    tools: bool | None = None

    @property
    def is_open(self) -> bool:
        return self == When()


class Rule(_Closed):
    """Where requests go that it fits: to a name, or to scope `among` some of the models."""

    name: Name | None = None
    when: When = When()
    to: str
    among: tuple[str, ...] | None = None


class Policy(_Closed):
    """All of it. The first rule that fits decides; where none does, scope among all models.

    Attributes:
        models: by names of the policy's own, in the order in which ties are settled.
        outside: where a prompt goes that is in no adapter's scope.
        instead_of_remote: where one goes whose label keeps it here.
        default_label: of requests that bear none.
        refusal: what is answered to those that are refused.
        log_prompts: whether the routing log has prompts.
    """

    format: Literal["assay-router/1"] = "assay-router/1"
    models: dict[Name, ModelRule] = {}
    remotes: dict[Name, RemoteRule] = {}
    labels: dict[Name, LabelRule] = {}
    default_label: str | None = None
    rules: tuple[Rule, ...] = ()
    outside: str = BASE
    instead_of_remote: str = REFUSE
    refusal: Annotated[str, Field(min_length=1, max_length=1000)] = (
        "No model here answers such requests."
    )
    log_prompts: bool = False

    def may_leave(self, label: str) -> bool:
        """Whether a request of this label may go to a remote model; "" is one without."""
        return not label or self.labels[label].remote

    @property
    def needs_language(self) -> bool:
        return any(rule.when.languages is not None for rule in self.rules)
