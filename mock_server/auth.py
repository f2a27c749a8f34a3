"""Which world a request belongs to: its bearer key names it.

A JWT, as the vendor's own clients sign one for every few minutes, is told by its form; the claim that the spec names
(`iss`) is its key, so that a new token stays in the old world. Its signature is not checked: the twin has no secret.
Its `nbf` and `exp` are, against real time, because real clients write them by real time.
"""

import base64
import binascii
import re
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from mock_server.problems import Refused
from mock_server.spec import AuthScheme
from mock_server.worlds import World, Worlds

# As long as common servers allow a header to be.
_TOKEN_CHARACTERS_MAX = 8_192
# So that a client with a new token for every request does not fill the memory.
_KNOWN_MAX = 10_000
_KEY = rb"([\x21-\x7e]+)"


class _Credential(msgspec.Struct, frozen=True, gc=False):
    key: str
    not_before: float | None = None
    expires: float | None = None


class Auth:
    """Tells the world of the header that brings the key."""

    def __init__(
        self,
        worlds: Worlds,
        *,
        api_keys: Collection[str],
        scheme: AuthScheme,
        wall_seconds: Callable[[], float],
    ) -> None:
        """Without `api_keys` any key opens a world of its own; with them, no other key does."""
        self._worlds, self._api_keys, self._claim = worlds, frozenset(api_keys), scheme.world_claim
        self.header = scheme.header.encode()
        self._name, self._word, self._example = scheme.header_name, scheme.word, scheme.header_line("YOUR_KEY")
        word = re.escape(scheme.word.encode()) + b" +" if scheme.word else b""
        self._form = re.compile(word + _KEY, re.IGNORECASE)
        self._wall_seconds = wall_seconds
        self._known: dict[bytes, _Credential] = {}

    def world(self, header: bytes | None) -> World:
        """Return the world; raise Refused where there is no key, a malformed one, or one that is not accepted."""
        credential = self._known.get(header) if header is not None else None
        if credential is None:
            credential = self._read(header)
        if credential.not_before is not None or credential.expires is not None:
            self._check_times(credential)
        return self._worlds.open(credential.key)

    def key(self, header: bytes | None) -> str | None:
        """Return the key that a header names, where it is a good one. No world is opened."""
        try:
            return (self._known.get(header or b"") or self._read(header)).key
        except Refused:
            return None

    def _read(self, header: bytes | None) -> _Credential:
        if header is None or not header.strip():
            raise Refused("authorization-missing", self._told("nothing", f"add the header {self._example}"))
        match = self._form.fullmatch(header.strip())
        if match is None or len(header) > _TOKEN_CHARACTERS_MAX:
            # What came is not repeated: it may be the key.
            form = f"the word {self._word}, a blank and one key" if self._word else "one key"
            came, what_to_do = f"{len(header)} bytes that are not {form}", f"write {self._example}"
            if self._word and header.strip().lower() == self._word.lower().encode():
                came, what_to_do = f"the word {self._word} and no key", "give a key; is the variable that holds it set?"
            raise Refused("authorization-malformed", self._told(came, what_to_do))
        credential = self._jwt(match[1]) or _Credential(match[1].decode("ascii"))
        if self._api_keys and credential.key not in self._api_keys:
            raise Refused(
                "authorization-unknown",
                self._told(
                    "a key that is not accepted", "use one of the keys that the server was started with (--api-key)"
                ),
            )
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[header] = credential
        return credential

    def _jwt(self, token: bytes) -> _Credential | None:
        if self._claim is None or (claims := _claims_in(token)) is None:
            return None
        key = claims.get(self._claim)
        if not isinstance(key, str) or not key:
            raise Refused(
                "authorization-malformed",
                self._told("a JWT", f"give it the claim {self._claim}, which names the account"),
            )
        return _Credential(key, _moment(claims.get("nbf")), _moment(claims.get("exp")))

    def _check_times(self, credential: _Credential) -> None:
        now = self._wall_seconds()
        if credential.not_before is not None and now < credential.not_before:
            came = f"a JWT with nbf {_shown(credential.not_before)} at {now:.0f}"
            raise Refused("token-not-yet-valid", self._told(came, "check the clock that the token is signed by"))
        if credential.expires is not None and now >= credential.expires:
            came = f"a JWT with exp {_shown(credential.expires)} at {now:.0f}"
            raise Refused("token-expired", self._told(came, "sign a new token"))

    def _told(self, came: str, what_to_do: str) -> dict[str, Any]:
        return {"at": self._name, "came": came, "do": what_to_do}


def account_in(header: str, claim: str | None) -> str:
    """Return what names the account in a header that brings a key, good or not: the claim of a JWT, else the key."""
    key = header.strip().rpartition(" ")[2]
    if claim is None or (claims := _claims_in(key.encode("utf-8", "replace"))) is None:
        return key
    named = claims.get(claim)
    return named if isinstance(named, str) and named else key


def _claims_in(token: bytes) -> dict[str, Any] | None:
    """Return the claims of a JWT; None for what is none."""
    parts = token.split(b".")
    if len(parts) != 3:
        return None
    head, claims = _json_object(parts[0]), _json_object(parts[1])
    return claims if head is not None and "alg" in head else None


def _json_object(part: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _moment(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown(moment: float) -> str:
    return str(moment) if abs(moment) < 1e15 else "out of all reach"
