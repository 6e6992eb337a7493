"""The run folder on disk: where each thing lies, written so that a crash loses nothing.

Knows no recipe schema, no model and no verdict rules: it stores what others computed.
"""

from assay.runs.atomic import canonical_json, read_json, write_bytes, write_json, write_text
from assay.runs.compare import Comparison, Difference, compare_runs
from assay.runs.environment import capture_code, capture_environment, git_revision
from assay.runs.find import RunSummary, find_run, find_unfinished, list_runs, summarize
from assay.runs.folder import RunFolder
from assay.runs.hashes import sha256_bytes, sha256_file, sha256_tree
from assay.runs.lock import FolderLock, LockOwner, read_owner
from assay.runs.metrics import append_line, drop_after, read_lines

__all__ = [
    "Comparison",
    "Difference",
    "FolderLock",
    "LockOwner",
    "RunFolder",
    "RunSummary",
    "append_line",
    "canonical_json",
    "capture_code",
    "capture_environment",
    "compare_runs",
    "drop_after",
    "find_run",
    "find_unfinished",
    "git_revision",
    "list_runs",
    "read_json",
    "read_lines",
    "read_owner",
    "sha256_bytes",
    "sha256_file",
    "sha256_tree",
    "summarize",
    "write_bytes",
    "write_json",
    "write_text",
]
