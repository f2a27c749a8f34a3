"""The process of a server that tests use: `omnimock serve`, which ends with the process that started it.

That process holds the other end of standard input. However it ends, the pipe closes, and nothing stays behind.
"""

import os
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    """Run the command with the arguments of this process."""
    # The code that serves is that of the plugin, wherever the tests run: a checkout need not be installed.
    root = str(Path(__file__).parents[2])
    if root not in sys.path:
        sys.path.insert(0, root)
    from mock_server.cli import main as omnimock

    threading.Thread(target=_end_with_the_pipe, daemon=True).start()
    omnimock(sys.argv[1:])


def _end_with_the_pipe() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


main()
