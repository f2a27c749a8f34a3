"""Signs callbacks as Standard Webhooks says: HMAC-SHA256 over id, time and the raw body.

The time is real time, whatever the clock of the world shows: receivers compare it with their own.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime

_SIGNATURE = "webhook-signature"
_SECRET = re.compile(r"whsec_(?:[A-Za-z0-9+/]{4}){5,}(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=?|[A-Za-z0-9+/]{2}(?:==)?)")


class Signer:
    """Makes the headers of a signed callback."""

    def __init__(self, secret: str) -> None:
        """Raise ValueError where `secret` is not `whsec_` and Base64."""
        from standardwebhooks.webhooks import Webhook

        if not _SECRET.fullmatch(secret):
            raise ValueError("a callback secret is `whsec_` and at least 24 characters of Base64")
        self._sign: Callable[..., str] = Webhook(secret).sign

    def headers(self, delivery_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
        """Return `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature` for these bytes."""
        moment = datetime.fromtimestamp(unix_seconds, UTC)
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(unix_seconds),
            _SIGNATURE: self._sign(delivery_id, moment, body.decode()),
        }


class Signing:
    """Which secret callbacks are signed with: one that was set, else one that belongs to the seed.

    The second is for scenarios that sign where nobody set a secret; it is no secret from the developer.
    """

    def __init__(self, secret: str | None, seed: int) -> None:
        """Raise ValueError where `secret` is not one."""
        self.derived = secret is None
        self.secret = secret or derived_secret(seed, "callbacks")
        self._wrong_secret = derived_secret(seed, "somebody else")
        # What is needed once is made then: the library takes a while to import.
        self._signer = Signer(secret) if secret is not None else None
        self._wrong: Signer | None = None

    @property
    def right(self) -> Signer:
        """Signs as a receiver expects it."""
        if self._signer is None:
            self._signer = Signer(self.secret)
        return self._signer

    @property
    def wrong(self) -> Signer:
        """Signs with a secret that no receiver has."""
        if self._wrong is None:
            self._wrong = Signer(self._wrong_secret)
        return self._wrong

    def both_headers(self, delivery_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
        """Return the headers with two signatures, the right one last: as while a secret is replaced by another."""
        wrong, right = (each.headers(delivery_id, unix_seconds, body) for each in (self.wrong, self.right))
        return {**right, _SIGNATURE: f"{wrong[_SIGNATURE]} {right[_SIGNATURE]}"}


def derived_secret(seed: int, use: str) -> str:
    """Return the secret that belongs to a seed, for one use."""
    key = hashlib.blake2b(f"{seed}/{use}".encode(), digest_size=24, person=b"omnimock").digest()
    return "whsec_" + base64.b64encode(key).decode("ascii")
