"""Signs callbacks as Standard Webhooks says: HMAC-SHA256 over id, time and the raw body.

The time is real time, whatever the clock of the world shows: receivers compare it with their own.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

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
            "webhook-signature": self._sign(delivery_id, moment, body.decode()),
        }
