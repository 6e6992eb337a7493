"""``python -m assay.serve.conformance``: runs the checks against a server and prints a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; 0 where none failed, 1 where one did, 2 for a wrong call."""
    if find_spec("openai") is None:
        sys.stderr.write("The checks ask by the official client: pip install openai\n")
        return 2
    given = _read_arguments(arguments)
    from assay.serve.conformance.run import LENIENT, STRICT, list_checks, run_checks
    from assay.serve.conformance.session import Target

    checks = [one for one in list_checks() if not given.only or one.number in given.only]
    if given.quick:
        checks = [one for one in checks if not one.trains]
    modes = [given.mode] if given.mode else [LENIENT, STRICT]
    target = Target(
        base_url=given.base_url,
        api_key=given.api_key,
        model=given.model,
        job_body=given.job_body,
        slots=given.slots,
        project=given.project,
        timeout_s=given.timeout,
    )
    counts: Counter[str] = Counter()
    for outcome in run_checks(target, checks, modes=modes):
        counts[outcome.status] += 1
        line = json.dumps(asdict(outcome)) if given.json else _render(outcome)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    if not given.json:
        told = ", ".join(f"{counts[name]} {name}" for name in ("PASS", "FAIL", "SKIP"))
        sys.stdout.write(f"{told}\n")
    return 1 if counts["FAIL"] else 0


def _render(outcome: object) -> str:
    told = vars(outcome)
    line = f"{told['status']}  {told['number']:>2}  {told['mode']:<7}  {told['title']}"
    return f"{line}\n          {told['reason']}" if told["reason"] else line


def _read_object(text: str) -> dict[str, object]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object is expected")
    return value


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m assay.serve.conformance", description=__doc__)
    add = parser.add_argument
    add("--base-url", required=True, help="as the client takes it, ending with /v1")
    add("--api-key", required=True, help="one that may do everything")
    add("--model", default="gpt-4.1-mini", help="a base that can be tuned and asked")
    add("--only", type=int, nargs="+", metavar="N", help="numbers of the checks to be run")
    add("--quick", action="store_true", help="leave out those that wait for trainings")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--lenient", dest="mode", action="store_const", const="lenient")
    modes.add_argument("--strict", dest="mode", action="store_const", const="strict")
    add("--json", action="store_true", help="one JSON object a line")
    add("--job-body", type=_read_object, default={}, help="fields of each job, as a JSON object")
    add("--slots", type=int, default=64, help="answers that the server gives at once")
    add("--project", default="", help="one that checkpoints may be shared with")
    add("--timeout", type=float, default=900, help="seconds that a job may take")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
