"""Measures the twin beside what bounds it and beside its peers. `python -m benchmarks`; see README.md."""
