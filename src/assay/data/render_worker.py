"""A process that renders chunks of rows: ``python -m assay.data.render_worker``; loads no torch.

It reads a tokenizer, then chunks from standard input until that ends, and answers each.
"""

from __future__ import annotations

import json
import sys

from assay.chat import parse_chat_tokenizer
from assay.data.rendered import Content, encode_rows, render_row
from assay.data.worker_pool import receive, send
from assay.errors import UsageError


def main() -> None:
    """Answer chunks by their rows as bytes, or by nothing where rendering fails."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    # Whatever a library prints must not stand between answers.
    sys.stdout = sys.stderr
    greeting = receive(asked)
    if greeting is None:
        return
    tokenizer = parse_chat_tokenizer(greeting)
    send(answers, b"")
    while (payload := receive(asked)) is not None:
        try:
            content = encode_rows(
                [render_row(Content(*one), tokenizer) for one in json.loads(payload)]
            )
        except UsageError:
            content = b""
        send(answers, content)


if __name__ == "__main__":
    main()
