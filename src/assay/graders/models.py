"""The models that graders ask, by name: behind an endpoint or here; it grades nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from assay.errors import ConfigError
from assay.generate.remote import Endpoint, RemoteModel
from assay.graders.spec import SpecReader


@dataclass(frozen=True)
class Models:
    """Where models are served, by the name that a grader calls them."""

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)

    def open_embedder(self, spec: SpecReader) -> RemoteModel | None:
        """The model that a grader's fields name; None where a problem was noted."""
        model = spec.read_text("model")
        endpoint = self.find_endpoint(spec, model)
        if endpoint is None:
            known = ", ".join(self.endpoints) or "none"
            got = f"model {model!r} without an endpoint (known: {known})"
            spec.note("model", got, do="write url, up to and without /embeddings")
            return None
        return open_remote(spec, endpoint)

    def find_endpoint(self, spec: SpecReader, model: str) -> Endpoint | None:
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


def open_remote(spec: SpecReader, endpoint: Endpoint) -> RemoteModel | None:
    """The model at an endpoint; what is wrong with its address, host or key is noted."""
    try:
        return RemoteModel(endpoint)
    except ConfigError as error:
        for problem in error.problems:
            spec.note("url", problem.got, problem.allowed, problem.do)
        return None
