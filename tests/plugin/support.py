"""Runs pytest with the plugin, as users do: in a process and a folder of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Only a failing test waits so long.
_PATIENCE_SECONDS = 120.0
# What users who like it strict have; the plugin must bear it.
STRICT = """[pytest]
addopts = --strict-markers --strict-config
filterwarnings = error
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


@dataclass(frozen=True)
class Ended:
    """A run of pytest: its exit status and what it wrote."""

    status: int
    text: str

    @property
    def outcomes(self) -> dict[str, int]:
        """How many tests passed, failed and so on, by the last line."""
        last = self.text.strip().splitlines()[-1]
        return {
            name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|errors?|skipped|warnings?)", last)
        }


def plugin_arguments() -> list[str]:
    """Name the plugin, where the metadata of what is installed does not."""
    registered = any(each.name == "omnimock" for each in entry_points(group="pytest11"))
    return [] if registered else ["-p", "contracts.pytest_plugin"]


def run_pytest(folder: Path, *arguments: str, **environment: str) -> Ended:
    """Run pytest in a folder, and return how it ended."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMNIMOCK_", "PYTEST_", "DEERAPI_")) and name != "COLUMNS"
    }
    path = os.pathsep.join(filter(None, (str(ROOT), mine.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin_arguments(), *arguments],
        cwd=folder,
        env={**mine, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)


def run_tests(folder: Path, source: str, *arguments: str, **environment: str) -> Ended:
    """Run pytest on one file with this source."""
    (folder / "pytest.ini").write_text(STRICT, encoding="utf-8")
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    return run_pytest(folder, *arguments, **environment)
