"""Names what is wrong with a loss mask; it reads sequences and decides by fixed limits.

Pathologies, each of which stops the run unless the recipe allows it by name (`data.accept`):

no_trained_tokens       rows without one trained token
stop_token_not_trained  a trained answer without a token at which generation stops
low_trained_share       less than 1 % of all tokens is trained
all_tokens_trained      chat sequences in which nothing is masked: the prompt would be learned too
truncated_rows          more than 5 % of rows truncated, or dropped for their length
inferred_boundary       answers whose beginning the template does not show
unknown_tokens          tokens that the tokenizer does not know
special_tokens_in_text  messages that spell out control tokens
messages_not_rendered   messages that the template leaves out: the model would never see them
tools_not_rendered      offered tools that the template leaves out: calls would be learned blindly
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from assay.data.sequences import TokenSequence
from assay.data.tokens import Tokenized

# Below this, most of the compute is spent on context: usually a mask that missed the answers.
LOW_TRAINED_SHARE = 0.01
# Above this, the data that is trained on is not the data that was given.
TRUNCATED_SHARE = 0.05

PATHOLOGIES = (
    "no_trained_tokens",
    "stop_token_not_trained",
    "low_trained_share",
    "all_tokens_trained",
    "truncated_rows",
    "inferred_boundary",
    "unknown_tokens",
    "special_tokens_in_text",
    "messages_not_rendered",
    "tools_not_rendered",
)
TWINS = {
    "unknown_tokens": "unknown_token",
    "special_tokens_in_text": "control_token",
    "messages_not_rendered": "message_not_rendered",
    "tools_not_rendered": "tools_not_rendered",
}
"""The rule that looks for the same in single rows: whoever accepts one accepts the other."""
ALL = "all"
"""What `data.accept` says instead of every name."""
_MAX_PLACES = 20


@dataclass(frozen=True)
class Pathology:
    """One pathology that was found: its numbers in words, and the first places."""

    name: str
    detail: str
    places: list[str] = field(default_factory=list)


def add_twins(accept: Iterable[str]) -> frozenset[str]:
    """The names that are accepted, with the other name of each that has two."""
    given = frozenset(accept)
    twins = {name for pair in TWINS.items() if given & {*pair} for name in pair}
    return given | twins


def find_pathologies(tokenized: Tokenized) -> list[Pathology]:
    """What is wrong with the mask, in the order of `PATHOLOGIES`."""
    sequences = tokenized.sides
    found = [
        *_find_untrained(sequences, tokenized),
        *_find_shares(sequences),
        *_find_truncated(tokenized),
    ]
    inferred = _places(one.place for one in sequences if one.is_inferred)
    if inferred:
        detail = f"{len(inferred)} rows: the template does not show where an answer begins"
        found.append(Pathology("inferred_boundary", detail, inferred))
    unknown = list(tokenized.num_unknown_tokens)
    if unknown:
        total = sum(tokenized.num_unknown_tokens.values())
        detail = f"{total} unknown tokens in {len(unknown)} rows"
        found.append(Pathology("unknown_tokens", detail, unknown))
    if tokenized.control_texts:
        texts = sorted({text for one in tokenized.control_texts.values() for text in one})
        detail = f"{len(tokenized.control_texts)} rows spell out {', '.join(texts)}"
        found.append(Pathology("special_tokens_in_text", detail, list(tokenized.control_texts)))
    if tokenized.lost_roles:
        roles = sorted({role for one in tokenized.lost_roles.values() for role in one})
        detail = (
            f"{len(tokenized.lost_roles)} rows with messages ({', '.join(roles)}) that the chat "
            "template leaves out"
        )
        found.append(Pathology("messages_not_rendered", detail, list(tokenized.lost_roles)))
    if tokenized.lost_tools:
        detail = f"{len(tokenized.lost_tools)} rows whose tools the chat template leaves out"
        found.append(Pathology("tools_not_rendered", detail, tokenized.lost_tools))
    return [_capped(one) for one in sorted(found, key=lambda one: PATHOLOGIES.index(one.name))]


def _find_untrained(sequences: list[TokenSequence], tokenized: Tokenized) -> list[Pathology]:
    untrained = find_untrained_rows(sequences)
    if sequences and not untrained:
        return []
    detail = f"{len(untrained)} of {tokenized.num_records} rows train no token"
    return [Pathology("no_trained_tokens", detail, untrained)]


def find_untrained_rows(sequences: Sequence[TokenSequence]) -> list[str]:
    """Places of the rows of which no sequence trains a token; prompts alone never do."""
    trained = {one.place for one in sequences if one.num_trained_tokens or one.asked}
    return _places(one.place for one in sequences if one.place not in trained)


def _places(places: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(places))


def _find_shares(sequences: list[TokenSequence]) -> list[Pathology]:
    found = []
    turns = sum(one.num_turns for one in sequences)
    unstopped = [one for one in sequences if one.num_stopped_turns < one.num_turns]
    if unstopped:
        missing = sum(one.num_turns - one.num_stopped_turns for one in unstopped)
        detail = f"{missing} of {turns} trained answers hold no stop token"
        places = _places(one.place for one in unstopped)
        found.append(Pathology("stop_token_not_trained", detail, places))
    tokens = sum(len(one.input_ids) for one in sequences)
    trained = sum(one.num_trained_tokens for one in sequences)
    if 0 < trained < LOW_TRAINED_SHARE * tokens:
        detail = f"{trained} of {tokens} tokens are trained ({trained / tokens:.2%})"
        found.append(Pathology("low_trained_share", detail))
    whole = [
        one
        for one in sequences
        if one.kind == "chat" and 0 < one.num_trained_tokens >= len(one.input_ids) - 1
    ]
    if whole:
        detail = f"{len(whole)} chat sequences are trained whole, prompt included"
        found.append(Pathology("all_tokens_trained", detail, _places(one.place for one in whole)))
    return found


def _find_truncated(tokenized: Tokenized) -> list[Pathology]:
    cut = _places(one.place for one in tokenized.sequences if one.is_truncated)
    dropped = _places(one.place for one in tokenized.dropped if one.reason == "too_long")
    places = _places([*cut, *dropped])
    if len(places) <= TRUNCATED_SHARE * tokenized.num_records:
        return []
    detail = (
        f"{len(cut)} rows truncated and {len(dropped)} dropped, of {tokenized.num_records}, at "
        f"{tokenized.max_seq_len} tokens"
    )
    return [Pathology("truncated_rows", detail, places)]


def _capped(finding: Pathology) -> Pathology:
    return Pathology(finding.name, finding.detail, finding.places[:_MAX_PLACES])
