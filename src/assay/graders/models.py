"""The models that graders ask, by name: behind an endpoint or here; it grades nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from assay.errors import AssayError, ConfigError, UsageError
from assay.generate.remote import Endpoint, RemoteModel
from assay.graders.spec import SpecReader

Messages = Sequence[Mapping[str, Any]]


class Chooser(Protocol):
    """A model in this process, which is asked how likely it finds each of some answers."""

    def choose(self, chats: Sequence[Messages], answers: Sequence[str]) -> list[list[float]]:
        """Log-probabilities (nats) of each whole answer to each chat."""
        ...


@dataclass(frozen=True)
class Models:
    """Where models are served, by the name that a grader calls them; and how one is loaded here.

    `load` raises a UsageError, or another AssayError, where there is no such model.
    """

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    load: Callable[[str], Chooser] | None = None

    def open(self, spec: SpecReader) -> RemoteModel | Chooser | None:
        """The model that a grader's fields name; None where a problem was noted."""
        model = spec.read_text("model")
        endpoint = self._find_endpoint(spec, model)
        if endpoint is not None:
            return _open_remote(spec, endpoint)
        if self.load is None:
            self._note_unserved(spec, model)
            return None
        try:
            return self.load(model) if model else None
        except UsageError as error:
            for problem in error.problems:
                do = "write url, or the folder of a model"
                spec.note("model", problem.got, problem.allowed, problem.do or do)
        except AssayError as error:
            spec.note("model", str(error), do="write url, or the folder of a model")
        return None

    def open_embedder(self, spec: SpecReader) -> RemoteModel | None:
        """The same for embeddings, which only endpoints give."""
        model = spec.read_text("model")
        endpoint = self._find_endpoint(spec, model)
        if endpoint is None:
            self._note_unserved(spec, model)
            return None
        return _open_remote(spec, endpoint)

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


def _open_remote(spec: SpecReader, endpoint: Endpoint) -> RemoteModel | None:
    """The model at an endpoint; what is wrong with its address, host or key is noted."""
    try:
        return RemoteModel(endpoint)
    except ConfigError as error:
        for problem in error.problems:
            spec.note("url", problem.got, problem.allowed, problem.do)
        return None
