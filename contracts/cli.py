"""The command `omnimock`: the server's commands, and the examiner's, which are imported when one of them is run."""

from collections.abc import Sequence
from typing import NoReturn

from mock_server.cli import group, run

LATER = {
    "check": ("contracts.check_command", "check"),
    "observe": ("contracts.observe_command", "observe"),
    "fuzz": ("contracts.fuzz_command", "fuzz"),
    "replay": ("contracts.replay_command", "replay"),
    "cases": ("contracts.case_commands", "cases"),
    "explain": ("contracts.case_commands", "explain"),
    "record": ("contracts.record_command", "record"),
    "verify": ("contracts.verify_command", "verify"),
    "selftest": ("contracts.selftest_command", "selftest"),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command `omnimock`."""
    run(group("Omnimock: a stand-in for an asynchronous task API, and an examiner for its clients.", LATER), arguments)
