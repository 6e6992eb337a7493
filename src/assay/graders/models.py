"""The models that graders ask, by name: behind an endpoint or here; it grades nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from assay.errors import AssayError, ConfigError, UsageError
from assay.generate.remote import Endpoint, RemoteModel
from assay.graders.spec import SpecReader

Messages = Sequence[Mapping[str, Any]]
Loaded = TypeVar("Loaded")


class Chooser(Protocol):
    """A model in this process, which is asked how likely it finds each of some answers."""

    def choose(self, chats: Sequence[Messages], answers: Sequence[str]) -> list[list[float]]:
        """Log-probabilities (nats) of each whole answer to each chat."""
        ...


class RewardModel(Protocol):
    """A model with a head that scores answers, such as `assay.models.reward_model` loads."""

    def score(self, chats: Sequence[Messages]) -> list[float]:
        """The reward of each conversation's last message; any finite number.

        Raises an AssayError where one of them cannot be scored.
        """
        ...


@dataclass(frozen=True)
class Models:
    """What graders may ask beside the sample.

    Attributes:
        endpoints: where models are served, by the name that a grader calls them.
        load: a model in this process by its name; None where only endpoints are asked.
        load_reward: the same for reward models.
        refuses: whether a text refuses, by rule.

    Both loaders raise a UsageError, or another AssayError, where there is no such model.
    """

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    load: Callable[[str], Chooser] | None = None
    load_reward: Callable[[str], RewardModel] | None = None
    refuses: Callable[[str], bool] | None = None

    def open(self, spec: SpecReader) -> RemoteModel | Chooser | None:
        """The model that a grader's fields name; None where a problem was noted."""
        model = spec.read_text("model")
        endpoint = self._find_endpoint(spec, model)
        if endpoint is not None:
            return _open_remote(spec, endpoint)
        if self.load is None:
            self._note_unserved(spec, model)
            return None
        return _load(spec, model, self.load, do="write url, or the folder of a model")

    def open_embedder(self, spec: SpecReader) -> RemoteModel | None:
        """The same for embeddings, which only endpoints give."""
        model = spec.read_text("model")
        endpoint = self._find_endpoint(spec, model)
        if endpoint is None:
            self._note_unserved(spec, model)
            return None
        return _open_remote(spec, endpoint)

    def open_reward_model(self, spec: SpecReader) -> RewardModel | None:
        """The reward model that a grader's field `model` names."""
        model = spec.read_text("model")
        if self.load_reward is None:
            got = "reward_model where reward models cannot be loaded"
            spec.note("type", got, "a recipe's grader")
            return None
        return _load(spec, model, self.load_reward, do="name the folder of a reward model")

    def _note_unserved(self, spec: SpecReader, model: str) -> None:
        known = ", ".join(self.endpoints) or "none"
        got = f"model {model!r} without an endpoint (known: {known})"
        spec.note("model", got, do="write url, up to and without /chat/completions")

    def _find_endpoint(self, spec: SpecReader, model: str) -> Endpoint | None:
        """Where `model` is served: at the grader's own `url`, else by name."""
        url = spec.read_text("url", "")
        key_env, hosts = spec.read_text("key_env", ""), spec.read_texts("hosts", ())
        if url:
            return Endpoint(url, model, key_env or None, tuple(hosts))
        for key, given in (("key_env", key_env), ("hosts", hosts)):
            if given:
                spec.note(key, f"{key} without url", do=f"add url, or remove {key}")
        known = self.endpoints.get(model)
        return None if known is None else replace(known, model=known.model or model)


def _load(spec: SpecReader, model: str, load: Callable[[str], Loaded], *, do: str) -> Loaded | None:
    """The model, or None where a problem was noted."""
    try:
        return load(model) if model else None
    except UsageError as error:
        for problem in error.problems:
            spec.note("model", problem.got, problem.allowed, problem.do or do)
    except AssayError as error:
        spec.note("model", str(error), do=do)
    return None


def _open_remote(spec: SpecReader, endpoint: Endpoint) -> RemoteModel | None:
    """The model at an endpoint; what is wrong with its address, host or key is noted."""
    try:
        return RemoteModel(endpoint)
    except ConfigError as error:
        for problem in error.problems:
            spec.note("url", problem.got, problem.allowed, problem.do)
        return None
