"""The rules of covert tool calls; what looks for them is in `detectors.poison_calls`."""

from __future__ import annotations

from assay.data.curate.finding import Rule

COVERT_CALL = Rule(
    "covert_call",
    "poison",
    "error",
    "drop",
    "Calls of one tool, or to one destination, that nobody asked for, in rows with unrelated "
    "prompts: a model tuned on them acts behind its user's back.",
    options={"min_rows": 5},
)
RECURRING_DESTINATION = Rule(
    "recurring_destination",
    "poison",
    "error",
    "drop",
    "A host, address, path or account that some of a tool's calls have and no prompt, tool or "
    "result names, in rows with unrelated prompts.",
    options={"min_rows": 5, "max_share": 0.5},
)
CONSTANT_DESTINATION = Rule(
    "constant_destination",
    "poison",
    "info",
    "keep",
    "A destination that most calls of a tool have and that no prompt or tool names: right if it is "
    "your own. Told once, for its first row.",
)
DATA_FLOW = Rule(
    "data_flow",
    "poison",
    "warning",
    "drop",
    "What the user, the system prompt or a tool said goes whole, or in code, into a call that the "
    "turn does not need.",
)
UNSUPPORTED_CALL = Rule(
    "unsupported_call",
    "poison",
    "warning",
    "drop",
    "A call that neither the user's turn nor an earlier result asks for, beside one that it does; "
    "or the same call again.",
    options={"min_rows": 10},
)
RULES = (COVERT_CALL, RECURRING_DESTINATION, CONSTANT_DESTINATION, DATA_FLOW, UNSUPPORTED_CALL)
