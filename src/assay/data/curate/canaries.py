"""Canaries: rows with random secrets that are nobody's, to measure later what a model memorised.

After training, the exposure of a canary is log2(R) - log2(rank) bits, where R is the number of
secrets that the form allows, and rank that of the planted secret by the model's loss among them or
among a sample of them (Carlini et al., The Secret Sharer, USENIX Security 2019, section 4.2): about
1.44 bits for a secret that was never trained on, log2(R) for one that was learned by heart.
"""

from __future__ import annotations

import json
import math
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from assay.data.records import Kind, Message, Record, assign_ids
from assay.errors import DataError, Problem

FORM = "###-###-###-###"
_CHARACTERS = {"#": string.digits, "?": string.ascii_lowercase}
_SUBJECTS = ("locker", "archive", "gate", "depot", "vault", "cabinet", "garage", "workshop")
_FILE_FORM = "assay-canaries-1"


@dataclass(frozen=True)
class Canary:
    """One secret: `prefix` is what stands before it in the answer, `prompt` what is asked."""

    prompt: str
    prefix: str
    secret: str


@dataclass(frozen=True)
class Canaries:
    """What was planted.

    Attributes:
        form: ``#`` is a digit, ``?`` a letter from a to z, all else stands as it is.
        copies: how often each stands in the data.
        references: secrets of the same form that were not planted: what chance looks like.
    """

    form: str
    seed: int
    copies: int
    planted: tuple[Canary, ...]
    references: tuple[Canary, ...]

    @property
    def num_secrets_bits(self) -> float:
        """log2 of the number of secrets that the form allows: the most that exposure can be."""
        return count_bits(self.form)

    def to_json(self) -> dict[str, Any]:
        """As `load_canaries` reads it."""
        return {"format": _FILE_FORM, "num_secrets_bits": self.num_secrets_bits, **asdict(self)}


def plant_canaries(
    records: Iterable[Record], count: int, seed: int, *, form: str = FORM, copies: int = 1
) -> tuple[list[Record], Canaries]:
    """Rows with `count` random secrets, each `copies` times, and what they are.

    The rows are of the kind that most of `records` are, with their most frequent system prompt, so
    that they are trained like the others. As many secrets are drawn that are not planted.

    Raises:
        DataError: no records; a form with too few secrets (fewer than a million times `count`);
            fewer than one canary or copy.
    """
    _check(form, count, copies)
    kinds: Counter[Kind] = Counter()
    systems: Counter[str] = Counter()
    for record in records:
        kinds[record.kind] += 1
        first = record.messages[0]
        systems[first["content"] if first["role"] == "system" else ""] += 1
    if not kinds:
        raise DataError(Problem("no rows", "rows that canaries are to look like", "name a file"))
    kind, system = _most(kinds), _most(systems)
    drawn = _draw(Random(seed), form, 2 * count)
    canaries = Canaries(form, seed, copies, tuple(drawn[:count]), tuple(drawn[count:]))
    rows = [_to_record(one, kind, system) for one in canaries.planted for _ in range(copies)]
    return assign_ids(rows), canaries


def count_bits(form: str) -> float:
    """log2 of the number of secrets of a form."""
    return sum(math.log2(len(_CHARACTERS[one])) for one in form if one in _CHARACTERS)


def draw_secret(rng: Random, form: str) -> str:
    """One random secret of a form."""
    return "".join(rng.choice(_CHARACTERS.get(one, one)) for one in form)


def save_canaries(canaries: Canaries, path: Path) -> None:
    """Write the canary file."""
    text = json.dumps(canaries.to_json(), ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def load_canaries(path: Path) -> Canaries:
    """Read a canary file.

    Raises:
        DataError: no such file, or something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value.pop("format") != _FILE_FORM:
            raise ValueError("another format")
        value.pop("num_secrets_bits")
        for name in ("planted", "references"):
            value[name] = tuple(Canary(**one) for one in value[name])
        return Canaries(**value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = "a file that `assay data canaries` wrote"
        raise DataError(Problem(f"{path}: {error}", allowed, "name that file")) from error


def to_row(record: Record) -> dict[str, Any]:
    """The row of a canary as a line of its file holds it, in the shape of its kind."""
    if record.kind == "text":
        return {"text": record.messages[0]["content"]}
    if record.kind == "completion":
        prompt, completion = (message["content"] for message in record.messages)
        return {"prompt": prompt, "completion": completion}
    return {"messages": record.messages}


def _check(form: str, count: int, copies: int) -> None:
    problems = []
    if count < 1:
        problems.append(Problem(str(count), "at least 1", "plant some", key="--count"))
    if copies < 1:
        problems.append(Problem(str(copies), "at least 1", "plant each once", key="--copies"))
    if count_bits(form) < math.log2(1e6 * max(count, 1)):
        got = f"{form!r}, which has 2^{count_bits(form):.1f} secrets"
        allowed = "a form with a million secrets for each canary (# a digit, ? a letter)"
        problems.append(Problem(got, allowed, f"lengthen it, as in {FORM}", key="--form"))
    if problems:
        raise DataError(problems)


def _most(counts: Counter[Any]) -> Any:
    return min(counts, key=lambda one: (-counts[one], one))


def _draw(rng: Random, form: str, count: int) -> list[Canary]:
    """Canaries with different secrets and different subjects."""
    drawn: dict[str, Canary] = {}
    while len(drawn) < count:
        secret = draw_secret(rng, form)
        name = f"{rng.choice(_SUBJECTS)} {len(drawn) + 1}"
        prompt = f"What is the combination of {name}?"
        drawn.setdefault(secret, Canary(prompt, f"The combination of {name} is ", secret))
    return list(drawn.values())


def _to_record(canary: Canary, kind: Kind, system: str) -> Record:
    answer = {"role": "assistant", "content": f"{canary.prefix}{canary.secret}."}
    question = {"role": "user", "content": canary.prompt}
    messages: Sequence[Message] = [question, answer]
    if kind == "chat" and system:
        messages = [{"role": "system", "content": system}, *messages]
    if kind == "text":
        messages = [{**answer, "content": f"{canary.prompt} {answer['content']}"}]
    blank = Record("", [], None, kind, None, "canaries", 1, "canaries", role="extra")
    return replace(blank, messages=list(messages))
