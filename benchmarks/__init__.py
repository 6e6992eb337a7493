"""Measures Assay against others and against its own parts: `python -m benchmarks`."""
