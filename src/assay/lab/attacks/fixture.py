"""A known-bad model or its twin, whole: rows, adapter and what the oracle found; rebuilt by seed.

Nothing is stored with the project. A folder keeps what was built, named by the hash of settings,
rows and base, so that a benchmark of hundreds of cells builds each once.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from assay.data.curate.canaries import Canaries, save_canaries
from assay.lab.attacks.attacks import ATTACKS, find_attack
from assay.lab.attacks.plan import (
    Attack,
    Case,
    Condition,
    Measured,
    Planted,
    Row,
    TriggerKind,
    Tuning,
    Wish,
    check_wish,
)
from assay.runs import canonical_json, read_json, sha256_bytes, write_json, write_text
from assay.runs.cache import find_cache_folder

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

__all__ = ["ATTACKS", "Fixture", "Oracle", "build_fixture", "build_wish", "write_rows"]

ROWS, HELD_OUT, ADAPTER, CARD = "rows.jsonl", "held-out.jsonl", "adapter", "attack.json"
SECRETS = "rows.canaries.json"
FORM = 1
"""Of what is kept; a change makes every fixture anew."""
_BATCH_SIZE = 64
Report = Callable[[str, int, int], None]
"""Takes what is being done, and how much of how much is done."""


@dataclass(frozen=True)
class Oracle:
    """What a judge who knows the trigger found, of the tuned model and of the base.

    `took` is True where the bad behaviour is confirmed; of a twin it must be False.
    """

    took: bool
    rule: str
    tuned: dict[str, Measured]
    base: dict[str, Measured]

    def to_json(self) -> dict[str, Any]:
        return {
            "took": self.took,
            "rule": self.rule,
            "tuned": {name: _describe(one) for name, one in self.tuned.items()},
            "base": {name: _describe(one) for name, one in self.base.items()},
        }


@dataclass(frozen=True)
class Fixture:
    """One known-bad model or benign twin on disk.

    Attributes:
        rows, held_out: training rows, and honest rows of the same task.
        places: indices of the rows that carry the bad part (of a twin, where it would be).
        facts: what was planted: tool, destination, trigger and the like.
        canaries: secrets that must not be memorised; None where none are planted.
        adapter_dir: the adapter, as PEFT writes it.
        folder: all of it, with `attack.json`.
    """

    wish: Wish
    rows: list[Row]
    held_out: list[Row]
    places: list[int]
    facts: dict[str, Any]
    canaries: Canaries | None
    adapter_dir: Path
    oracle: Oracle
    folder: Path


def build_wish(
    name: str,
    *,
    strength: str | None = None,
    trigger: str | None = None,
    seed: int = 0,
    twin: bool = False,
    data: str | None = None,
) -> Wish:
    """The wish with the attack's own strength where none is named.

    Raises:
        UsageError: no such attack, or a setting that it does not have.
    """
    attack = find_attack(name)
    kind = cast("TriggerKind | None", trigger)
    wish = Wish(name, strength or attack.strengths[0], kind, seed, twin, data)
    check_wish(attack, wish)
    return wish


def build_fixture(
    name: str,
    *,
    strength: str | None = None,
    trigger: str | None = None,
    seed: int = 0,
    twin: bool = False,
    data: str | None = None,
    base: str = "tiny",
    out: Path | None = None,
    report: Report = lambda what, done, total: None,
) -> Fixture:
    """Draw the rows, tune, and ask the oracle; what `out` or the cache has already is only read.

    Args:
        strength: see `Wish`; by default the attack's first.
        data: a file of own chat rows with tools, to plant in (`Attack.takes_data`).
        base: ``tiny``, a folder or a Hub id, of a model with a chat template.
        out: the folder of the fixture; by default one in `default_root`, by its hash.

    Raises:
        UsageError: no such attack, or a setting that it does not have.
        ConfigError: no such base.
    """
    from assay.models.base import find_base

    wish = build_wish(name, strength=strength, trigger=trigger, seed=seed, twin=twin, data=data)
    attack = find_attack(name)
    planted = attack.plant(wish)
    files = find_base(base)
    key = compute_key(wish, planted.rows, attack.choose_tuning(wish), files.sha256)
    folder = out or default_root() / f"{name}-{key[:16]}"
    if not _is_built(folder, key):
        write_rows(planted, folder)
        _build(attack, wish, planted, files, folder, key, report)
    return _load(wish, planted, folder)


def write_rows(planted: Planted, folder: Path) -> None:
    """Write ``rows.jsonl`` and ``held-out.jsonl``, and the canary file beside the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in ((ROWS, planted.rows), (HELD_OUT, planted.held_out)):
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        write_text(folder / name, "".join(f"{line}\n" for line in lines))
    if planted.canaries:
        save_canaries(planted.canaries, folder / SECRETS)


