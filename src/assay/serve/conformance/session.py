"""What checks share: the server's place, clients of it, what they left there, and trained jobs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import openai

from assay.serve.conformance.check import Failed, expect
from assay.serve.conformance.raw import Answer, send
from assay.serve.conformance.rows import build_chat, render_rows

ENDED = ("succeeded", "failed", "cancelled")
_LOOK_S = 0.2


@dataclass(frozen=True)
class Target:
    """The server, and what only its operator knows of it.

    Attributes:
        model: a base that can be tuned and asked.
        job_body: fields that are sent with each job that is meant to run to its end.
        slots: answers that the server gives at once.
        project: one that checkpoints may be shared with.
        timeout_s: how long a job may take.
    """

    base_url: str
    api_key: str
    model: str
    job_body: Mapping[str, Any] = field(default_factory=dict)
    slots: int = 64
    project: str = ""
    timeout_s: float = 900.0


@dataclass(frozen=True)
class Hooks:
    """What a test can do inside the server, and nobody from outside.

    `break_answer` makes the next answer fail after its first tokens; `list_processes` names those
    that work on a job.
    """

    break_answer: Callable[[], None] | None = None
    list_processes: Callable[[str], list[Any]] | None = None


@dataclass
class Left:
    """What checks of both modes left on the server: jobs that were trained, by name, and how to
    take the rest away."""

    jobs: dict[str, str] = field(default_factory=dict)
    undo: list[Callable[[], object]] = field(default_factory=list)

    def clear(self) -> None:
        """Take away what was left, as far as the server lets it; the newest first."""
        while self.undo:
            with suppress(openai.OpenAIError):
                self.undo.pop()()


@dataclass(frozen=True)
class Session:
    """A check's view of the server, by a client that validates shapes or by one as it is.

    The client is typed `Any`: checks send what its types forbid.
    """

    target: Target
    is_strict: bool
    left: Left = field(default_factory=Left)
    hooks: Hooks = field(default_factory=Hooks)

    def client(self, *, max_retries: int = 0, **options: Any) -> Any:
        """The official client of this mode."""
        given = {
            "base_url": self.target.base_url,
            "api_key": self.target.api_key,
            "_strict_response_validation": self.is_strict,
            **options,
        }
        return openai.OpenAI(max_retries=max_retries, **given)

    @property
    def lenient(self) -> Any:
        """A client as it is, where a state on the way is not in its types."""
        return self.client(_strict_response_validation=False)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """A request without the client, with its key and JSON's content type."""
        given = {
            "authorization": f"Bearer {self.target.api_key}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return send(method, self.target.base_url.rstrip("/") + path, body=body, headers=given)

    def has_route(self, path: str) -> bool:
        """Whether anything is there at all."""
        return self.send("GET", path).status != 404

    def ask(self, text: str, *, client: Any = None, **options: Any) -> Any:
        """One user turn, answered greedily in few tokens unless told otherwise."""
        given = {
            "model": self.target.model,
            "messages": [{"role": "user", "content": text}],
            "max_completion_tokens": 24,
            "temperature": 0,
            **options,
        }
        return (client or self.client()).chat.completions.create(**given)

    def upload(
        self, content: bytes | Iterable[Any], purpose: str = "fine-tune", **given: Any
    ) -> Any:
        """A file of rows, or of bytes as they are; it is deleted in the end."""
        data = content if isinstance(content, bytes) else render_rows(content)
        name = given.pop("filename", "rows.jsonl")
        client = given.pop("client", None) or self.client()
        made = client.files.create(file=(name, data), purpose=purpose, **given)
        self.left.undo.append(lambda: self.lenient.files.delete(made.id))
        return made

    def upload_chats(self, num_rows: int = 12) -> str:
        """The id of a file of supervised rows."""
        return str(self.upload(map(build_chat, range(num_rows))).id)

    def create_job(self, *, client: Any = None, **given: Any) -> Any:
        """A job that need not run; it is cancelled in the end, if it is not before."""
        jobs = (client or self.client()).fine_tuning.jobs
        if "training_file" not in given:
            given["training_file"] = self.upload_chats()
        made = jobs.create(**{"model": self.target.model, **given})
        self.left.undo.append(lambda: self._cancel(made.id))
        return made

    def _cancel(self, job_id: str) -> None:
        with suppress(openai.BadRequestError):
            self.lenient.fine_tuning.jobs.cancel(job_id)

    def wait(self, job_id: str, *statuses: str) -> Any:
        """The job once it has one of `statuses`, by a client that takes every state on the way."""
        return self.wait_until(
            lambda: self.lenient.fine_tuning.jobs.retrieve(job_id),
            lambda job: job.status in statuses,
            lambda job: f"the job {job_id} is {job.status}, not {' or '.join(statuses)}",
            lambda job: job.status in ENDED,
        )

    def wait_until(
        self,
        look: Callable[[], Any],
        is_there: Callable[[Any], bool],
        explain: Callable[[Any], str],
        is_lost: Callable[[Any], bool] = lambda found: False,
    ) -> Any:
        """What `look` finds once `is_there` holds of it.

        Raises:
            Failed: it does not within the time, or `is_lost` holds first.
        """
        ends = time.monotonic() + self.target.timeout_s
        while True:
            found = look()
            if is_there(found):
                return found
            error: Any = getattr(found, "error", None)
            told = f" ({error.code}: {error.message})" if getattr(error, "code", None) else ""
            if is_lost(found):
                raise Failed(f"{explain(found).capitalize()}{told}.")
            if time.monotonic() > ends:
                raise Failed(f"After {self.target.timeout_s:g} s {explain(found)}{told}.")
            time.sleep(_LOOK_S)

    def train(self, name: str, **given: Any) -> Any:
        """The job `name`, run to success once for both modes; its object by this mode's client."""
        if name not in self.left.jobs:
            given.setdefault("extra_body", self.target.job_body)
            job = self.client().fine_tuning.jobs.create(**{"model": self.target.model, **given})
            self.left.jobs[name] = job.id
            self.wait(job.id, "succeeded")
        found = self.client().fine_tuning.jobs.retrieve(self.left.jobs[name])
        expect(found.status == "succeeded", f"The job {found.id} did not succeed.")
        return found

    def train_first(self, name: str = "first") -> Any:
        """A supervised job of fixed rows and seed."""
        if name in self.left.jobs:
            return self.train(name)
        return self.train(name, training_file=self.upload_chats(120), seed=7, suffix="conformance")

    def mark(self) -> str:
        """A word that nothing on the server has yet."""
        return uuid.uuid4().hex[:12]
