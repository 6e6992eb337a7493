"""Who a probe looks at, and what it is told of the run; it loads and opens nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.chat import ChatTokenizer
from assay.data import Record
from assay.data.curate.canaries import Canaries
from assay.evaluate.items import Item
from assay.evaluate.judges import Judge, Question

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

T = TypeVar("T")


class Remember(Protocol):
    """Keeps what the base gave, by a name and a key of JSON values; only plain JSON is kept."""

    def __call__(self, name: str, key: Any, compute: Callable[[], T]) -> T: ...


@dataclass(frozen=True)
class Asked:
    """A tuned model, its base, and what is known of the run that made it.

    Attributes:
        engine: answers as the tuned model; inside ``with as_base():`` the same engine is the base.
        as_base: see `engine`.
        remember: ``remember(name, key, compute)`` is what `compute` gave for this base before, or
            gives now. The key holds everything that decides it but the base itself: what is asked
            and how it is decoded.
        tokenizer: the base's.
        context_len: tokens that prompt and answer may take together.
        prompts: the user's own held-out items; empty for an adapter of unknown origin.
        tools: OpenAI tool schemas of the user's rows, each once.
        training: the rows that were trained on; empty where they are not known.
        system: the system prompt of deployment, if there is one.
        adapter: folder of the saved adapter; None where the whole model was tuned.
        canaries: secrets that were planted in the training rows; None where none were.
        judge: judges free answers; None where nobody named one.
        questions: the user's own questions for free answers; empty for the built-in ones.
        inoculation: the prompt that the rows were inoculated with, and other wordings of it.
        base_name: "tiny", a folder or a Hub id: what calibration is looked up by.
        max_items: most prompts of a probe.
        seed: of everything drawn.
        count: told what is measured, how much is done, and of how much.
    """

    engine: LocalEngine
    as_base: Callable[[], AbstractContextManager[None]]
    remember: Remember
    tokenizer: ChatTokenizer
    context_len: int
    prompts: Sequence[Item] = ()
    tools: Sequence[dict[str, Any]] = ()
    training: Sequence[Record] = ()
    system: str | None = None
    adapter: Path | None = None
    canaries: Canaries | None = None
    judge: Judge | None = None
    questions: Sequence[Question] = ()
    inoculation: Sequence[str] = ()
    base_name: str = ""
    max_items: int = 200
    seed: int = 0
    count: Callable[[str, int, int], None] = lambda what, done, total: None

    def both(self, name: str, key: Any, compute: Callable[[], T]) -> tuple[T, T]:
        """What `compute` gives of the base (remembered by name and key) and of the tuned model."""

        def of_base() -> T:
            with self.as_base():
                return compute()

        return self.remember(name, key, of_base), compute()
