"""What a check does, in a form that can be told to another process: scan a piece, or conclude."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from assay.data.curate.detector import Detector, Given
from assay.data.curate.detectors import list_detectors
from assay.data.curate.evidence import Kept, StoredEvidence
from assay.data.curate.late import LateHits
from assay.data.curate.pieces import Piece, decode_piece
from assay.data.curate.scan import scan_piece
from assay.data.curate.settings import RuleSetting, Settings
from assay.data.curate.store import Store

_KEY_CHARS = 64
_SCAN, _CONCLUDE = b"scan", b"late"


@dataclass(frozen=True)
class Job:
    """One check: its detectors, its settings and the folder that it works in."""

    detectors: tuple[Detector, ...]
    settings: Settings
    folder: Path
    given: Given = field(default_factory=Given)

    @property
    def store(self) -> Store:
        """What is kept of each piece."""
        return Store(self.folder)

    @property
    def can_be_sent(self) -> bool:
        """Whether another process knows every detector."""
        known = list_detectors()
        return all(any(one is other for other in known) for one in self.detectors)

    def compute_key(self) -> str:
        """SHA-256 (hex) of all but the data that decides what is found."""
        value = [
            _settings_to_json(self.settings)["rules"],
            [(one.name, one.version) for one in self.detectors],
            self.given.parts,
            _hash_code(),
        ]
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    def scan(self, piece: Piece, key: str) -> None:
        """The first pass over a piece, whose result is kept under `key`."""
        scan_piece(piece, key, detectors=self.detectors, settings=self.settings, store=self.store)

    def conclude(self, detector: Detector, num_pieces: int, key: str) -> None:
        """What a detector finds in all pieces together, kept under `key`."""
        assert detector.conclude is not None
        kept = Kept(self.store, [self.store.read_meta(index) for index in range(num_pieces)])
        evidence = StoredEvidence(kept, detector, self.given)
        hits = detector.conclude(evidence, self.settings)
        LateHits(self.folder, detector.name).write(hits, kept.starts, key)

    def answer(self, payload: bytes) -> None:
        """Do what `ask_scan` or `ask_conclude` made a message of."""
        kind, content = payload[:4], payload[4:]
        if kind == _SCAN:
            self.scan(decode_piece(content[_KEY_CHARS:]), content[:_KEY_CHARS].decode("ascii"))
            return
        name, num_pieces, key = json.loads(content)
        detector = next(one for one in self.detectors if one.name == name)
        self.conclude(detector, num_pieces, key)


def ask_scan(piece: Piece, key: str) -> bytes:
    """The message for `Job.scan`."""
    return _SCAN + key.encode("ascii") + piece.encode()


def ask_conclude(detector: Detector, num_pieces: int, key: str) -> bytes:
    """The message for `Job.conclude`."""
    return _CONCLUDE + json.dumps([detector.name, num_pieces, key]).encode("ascii")


def encode_job(job: Job) -> bytes:
    """As `decode_job` reads it; what a model can tell stays behind."""
    value = {
        "detectors": [one.name for one in job.detectors],
        "settings": _settings_to_json(job.settings),
        "folder": str(job.folder.resolve()),
        "parts": job.given.parts,
        "fingerprints": {name: str(path) for name, path in job.given.fingerprints.items()},
    }
    return json.dumps(value).encode("ascii")


def decode_job(content: bytes) -> Job:
    """What `encode_job` wrote."""
    value = json.loads(content)
    names = set(value["detectors"])
    detectors = tuple(one for one in list_detectors() if one.name in names)
    fingerprints = {name: Path(path) for name, path in value["fingerprints"].items()}
    given = Given(parts=tuple(value["parts"]), fingerprints=fingerprints)
    return Job(detectors, _settings_from_json(value["settings"]), Path(value["folder"]), given)


def _settings_to_json(settings: Settings) -> dict[str, Any]:
    rules = {name: dict(one.__dict__) for name, one in settings.rules.items()}
    for rule in rules.values():
        rule.pop("_allowed", None)  # what `cached_property` keeps
        rule["options"] = dict(rule["options"])
    return {"rules": rules, "accept": sorted(settings.accept)}


def _settings_from_json(value: dict[str, Any]) -> Settings:
    rules = {}
    for name, fields in value["rules"].items():
        options = {key: _untuple(one) for key, one in fields["options"].items()}
        setting = RuleSetting(**{**fields, "allow": tuple(fields["allow"])})
        rules[name] = replace(setting, options=options)
    return Settings(rules, frozenset(value["accept"]))


def _untuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@cache
def _hash_code() -> str:
    """Of the units that decide what is found: who changes them need not remember kept results."""
    digest = hashlib.sha256()
    for unit in ("chat", "data", "tools"):
        for module in _list_modules(files("assay").joinpath(unit)):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def _list_modules(folder: Any) -> Sequence[Any]:
    found: list[Any] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            found += _list_modules(entry)
        elif entry.name.endswith(".py"):
            found.append(entry)
    return found
