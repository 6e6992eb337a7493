"""Which models may be asked: the base under its names, and what was tuned from it and released.

An adapter is loaded when it is first asked for; those that nobody asked for longest leave. What is
loaded was verified: the release's signature over every file, and the base and template that it
names.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import AssayError, ReleaseError
from assay.evaluate.scope import load_scope
from assay.release import preview_policy, read_released_policy, verify_release
from assay.runs import RunFolder
from assay.runs.blocked import read_blocked
from assay.runs.find import read_or_empty
from assay.runs.store.aliases import is_alias
from assay.runs.values import dig
from assay.serve.auth import Principal
from assay.serve.errors import ApiError, not_found, refuse
from assay.serve.inference.alias import Alias, Aliases, NoAliases
from assay.serve.inference.inference import ServedModel
from assay.serve.inference.records import Records, TunedRecord
from assay.serve.inference.trust import Trust
from assay.tools.policy import Policy

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

log = logging.getLogger("assay.serve")
OWNER = "assay"
NOT_SERVABLE, NOT_RELEASED = "model_not_servable", "model_not_released"


def _load_low_rank(folder: Path, name: str) -> object:
    from assay.models.low_rank import load_low_rank

    return load_low_rank(folder, name)


@dataclass
class ReleaseCatalog:
    """Models over one base.

    Args:
        base: the one in memory.
        names: those under which the base itself answers, its own first.
        created: when the base is said to be from, in seconds since 1970.
        records: the tuned models.
        aliases: names that point at some of them.
        load_adapter: makes of a verified folder what decodes takes; by default tensors in memory.
        most_adapters: in memory at a time, beside those that answers still use.
        with_scope: whether models are loaded with what prompts they are for, as a router needs.
        trust: whose signatures alone are accepted; without it any signer's, if it fits.
    """

    base: BaseFiles
    names: Sequence[str]
    created: int
    records: Records
    most_adapters: int = 64
    with_scope: bool = False
    trust: Trust | None = None
    aliases: Aliases = field(default_factory=NoAliases)
    load_adapter: Callable[[Path, str], object] = _load_low_rank
    _named: dict[str, Alias] = field(default_factory=dict)
    _loaded: OrderedDict[str, ServedModel] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, name: str, principal: Principal) -> ServedModel:
        """See `Catalog`; a base's answer bears the name that was asked for."""
        if name in self.names:
            return ServedModel(name, self.created, OWNER, is_base=True)
        alias = self._find_alias(name)
        if alias is None:
            return self._open(name, principal)
        try:
            found = self._open(alias.model, principal)
        except ApiError as error:
            if error.code in (NOT_SERVABLE, NOT_RELEASED):
                self.aliases.fail(alias)
            raise
        return replace(found, alias=alias)

    def _open(self, name: str, principal: Principal) -> ServedModel:
        record = self._find(name, principal)
        if not record.is_released and not record.is_checkpoint:
            told = f"{name} is held by its gates, and not served; its job says which."
            raise ApiError(403, told, code=NOT_RELEASED, param="model")
        with self._lock:
            found = self._loaded.get(name)
            if found is None:
                found = self._load(record)
                self._loaded[name] = found
                while len(self._loaded) > self.most_adapters:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
        return found if found.state == record.state else replace(found, state=record.state)

    def describe(self, name: str, principal: Principal) -> ServedModel:
        """See `Catalog`; loads nothing."""
        if name in self.names:
            return ServedModel(name, self.created, OWNER, is_base=True)
        alias = self._find_alias(name)
        record = self._find(name if alias is None else alias.model, principal)
        return ServedModel(
            record.id,
            record.created,
            OWNER,
            state=record.state,
            alias=alias,
            reason=record.reason,
        )

    def list_models(self, principal: Principal) -> list[ServedModel]:
        """See `Catalog`."""
        tuned = sorted(self.records.list_released(), key=lambda one: one.created, reverse=True)
        by_name = {one.id: one for one in tuned}
        points = [one for one in self.records.list_checkpoints() if _may_use(one, principal)]
        aliased = [(one, by_name.get(one.model)) for one in self._list_aliases()]
        found = [
            ServedModel(one.id, one.created, OWNER, state=one.state, alias=alias)
            for alias, one in [*aliased, *((None, one) for one in tuned + points[::-1])]
            if one is not None
        ]
        return found + [ServedModel(name, self.created, OWNER, is_base=True) for name in self.names]

    def delete(self, name: str, principal: Principal) -> None:
        """See `Catalog`; answers under way end as they began."""
        if name in self.names:
            told = f"{name} is a base, which stays as long as the server has it."
            raise ApiError(403, told, code="model_not_deletable", param="model")
        if not self.records.delete(name, None if principal.allows("admin") else principal.project):
            raise _unknown(name)
        with self._lock:
            self._loaded.pop(name, None)

    def load_as(
        self, name: str, source: str, principal: Principal, *, in_place: bool = False
    ) -> None:
        """See `Catalog`."""
        record = self._find_release(source, principal)
        if name != record.id:
            if name in self.names or is_alias(name) or self.records.find(name) is not None:
                told = f"{name} is the name of another model here; choose another."
                raise refuse(told, param="lora_name", code="name_taken")
            known = self._named.get(name)
            if known is not None and known.model != record.id and not in_place:
                told = f"The lora adapter {name!r} has already been loaded; unload it first."
                raise refuse(told, param="lora_name", code="name_taken")
        self._open(record.id, principal)
        if name != record.id:
            self._named[name] = Alias(name, record.id, "")

    def unload(self, name: str) -> None:
        """See `Catalog`; answers under way end as they began."""
        named = self._named.pop(name, None)
        with self._lock:
            found = self._loaded.pop(name, None)
        if named is None and found is None:
            raise not_found("lora adapter", name, param="lora_name")

    def _find_release(self, source: str, principal: Principal) -> TunedRecord:
        """The released model that a name, an alias or the folder of its weights means."""
        alias = self.aliases.find(source)
        record = self.records.find(source if alias is None else alias.model)
        for one in self.records.list_released() if record is None else ():
            # Names are compared, and nothing is opened: no other folder is reached in this way.
            if os.path.normpath(source) in (str(one.folder), str(one.run)):
                record = one
        if record is None or record.is_checkpoint:
            raise not_found("release", source, param="lora_path")
        return record

    def _find_alias(self, name: str) -> Alias | None:
        return self._named.get(name) or self.aliases.find(name)

    def _list_aliases(self) -> list[Alias]:
        return [*self.aliases.list_all(), *self._named.values()]

    @property
    def loaded_names(self) -> list[str]:
        """Adapters in memory, the least recently used first."""
        return list(self._loaded)

    def _find(self, name: str, principal: Principal) -> TunedRecord:
        """What is known of a model; a checkpoint is known to those alone who may use it."""
        record = self.records.find(name)
        if record is None or not _may_use(record, principal):
            raise _unknown(name)
        return record

    def _load(self, record: TunedRecord) -> ServedModel:
        run = RunFolder(record.run)
        try:
            _check_origin(self.base, run)
            if not record.is_checkpoint:
                _check_signature(run, self.trust)
            policy = _read_policy(run, record)
            scope = load_scope(run.scope, run.scope_tensors) if self.with_scope else None
            adapter = self.load_adapter(record.folder, record.id)
        except AssayError as error:
            # Where it lies is the operator's to know.
            log.error("not served", extra={"model": record.id, "reason": str(error)})
            told = f"{record.id} cannot be served: {_hide_folders(str(error), record)}"
            raise ApiError(403, told, code=NOT_SERVABLE, param="model") from error
        blocked = tuple(read_blocked(run))
        return ServedModel(
            record.id, record.created, OWNER, adapter, blocked, policy=policy, scope=scope
        )


