"""Writes fixtures/schemas/report.schema.json from the values of contracts/report/model.py.

    python .ci/make_report_schema.py

A test compares the file with what this makes.
"""

import json
from pathlib import Path

from contracts.report.json_report import schema

PAGE = Path(__file__).parents[1] / "fixtures/schemas/report.schema.json"


def page() -> str:
    """Return the whole file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
