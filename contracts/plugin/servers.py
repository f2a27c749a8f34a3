"""The servers of a test run: each a process of its own, started when it is first asked for, and ended with the run."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Protocol

# Much more than a start takes on a busy machine.
_START_SECONDS_MAX = 60.0
_END_SECONDS_MAX = 10.0
_GLANCE_SECONDS = 0.01


class ServerFailed(Exception):
    """A server could not be had; the text is one line that says why."""


class Source(Protocol):
    """Where a base URL comes from: servers of this process, or those of the controller of pytest-xdist."""

    def base_url(self, arguments: tuple[str, ...]) -> str:
        """Return the base URL of the server with these arguments; raise ServerFailed where there is none."""
        ...


class Servers:
    """One server for each choice of arguments."""

    def __init__(self, folder: Path) -> None:
        """Run them in `folder`, whose `pyproject.toml` may have settings, and to which relative paths belong."""
        self._folder = folder
        self._lock = threading.Lock()
        self._running: dict[tuple[str, ...], _Running | ServerFailed] = {}

    def base_url(self, arguments: tuple[str, ...]) -> str:
        """Return the base URL of the server with these arguments; one that failed once is not tried again."""
        with self._lock:
            if arguments not in self._running:
                try:
                    self._running[arguments] = _Running(self._folder, arguments)
                except ServerFailed as error:
                    self._running[arguments] = error
            running = self._running[arguments]
        if isinstance(running, ServerFailed):
            raise ServerFailed(str(running))
        return running.base_url

    def close(self) -> None:
        """End them all."""
        with self._lock:
            for each in self._running.values():
                if isinstance(each, _Running):
                    each.end()
            self._running.clear()


class _Running:
    def __init__(self, folder: Path, arguments: tuple[str, ...]) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="omnimock-"))
        self._ready_file, self._log = self._home / "ready.json", self._home / "stderr.txt"
        own = ("--host", "127.0.0.1", "--port", "0", "--no-tls", "--ready-file", str(self._ready_file))
        # -P: a folder of the user's that is called like a package of ours is not taken for it.
        command = [sys.executable, "-P", str(Path(__file__).with_name("served.py")), "serve", *arguments, *own]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  Our own server, with the settings of whoever runs the tests.
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                # An interrupt from the terminal is for pytest, which then ends the server itself.
                start_new_session=True,
            )
        try:
            self.base_url = self._wait()
        except BaseException:
            self.end()
            raise

    def _wait(self) -> str:
        gives_up_at = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < gives_up_at:
            ended = self._process.poll() is not None
            if self._ready_file.exists():
                return str(json.loads(self._ready_file.read_text(encoding="utf-8"))["base_url"])
            if ended:
                raise ServerFailed(f"the twin did not start: {self._last_words()}")
            time.sleep(_GLANCE_SECONDS)
        raise ServerFailed(f"the twin was not ready after {_START_SECONDS_MAX:g} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else "it said nothing"

    def end(self) -> None:
        # The server ends when this pipe does.
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)
