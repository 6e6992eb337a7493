"""From a run and its verdict to what is shown and signed: report, card, manifest, signature.

Measures nothing and decides nothing: it shows and signs what the evaluation and its gates found.
"""

from assay.release.card import render_card
from assay.release.gates import Gate, blocking_gates, read_gates
from assay.release.keys import (
    PublicKey,
    SigningKey,
    default_key_path,
    format_fingerprint,
    load_or_make_key,
    load_public_key,
)
from assay.release.report import render_report
from assay.release.sign import SignedRelease, release_run, sign_release
from assay.release.tool_policy import freeze_policy, preview_policy, read_released_policy
from assay.release.verify import FileProblem, Verification, verify_release

__all__ = [
    "FileProblem",
    "Gate",
    "PublicKey",
    "SignedRelease",
    "SigningKey",
    "Verification",
    "blocking_gates",
    "default_key_path",
    "format_fingerprint",
    "freeze_policy",
    "load_or_make_key",
    "load_public_key",
    "preview_policy",
    "read_gates",
    "read_released_policy",
    "release_run",
    "render_card",
    "render_report",
    "sign_release",
    "verify_release",
]
