"""The command `omnimock`: the server's commands. The examiner's own join them here, imported when one is run."""

from mock_server.cli import main

__all__ = ["main"]
