"""The clients that are started for each job keep the musts; that of the shell with its baseline."""

import subprocess
import sys

import pytest

from tests.examples.support import EXAMPLES, needed
from tests.live.support import clean_environment


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["--baseline", str(EXAMPLES / "shell/baseline.yaml")], ["sh", str(EXAMPLES / "shell/client.sh")]),
        (
            ["--case", "IDM-*", "--case", "CR-*", "--case", "SE-*"],
            [sys.executable, str(EXAMPLES / "python/exec_once.py")],
        ),
    ],
    ids=["shell", "python"],
)
def test_a_client_that_is_started_for_each_job_keeps_the_musts(options: list[str], command: list[str]) -> None:
    needed("curl", "jq")
    done = subprocess.run(
        [sys.executable, "-m", "contracts", "check", "--level", "must", *options, "--", *command],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "IDM-02 passed" in done.stdout
