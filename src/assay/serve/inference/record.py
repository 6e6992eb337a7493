"""What is kept of a tuned model's answers: counts in the store, and each breach in the log.

Neither has a word of a prompt or a call: a decision names rules, places and whose text it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.runs.store.alias_rules import ANSWERS, BREACHED, ERRORS
from assay.serve.inference.alias import Alias
from assay.serve.inference.listening import Spending
from assay.serve.inference.policing import Policing
from assay.serve.lifecycle.watching import count_outcomes

log = logging.getLogger("assay.serve")


@dataclass
class Record:
    """Of one request; `model` None is a base, of which nothing is kept.

    Beside answers, errors and answers with a denied call, calls are counted by what became of them
    (``call:block``) and breaches by rule (``rule:destination``).
    """

    model: str | None
    alias: Alias | None
    num: int
    spending: Spending
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def begin(cls, policing: Sequence[Policing | None], spending: Spending) -> Record:
        """The record of a request whose choices stand under `policing`."""
        own = next((one for one in policing if one is not None), None)
        model, alias = (None, None) if own is None else (own.model, own.alias)
        return cls(model, alias, len(policing), spending)

    def end(self, place: int, decisions: Sequence[Mapping[str, Any]]) -> None:
        """An answer has ended; `decisions` are those that are no plain pass."""
        self.counts[ANSWERS] += 1
        self.counts[BREACHED] += any(one["outcome"] == "block" for one in decisions)
        for one in decisions:
            self.counts[f"call:{one['outcome']}"] += 1
            self.counts.update({f"rule:{breach['rule']}" for breach in one["breaches"]})
            log.warning(
                "tool call",
                extra={
                    "request_id": getattr(self.spending.request.state, "request_id", None),
                    "key_id": self.spending.principal.id,
                    "model": self.model,
                    "choice": place,
                    "decision": dict(one),
                },
            )

    def fail(self) -> None:
        """What has not ended yet was not answered, by no fault of the client's."""
        self.counts[ERRORS] += self.num - self.counts[ANSWERS]

    def keep(self) -> None:
        """Write the counts, without anybody waiting for it; once."""
        counts, self.counts = dict(self.counts), Counter()
        if self.model is not None and counts:
            store = self.spending.request.app.state.store
            asyncio.get_running_loop().run_in_executor(
                None, count_outcomes, store, self.model, self.alias, counts
            )
