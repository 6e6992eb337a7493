"""Tool policies: what a model's calls may do, derived from training rows, checked call by call.

Default-deny: a tool, an argument or a destination that no training row shows is not allowed.
"""

from assay.tools.policy.check import check_call
from assay.tools.policy.conversation import Conversation
from assay.tools.policy.decision import Breach, Decision
from assay.tools.policy.derive import Derived, derive_policy
from assay.tools.policy.file import load_policy, render_policy
from assay.tools.policy.rules import ArgumentRule, Policy, ToolRule

__all__ = [
    "ArgumentRule",
    "Breach",
    "Conversation",
    "Decision",
    "Derived",
    "Policy",
    "ToolRule",
    "check_call",
    "derive_policy",
    "load_policy",
    "render_policy",
]