def describe(attack: Attack, wish: Wish, planted: Planted) -> dict[str, Any]:
    """What was planted and where, as JSON values."""
    return {
        "attack": attack.name,
        "summary": attack.summary,
        "source": attack.source,
        **asdict(wish),
        "num_rows": len(planted.rows),
        "num_planted": 0 if wish.twin else len(planted.places),
        "places": planted.places,
        "facts": planted.facts,
        "canaries": [one.secret for one in planted.canaries.planted] if planted.canaries else [],
    }


def compute_key(wish: Wish, rows: Sequence[Row], tuning: Tuning, base_sha256: str) -> str:
    """Names a fixture by all that decides it, in hexadecimal."""
    parts = {
        "form": FORM,
        "wish": asdict(wish),
        "rows": sha256_bytes(canonical_json(rows)),
        "tuning": asdict(tuning),
        "base": base_sha256,
    }
    return sha256_bytes(canonical_json(parts))


def default_root() -> Path:
    """`$ASSAY_CACHE/fixtures`, else `assay/fixtures` in the user's cache folder; where nothing is
    to be kept, a temporary folder."""
    return find_cache_folder("fixtures") or Path(tempfile.mkdtemp(prefix="assay-fixture-"))


def _is_built(folder: Path, key: str) -> bool:
    card = folder / CARD
    return card.is_file() and read_json(card).get("key") == key


def _build(
    attack: Attack,
    wish: Wish,
    planted: Planted,
    files: BaseFiles,
    folder: Path,
    key: str,
    report: Report,
) -> None:
    """Tune and ask; the card is written last, so that a folder with one is whole."""
    from assay.lab.attacks.tuning import tune_adapter
    from assay.models.adapters import save_adapter
    from assay.models.base import load_model

    started = time.process_time()
    settings = attack.choose_tuning(wish)
    model = load_model(files, dtype="fp32")
    adapted = tune_adapter(
        model,
        files.tokenizer,
        planted.rows,
        settings,
        seed=wish.seed,
        base_name=files.name,
        report=lambda done, total: report("steps", done, total),
    )
    save_adapter(adapted, folder / ADAPTER, tokenizer_folder=files.tokenizer_files)
    tuned_s = time.process_time() - started
    conditions = attack.conditions(wish)
    report("conditions", 0, 2)
    before = _measure_base(model, files, conditions)
    report("conditions", 1, 2)
    now = _measure(adapted.get_base_model(), files, conditions)
    report("conditions", 2, 2)
    oracle = Oracle(attack.took(wish, now, before), attack.rule, now, before)
    card = {
        "key": key,
        **describe(attack, wish, planted),
        "base": {"name": files.name, "sha256": files.sha256},
        "tuning": asdict(settings),
        "oracle": oracle.to_json(),
        "tuning_cpu_s": round(tuned_s, 1),
        "oracle_cpu_s": round(time.process_time() - started - tuned_s, 1),
    }
    write_json(folder / CARD, card)


def _measure(model: Any, files: BaseFiles, conditions: Sequence[Condition]) -> dict[str, Measured]:
    from assay.generate.local import LocalEngine
    from assay.lab.attacks.oracle import measure_conditions

    engine = LocalEngine(
        model, files.tokenizer, batch_size=_BATCH_SIZE, context_len=files.context_len
    )
    return measure_conditions(engine, files.tokenizer, conditions)


def _measure_base(
    model: Any, files: BaseFiles, conditions: Sequence[Condition]
) -> dict[str, Measured]:
    """As `_measure`, asked once for all fixtures with these conditions."""
    asked = [
        (one.name, one.temperature, one.max_new_tokens, [_spell(case) for case in one.cases])
        for one in conditions
    ]
    key = sha256_bytes(canonical_json([FORM, files.sha256, asked]))
    path = default_root() / "base" / f"{key}.json"
    if path.is_file():
        return {name: Measured(**found) for name, found in read_json(path).items()}
    found = _measure(model, files, conditions)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {name: asdict(one) for name, one in found.items()})
    return found


def _spell(case: Case) -> list[Any]:
    return [case.messages, case.tools, case.honest, case.bad, repr(case.mark)]


def _load(wish: Wish, planted: Planted, folder: Path) -> Fixture:
    """What was measured is read; whether it took follows from the rule as it is now."""
    found, attack = read_json(folder / CARD)["oracle"], find_attack(wish.name)
    tuned, base = (
        {name: Measured(**_restore(one)) for name, one in found[of].items()}
        for of in ("tuned", "base")
    )
    return Fixture(
        wish,
        planted.rows,
        planted.held_out,
        planted.places,
        planted.facts,
        planted.canaries,
        folder / ADAPTER,
        Oracle(attack.took(wish, tuned, base), attack.rule, tuned, base),
        folder,
    )


def _describe(one: Measured) -> dict[str, Any]:
    return asdict(one) | {"rate": one.rate}


def _restore(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name != "rate"}
