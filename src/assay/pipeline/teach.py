"""Answers of a teacher as rows for sft, so that a student with another tokenizer learns by text.

Sequence-level distillation (Kim and Rush 2016, section 3.2): the teacher's answers take the place
of the rows' own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.chat import render_prompt
from assay.data.records import Record
from assay.data.taught import Answer, Asked, TaughtFile, list_asked
from assay.runs import sha256_file

if TYPE_CHECKING:
    from assay.generate.remote import RemoteModel
    from assay.pipeline.subject import Subject

CHUNKS = 4
"""Batches of a local teacher whose answers come together."""


@dataclass(frozen=True)
class Asking:
    """How answers are asked for; `system` is the teacher's alone and stands in no row."""

    max_new_tokens: int = 512
    temperature: float = 0.0
    num_samples: int = 1
    seed: int = 0
    system: str | None = None


@dataclass(frozen=True)
class Taught:
    """What came of it: rows in the file, answers left out, and rows that asked the same."""

    num_rows: int
    num_left: int
    num_repeated: int


class Pace:
    """Lets at most `per_minute` requests begin each minute, evenly; None lets all.

    Args:
        clock, sleep: seconds, and waiting for some.
    """

    def __init__(
        self,
        per_minute: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._lock, self._next = threading.Lock(), clock()

    def wait(self) -> None:
        """Until the caller may begin."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._gap
        if at > now:
            self._sleep(at - now)


AskAll = Callable[[Sequence[Asked]], Iterator[tuple[Asked, Answer]]]
"""Answers in order, each as soon as it is there."""


def teach(
    records: Sequence[Record],
    path: Path,
    *,
    teacher: dict[str, Any],
    asking: Asking,
    ask: AskAll,
    on_count: Callable[[int, int], None] = lambda done, total: None,
) -> Taught:
    """Write the answers to `records` into `path`, on from where it stands.

    Args:
        teacher: what identifies it, its ``name`` among that.
        ask: asks it.
        on_count: is told the answers that are there and all.

    Raises:
        DataError: rows that cannot be asked, or rows of others in the file.
        GenerationError: the teacher cannot be asked; what it had answered stands in the file.
    """
    identity = {**teacher, **vars(asking)}
    asked = list_asked(
        records,
        teacher=identity,
        num_samples=asking.num_samples,
        has_system=asking.system is not None,
    )
    file = TaughtFile(path, teacher=str(teacher["name"]), asked=asked)
    missing = file.list_missing(asked)
    on_count(len(asked) - len(missing), len(asked))
    for number, (one, answer) in enumerate(ask(missing), start=1):
        file.add(one, answer)
        on_count(len(asked) - len(missing) + number, len(asked))
    num_repeated = len(records) * asking.num_samples - len(asked)
    return Taught(file.num_rows, file.num_left, num_repeated)


def ask_remote(model: RemoteModel, asking: Asking, *, pace: Pace, num_parallel: int) -> AskAll:
    """Asks an endpoint, `num_parallel` requests at a time."""
    start = [] if asking.system is None else [{"role": "system", "content": asking.system}]

    def ask_one(one: Asked) -> Answer:
        pace.wait()
        fields = {} if asking.num_samples == 1 else {"seed": asking.seed + one.place}
        answer = model.complete(
            [*start, *one.messages],
            max_tokens=asking.max_new_tokens,
            temperature=asking.temperature,
            fields=fields,
        )
        is_cut = answer.finish_reason == "length"
        return _judge(answer.text, asking, is_cut=is_cut, refusal=answer.refusal)

    def ask(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Answer]]:
        waiting: deque[tuple[Asked, Future[Answer]]] = deque()
        pool = ThreadPoolExecutor(num_parallel)
        try:
            for one in asked:
                waiting.append((one, pool.submit(ask_one, one)))
                if len(waiting) > num_parallel:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for first, future in waiting:
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    return ask


def ask_local(subject: Subject, asking: Asking) -> AskAll:
    """Asks a model in this process, a few batches at a time."""
    from assay.generate import Sampling

    start = [] if asking.system is None else [{"role": "system", "content": asking.system}]
    engine, base = subject.engine, subject.base
    sampling = Sampling(
        max_new_tokens=asking.max_new_tokens, temperature=asking.temperature, seed=asking.seed
    )

    def ask(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Answer]]:
        size = CHUNKS * engine.batch_size
        for begin in range(0, len(asked), size):
            part = asked[begin : begin + size]
            prompts = [render_prompt(base.tokenizer, [*start, *one.messages]) for one in part]
            fitting = [n for n, ids in enumerate(prompts) if len(ids) < base.context_len]
            found = engine.generate(
                [prompts[n] for n in fitting], sampling, places=[part[n].place for n in fitting]
            )
            answers = dict(zip(fitting, found, strict=True))
            for number, one in enumerate(part):
                generation = answers.get(number)
                if generation is None:
                    yield one, Answer("", "longer than the teacher's context")
                    continue
                is_cut = generation.finish_reason == "length"
                yield one, _judge(generation.text, asking, is_cut=is_cut)

    return ask


def identify_local(subject: Subject) -> dict[str, Any]:
    """The name of a local teacher, and the hashes of what it computes by."""
    run = subject.run
    folders = [] if run is None else [run.adapter, run.model]
    files = [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
    hashes = [sha256_file(path) for path in files]
    return {"name": subject.name, "sha256": subject.base.sha256, "tuned_sha256": hashes}


def _judge(text: str, asking: Asking, *, is_cut: bool, refusal: str = "") -> Answer:
    """An answer that ends by itself and says something, or why it is left out."""
    if refusal:
        return Answer("", f"refused by the endpoint: {refusal}")
    if is_cut:
        return Answer("", f"not finished after {asking.max_new_tokens} tokens")
    return Answer(text) if text.strip() else Answer("", "empty")
