"""The teacher of a distillation: found and checked before anything is spent, loaded to tune by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer
from assay.chat.system_prompt import SystemPrompt, find_system_prompt
from assay.config.sections.distil import DistilConfig
from assay.config.start import CONFIG_NAME, WEIGHTS_NAME, locate_start
from assay.data import TokenSequence
from assay.data.pack import PackedBatch
from assay.data.prompted import put_prompt_into
from assay.errors import CheckpointError, ConfigError, Problem
from assay.pipeline.job import Job
from assay.pipeline.precision import choose_precision
from assay.runs import read_json, sha256_file

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

SECTION = "teacher"
SELF_TEST_SEQUENCES = 4
BY_TEXT = "let it teach by text: `assay data distil` writes rows with its answers, for sft"


@dataclass(frozen=True)
class Teacher:
    """A loaded teacher. `model` is None where it is the student with its adapters off.

    `context_len` is how long a sequence of the student may be for it, in tokens. `seen` gives what
    it sees of a batch; `mode` keeps the model packed as long as it lives.
    """

    model: Any
    context_len: int
    seen: Callable[[PackedBatch], PackedBatch]
    mode: ExitStack


def check_teacher(job: Job, sequences: Sequence[TokenSequence]) -> None:
    """Whether the recipe's teacher can teach `sequences`; it goes into the run's manifest.

    Raises:
        ConfigError: no such model or adapter, another tokenizer, rows that do not fit its context,
            or that its system prompt cannot be put before.
        CheckpointError: a resumed run began with another teacher.
    """
    objective = job.recipe.objective
    if not isinstance(objective, DistilConfig):
        return
    base, adapter = find_teacher_base(job, objective), _find_adapter(job, objective)
    problems = [
        problem
        for problem in (
            _compare_vocabularies(job, objective, base),
            _check_rows(job, objective, base, sequences),
        )
        if problem
    ]
    if problems:
        raise ConfigError(problems)
    hashes = [] if adapter is None else [sha256_file(adapter / WEIGHTS_NAME)]
    told = {"name": base.name, "sha256": base.sha256, "adapter_sha256": hashes}
    known = read_json(job.run.manifest).get(SECTION)
    if known and known != told:
        raise CheckpointError(
            f"{job.run.path}: the teacher is another than the one this run began with; restore it,"
            " or start a new run"
        )
    job.run.update_manifest({SECTION: told})


def find_teacher_base(job: Job, objective: DistilConfig) -> BaseFiles:
    """The teacher's model on disk; that of the run where the recipe names no other.

    Raises:
        ConfigError: there is none of that name.
    """
    from assay.models.base import find_base

    if objective.teacher in (None, job.recipe.base.name):
        return job.base
    try:
        return find_base(str(objective.teacher), base_dir=job.base_dir)
    except ConfigError as error:
        raise ConfigError([replace(p, key="objective.teacher") for p in error.problems]) from error


def with_teacher(job: Job, sequences: Sequence[TokenSequence], model: Any) -> Job:
    """The job with its teacher loaded beside `model`, the causal model that is to be trained.

    Raises:
        TrainingError: the teacher's packed logits are not those of separate rows.
    """
    objective = job.recipe.objective
    if not isinstance(objective, DistilConfig):
        return job
    mode = ExitStack()
    is_student = not (objective.teacher_adapter or job.recipe.method.trains_base)
    is_student = is_student and find_teacher_base(job, objective) is job.base
    teacher = None if is_student else _load(job, objective, model, sequences, mode)
    seen: Callable[[PackedBatch], PackedBatch] = lambda batch: batch  # noqa: E731
    prompt = _find_prompt(job.tokenizer, objective)
    if prompt is not None:
        seen = partial(put_prompt_into, prompt=prompt)
    context_len = find_teacher_base(job, objective).context_len
    context_len -= 0 if prompt is None else prompt.num_added
    return replace(job, teacher=Teacher(teacher, context_len, seen, mode))


def _load(
    job: Job,
    objective: DistilConfig,
    model: Any,
    sequences: Sequence[TokenSequence],
    mode: ExitStack,
) -> Any:
    """The teacher on the device of `model`, frozen and in packed mode."""
    from assay.models.adapters import load_adapter
    from assay.models.base import load_model
    from assay.models.forward import packed_mode
    from assay.models.selftest import check_isolation

    base, adapter = find_teacher_base(job, objective), _find_adapter(job, objective)
    device = next(model.parameters()).device
    teacher = load_model(base, dtype=choose_precision(job.recipe).weights, device=device)
    if adapter is not None:
        teacher = load_adapter(teacher, adapter).get_base_model()
    teacher.requires_grad_(False)
    samples = [list(one.input_ids) for one in sequences[:SELF_TEST_SEQUENCES]]
    difference = check_isolation(teacher, samples if len(samples) > 1 else samples * 2)
    mode.enter_context(packed_mode(teacher))
    size = sum(parameter.numel() for parameter in teacher.parameters()) / 1e6
    job.progress.note(
        f"teacher: {base.name}{' with its adapter' if adapter else ''}, {size:,.1f} million"
        f" weights; packed logits differ by {difference:.1e}"
    )
    return teacher


def _find_adapter(job: Job, objective: DistilConfig) -> Path | None:
    """The folder of the teacher's adapter, None where it has none.

    Raises:
        ConfigError: it holds no adapter.
    """
    name = objective.teacher_adapter
    if name is None:
        return None
    folder = locate_start(name, job.base_dir)
    if all((folder / file).is_file() for file in (CONFIG_NAME, WEIGHTS_NAME)):
        return folder
    inside = (folder / "adapter" / CONFIG_NAME).is_file()
    raise ConfigError(
        Problem(
            key="objective.teacher_adapter",
            got=f"{name!r}, without {CONFIG_NAME} and {WEIGHTS_NAME}",
            allowed="a folder of an adapter in PEFT's layout",
            do=f"write {name.rstrip('/')}/adapter" if inside else "correct the path",
        )
    )


def _compare_vocabularies(job: Job, objective: DistilConfig, base: BaseFiles) -> Problem | None:
    """Both must mean the same by every token id."""
    mine, theirs = (
        one.backend.get_vocab(with_added_tokens=True) for one in (job.tokenizer, base.tokenizer)
    )
    if mine == theirs:
        return None
    differing = len(mine.items() ^ theirs.items())
    return Problem(
        key="objective.teacher",
        got=f"{base.name}, whose vocabulary of {len(theirs):,} tokens is not the base's"
        f" ({len(mine):,}; {differing:,} entries differ)",
        allowed="a teacher with the base's own tokenizer",
        do=f"name another, or {BY_TEXT}",
    )


def _check_rows(
    job: Job, objective: DistilConfig, base: BaseFiles, sequences: Sequence[TokenSequence]
) -> Problem | None:
    """Rows that are too long for the teacher, or that already say what its prompt would."""
    prompt = _find_prompt(job.tokenizer, objective)
    learned = [one for one in sequences if not one.is_anchored]
    wrong = [] if prompt is None else [one for one in learned if not prompt.fits(one.input_ids)]
    if wrong:
        return Problem(
            key="objective.teacher_prompt",
            got=f"{len(wrong)} rows with a system prompt or tools of their own, without a"
            f" template, or cut off (the first: {wrong[0].place})",
            allowed="rows of chat that begin with the user",
            do="take the prompts out of the rows, or remove teacher_prompt",
        )
    added = 0 if prompt is None else prompt.num_added
    longest = max((one.num_tokens for one in learned), default=0) + added
    if longest <= base.context_len:
        return None
    return Problem(
        key="data.max_seq_len",
        got=f"rows of up to {longest:,} tokens for a teacher with a context of"
        f" {base.context_len:,}",
        allowed=f"rows of up to {base.context_len - added:,} tokens",
        do=f"set it to {base.context_len - added}, with data.on_too_long: drop or keep_end",
    )


def _find_prompt(tokenizer: ChatTokenizer, objective: DistilConfig) -> SystemPrompt | None:
    if objective.teacher_prompt is None:
        return None
    try:
        return find_system_prompt(tokenizer, objective.teacher_prompt)
    except ConfigError as error:
        key = "objective.teacher_prompt"
        raise ConfigError([replace(p, key=key) for p in error.problems]) from error