def _may_use(record: TunedRecord, principal: Principal) -> bool:
    """Checkpoints are for training: of projects that may use them, keys that may train."""
    if not record.is_checkpoint or principal.allows("admin"):
        return True
    is_let_in = record.projects is None or principal.project in record.projects
    return is_let_in and principal.allows("train")


def _check_origin(base: BaseFiles, run: RunFolder) -> None:
    """Refuse an adapter of another base, tokenizer or template than those in memory.

    Raises:
        ReleaseError: naming each that differs.
    """
    known = read_or_empty(run.manifest)
    template = base.tokenizer.template_sha256 if base.tokenizer.has_template else None
    wanted = {
        "the base (weights, config.json or tokenizer.json)": (("base", "sha256"), base.sha256),
        "the chat template": (("template", "sha256"), template),
    }
    other = [what for what, (keys, own) in wanted.items() if dig(known, *keys) != own]
    if run.tokenizer.is_dir():
        other.append("the tokenizer, to which it adds tokens")
    if other:
        raise ReleaseError(f"it was tuned with another: {' and '.join(other)}")


def _check_signature(run: RunFolder, trust: Trust | None) -> None:
    found = verify_release(run.path)
    if not found.ok:
        told = "; ".join(f"{one.path}: {one.detail}" for one in found.problems[:5])
        raise ReleaseError(f"its release does not verify: {told}")
    if trust is not None and (fault := trust.find_fault(found)):
        raise ReleaseError(fault)


def _read_policy(run: RunFolder, record: TunedRecord) -> Policy:
    """What the model's tool calls may do: what was signed, and of a checkpoint what would be.

    A release from before there were such policies has none, so that all its calls are denied.
    """
    if record.is_checkpoint:
        return preview_policy(run)
    return read_released_policy(run.path) if run.tool_policy.is_file() else Policy()


def _hide_folders(text: str, record: TunedRecord) -> str:
    for folder in (record.folder, record.run):
        text = text.replace(f"{folder}: ", "").replace(str(folder), record.id)
    return text


def _unknown(name: str) -> ApiError:
    return not_found("model", name, param="model", code="model_not_found")
