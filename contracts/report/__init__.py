"""Reports: what came of a run, as values (`model.py`), and written down in one form in each of the other files."""
