"""How the workers of pytest-xdist share servers: the controller has a desk at which they ask for a base URL.

So a server starts when the first worker wants it, all workers use the same, and it lives as long as the controller.
"""

import contextlib
import secrets
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from contracts.plugin.servers import ServerFailed, Servers

# The name under which a worker is told where the desk is.
INPUT = "omnimock_desk"
# All workers may ask at once.
_WAITING_MAX = 128
# The controller gives up on a server before this.
_ANSWER_SECONDS_MAX = 90.0


class Desk:
    """Answers the workers, in a thread of the controller."""

    def __init__(self, servers: Servers) -> None:
        """Open it, on a free port of this machine; only who has the key of `where` is listened to."""
        self._servers, key = servers, secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), backlog=_WAITING_MAX, authkey=key)
        host, port = self._listener.address
        # What a worker needs to ask: host, port and key, as values that xdist can send.
        self.where = (str(host), int(port), key.hex())
        self._thread = threading.Thread(target=self._answer, name="omnimock desk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close it; the servers stay."""
        with contextlib.suppress(OSError, EOFError), _connected(self.where) as connection:
            connection.send(None)
        self._thread.join(_ANSWER_SECONDS_MAX)
        self._listener.close()

    def _answer(self) -> None:
        while True:
            # A worker that dies while it asks, or a stranger at the port, is no reason to leave the others alone.
            with contextlib.suppress(OSError, EOFError, AuthenticationError), self._listener.accept() as connection:
                asked = connection.recv()
                if asked is None:
                    return
                try:
                    connection.send(("base_url", self._servers.base_url(tuple(asked))))
                except ServerFailed as error:
                    connection.send(("failed", str(error)))


class Asking:
    """The servers as a worker has them: it asks at the desk."""

    def __init__(self, where: tuple[str, int, str]) -> None:
        """`where` is what the desk told the worker."""
        self._where = where

    def base_url(self, arguments: tuple[str, ...]) -> str:
        """Return the base URL of the server with these arguments; raise ServerFailed where there is none."""
        try:
            with _connected(self._where) as connection:
                connection.send(arguments)
                if not connection.poll(_ANSWER_SECONDS_MAX):
                    raise ServerFailed(f"the controller of pytest-xdist said nothing for {_ANSWER_SECONDS_MAX:g} s")
                kind, text = connection.recv()
        except (OSError, EOFError, AuthenticationError) as error:
            raise ServerFailed(
                f"the controller of pytest-xdist, which runs the twin, cannot be reached ({error!r}); workers on "
                "other machines need OMNIMOCK_BASE_URL"
            ) from None
        if kind == "failed":
            raise ServerFailed(text)
        return str(text)


def _connected(where: tuple[str, int, str]) -> "Connection[Any, Any]":
    host, port, key = where
    return Client((host, port), authkey=bytes.fromhex(key))
