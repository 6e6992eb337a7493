"""README.md of a run: a model card as the Hub reads it, from what was measured; no data rows.

Source of the header's keys: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

from assay.release import wording
from assay.release.gates import Gate
from assay.release.keys import format_fingerprint
from assay.release.measured import Measured, Suite, pair_models, task_suite
from assay.release.report.source import ReportSource, read_source
from assay.release.usage import render_usage
from assay.runs import RunFolder
from assay.runs.values import dig, flatten, mapping, number, text

_TOKENS_OF_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|"})


def render_card(
    run: RunFolder,
    *,
    signer: str | None = None,
    overrides: list[dict[str, Any]] | None = None,
) -> str:
    """Render the model card of a run; arguments as those of `render_report`."""
    source = read_source(run, signer=signer, overrides=overrides)
    parts = [
        f"# {_plain(source.name)}",
        _verdict(source),
        _results(source.suites, source.confidence, source.evaluation),
        _gates(source.gates),
        _usage(source),
        _data(source),
        _limits(source),
        _origin(source),
    ]
    return f"---\n{_header(source)}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _header(source: ReportSource) -> str:
    fields: dict[str, Any] = {
        "base_model": source.base,
        "base_model_relation": "adapter" if source.is_adapter else "finetune",
        "library_name": "peft" if source.is_adapter else "transformers",
        "license": dig(source.manifest, "base", "license"),
        "pipeline_tag": "text-generation",
        "tags": ["assay", *(["lora"] if source.is_adapter else []), f"assay-{source.status}"],
        "model-index": _model_index(source),
    }
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump({key: value for key, value in fields.items() if value not in (None, "", [])}, stream)
    return stream.getvalue()


def _model_index(source: ReportSource) -> list[dict[str, Any]]:
    results = [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": suite.name, "type": suite.kind},
            "metrics": [
                {
                    "type": suite.metric or "score",
                    "value": _value(suite.arms["tuned"]),
                    "name": f"{suite.metric or 'score'} (n={suite.n})",
                }
            ],
        }
        for suite in source.suites
        if "tuned" in suite.arms
    ]
    return [{"name": source.name, "results": results}] if results else []


def _value(measured: Measured) -> float:
    """What the Hub shows: the perplexity of that metric, else the mean in [0, 1]."""
    shown = measured.perplexity if measured.is_perplexity else measured.mean
    return round(measured.mean if shown is None else shown, 4)


def _verdict(source: ReportSource) -> str:
    status = wording.STATUS_LABELS.get(source.status, source.status)
    sentence = wording.verdict_sentence(
        text(source.verdict.get("status")), source.headline, source.gates
    )
    warning = wording.prompting_warning(source.task, headline=source.headline)
    lines = [_plain(warning)] if warning and source.verdict else []
    lines.append(f"**{status}.** {_plain(sentence)}")
    for entry in source.overrides:
        reason, created = _plain(entry.get("reason")), _plain(entry.get("created"))
        lines.append(f"> Released by override on {created}. Reason: {reason}")
    return "\n\n".join(lines)


def _results(suites: list[Suite], confidence: float, evaluation: dict[str, Any]) -> str:
    if not suites:
        return "## Results\n\nNot measured."
    rows = [
        "| suite | metric | n | base | prompted | tuned | tuned − base |",
        "|---|---|---:|---|---|---|---|",
    ]
    for suite in suites:
        arms = [wording.measured(suite.arms.get(arm)) for arm in ("base", "prompted", "tuned")]
        count = "–" if suite.n is None else f"{suite.n:,}"
        count += f" in {suite.num_groups:,} groups" if suite.has_groups else ""
        cells = [
            _plain(suite.name),
            _plain(suite.metric),
            count,
            *arms,
            wording.gain(suite.vs_base),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    level = wording.percent_level(confidence)
    note = f"Means in % with {level} intervals; differences are paired on the same items."
    task = task_suite(suites)
    best_of = wording.best_of(evaluation)
    tables = ["\n".join(rows), note, _models(task) if task else "", best_of]
    return "\n\n".join(["## Results", *filter(None, tables)])


def _models(task: Suite) -> str:
    """The base with every prompt, and tuned, on the test rows and on the validation rows."""
    rows = ["| the task | n | test rows | n | validation rows |", "|---|---:|---|---:|---|"]
    for model, validation in pair_models(task):
        cells = [
            _plain(model.title),
            wording.plain(model.measured.n),
            wording.measured(model.measured),
            wording.plain(validation.n if validation else None),
            wording.measured(validation),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n\n" + wording.VALIDATION_NOTE


def _gates(gates: list[Gate]) -> str:
    if not gates:
        return "## Gates\n\nNot measured."
    rows = ["| gate | outcome | required | reason |", "|---|---|---|---|"]
    for gate in gates:
        outcome = gate.outcome.replace("_", " ")
        required = "required" if gate.required else "advisory"
        cells = [
            _plain(wording.gate_title(gate.name)),
            outcome,
            required,
            _plain(gate.reason),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "## Gates\n\n" + "\n".join(rows)


def _usage(source: ReportSource) -> str:
    return f"## Use\n\nFrom this folder:\n\n```python\n{render_usage(source)}\n```"


def _data(source: ReportSource) -> str:
    rows = []
    for name, value in mapping(source.data.get("splits")).items():
        split = mapping(value)
        count, digest = number(split.get("num_records")), text(split.get("sha256"))
        rows.append(
            f"- {_plain(name)}: {wording.plain(count)} rows, SHA-256 `{digest or 'unknown'}`"
        )
    dropped = number(source.data.get("num_dropped_rows"))
    rows += [f"- dropped as bad: {wording.plain(dropped)} rows"] if dropped else []
    origin = [
        f"- {_plain(key.replace('_', ' '))}: {_plain(value)}"
        for key, value in flatten(source.manifest.get("data"))
        if value is not None and not isinstance(value, list | dict)
    ]
    return "## Data\n\n" + ("\n".join([*rows, *origin]) or "Not measured.")


def _limits(source: ReportSource) -> str:
    lines = ["- Measured on the suites above alone; elsewhere it may be worse than its base."]
    small = [suite for suite in source.suites if suite.n is not None and suite.n < 100]
    if small:
        names = ", ".join(f"{_plain(suite.name)} (n = {suite.n})" for suite in small)
        lines.append(f"- Few items, so wide intervals: {names}.")
    for gate in source.gates:
        if gate.outcome != "pass":
            name, why = wording.gate_title(gate.name), gate.reason
            lines.append(f"- {_plain(name)}: {gate.outcome.replace('_', ' ')}. {_plain(why)}")
    return "## Limits\n\n" + "\n".join(lines)


def _origin(source: ReportSource) -> str:
    code = mapping(source.manifest.get("code"))
    rows = [f"- Run `{source.run.id}`, {source.created or 'date unknown'}"]
    rows.append(f"- Assay {text(code.get('version')) or 'of unknown version'}")
    base_hash = dig(source.manifest, "base", "sha256")
    rows += [f"- Base SHA-256 `{base_hash}`"] if base_hash else []
    rows += [f"- Sweep: {_plain(source.sweep.sentence)}"] if source.sweep else []
    if source.repair:
        rows.append(f"- Repair: {_plain(f'{source.repair.sentence} {source.repair.cost}')}")
    rows += [f"- Recipe: `recipe.yaml` (seed {wording.plain(number(source.recipe.get('seed')))})"]
    if source.signer:
        rows.append(f"- Signed by `{format_fingerprint(source.signer)}`")
        rows.append("- Check every byte: `assay release verify . --key SIGNER.pem`")
    return "## Origin\n\n" + "\n".join(rows)


def _plain(value: Any) -> str:
    one_line = " ".join(text(value).split())
    return one_line.translate(_TOKENS_OF_MARKDOWN)
