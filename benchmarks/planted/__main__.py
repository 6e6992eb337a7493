"""Measures how many planted faults the rules find, and what else they find.

    python -m benchmarks planted [NAME …] [--files N] [--write] [--public]

NAME is any of those that `--help` lists; by default all.
With `--write` the results go to benchmarks/results and into docs/data-rules.md; `--public` looks at
the public sets as they are, instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.planted import files, measure, table, targets
from benchmarks.planted.families import PER_KIND, SETS

NAMES = (*PER_KIND, *SETS)


def main(arguments: Sequence[str]) -> None:
    """Measure, and print a line for each case, then the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks planted")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}")
    parser.add_argument("--files", type=int, default=400, help="clean files to check (400)")
    parser.add_argument("--write", action="store_true", help="keep the results and the table")
    parser.add_argument("--public", action="store_true", help="look at the public sets instead")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(NAMES)):
        parser.error(f"got {', '.join(unknown)}, allowed {', '.join(NAMES)}")
    if asked.public:
        from benchmarks.planted import public

        return public.main(write=asked.write)
    tally, records = measure.measure(measure.iterate_cases(asked.names or NAMES))
    results = measure.build_results(tally, records)
    if asked.files:
        results["files"] = files.measure_files(asked.files)
    print(table.render(results))
    if asked.write:
        measure.save_results(results)
        kept = measure.load_results(results["date"])
        table.update_page("planted", table.render(kept))
        table.update_page("targets", targets.render(kept))


if __name__ == "__main__":
    main(sys.argv[1:])
