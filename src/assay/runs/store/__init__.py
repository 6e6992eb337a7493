"""The store of a server: API keys, files, jobs, events and models, in SQLite or PostgreSQL.

`open_store` opens it. It knows no HTTP and no ML package; what a job or a key means to a request
is for `assay.serve` to say.
"""

from assay.runs.store import (
    aliases,
    batches,
    completions,
    estimates,
    evals,
    overrides,
    owners,
    responses,
    uploads,
    webhooks,
)
from assay.runs.store.connect import Store, open_store
from assay.runs.store.keys import (
    DEFAULT_PROJECT,
    SCOPES,
    Key,
    add_key,
    find_key,
    find_key_by_id,
    list_keys,
    revoke_key,
    spend_tokens,
)
from assay.runs.store.tallies import add_tallies, read_tallies

__all__ = [
    "DEFAULT_PROJECT",
    "SCOPES",
    "Key",
    "Store",
    "add_key",
    "add_tallies",
    "aliases",
    "batches",
    "completions",
    "estimates",
    "evals",
    "find_key",
    "find_key_by_id",
    "list_keys",
    "open_store",
    "overrides",
    "owners",
    "read_tallies",
    "responses",
    "revoke_key",
    "spend_tokens",
    "uploads",
    "webhooks",
]
