"""The examiner examined: a broken client for every case, which the case must catch, and right ones, which none may.

    python -m tests.selfcheck

The clients are made of parts of the example client in Python, which stands beside the tests.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON_EXAMPLE = ROOT / "examples/python"

if str(PYTHON_EXAMPLE) not in sys.path:
    sys.path.insert(0, str(PYTHON_EXAMPLE))
