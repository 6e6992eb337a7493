"""What jobs need, loaded once in the process that they are forked from; nothing is begun here.

Importing starts no thread that a fork would lose. The process ends with the worker that started it,
and is of a session of its own: Ctrl-C in the terminal reaches the worker alone.
"""

from __future__ import annotations

import os
from importlib import import_module

from assay.serve.jobs.parent import end_with_parent

MODULES = (
    "assay.pipeline.run",
    "assay.pipeline.checkpoint_adapter",
    "assay.pipeline.tune",
    "assay.serve.jobs.execute",
    "peft",
    "pyarrow.parquet",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
)

os.setsid()
end_with_parent()
for _name in MODULES:
    import_module(_name)
