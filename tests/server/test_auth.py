import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.auth import Auth
from mock_server.clock import ManualClock
from mock_server.problems import Refused
from mock_server.spec import AuthScheme
from mock_server.store import Room
from mock_server.worlds import Bounds, World, Worlds

NOW = 1_780_000_000.0
tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1, max_size=60)
# Long enough that it is in no other text by chance.
secrets = st.text("0123456789abcdef", min_size=12, max_size=40).map("sk-".__add__)


class Door:
    """An `Auth` before worlds that are made on demand, at a wall clock that is set by hand."""

    def __init__(self, *api_keys: str, claim: str | None = "iss", scheme: AuthScheme | None = None) -> None:
        self.now = NOW
        self.worlds = Worlds(_world, bounds=Bounds(), monotonic_seconds=lambda: 0.0)
        scheme = scheme or AuthScheme(world_claim=claim)
        self.auth = Auth(self.worlds, api_keys=api_keys, scheme=scheme, wall_seconds=lambda: self.now)

    def opens(self, header: str | bytes | None) -> str:
        """The name of the world that the header opens."""
        return self.auth.world(header.encode() if isinstance(header, str) else header).name

    def refusal(self, header: str | bytes | None) -> Refused:
        before = [world.name for world in self.worlds]
        with pytest.raises(Refused) as caught:
            self.opens(header)
        assert [world.name for world in self.worlds] == before
        return caught.value


def _world(name: str) -> World:
    room = Room(10**6)
    return World(name, seed=0, clock=ManualClock(), task_types={}, concurrency=None, task_room=room, journal_room=room)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(*, signature: str = "c2ln", **claims: Any) -> str:
    return f"Bearer {encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}.{signature}"


@given(key=tokens)
def test_an_open_door_gives_any_key_a_world_of_its_own(key: str) -> None:
    door = Door()
    assert door.opens(f"Bearer {key}") == key
    assert [world.name for world in door.worlds] == [key]


@given(key=tokens, other=tokens)
def test_one_key_opens_one_world_and_another_key_another(key: str, other: str) -> None:
    door = Door()
    world = door.auth.world(f"Bearer {key}".encode())
    assert door.auth.world(f"Bearer {key}".encode()) is world
    assert (door.auth.world(f"Bearer {other}".encode()) is world) == (key == other)


@pytest.mark.parametrize("header", ["Bearer k", "bearer k", "BEARER k", "Bearer   k", " Bearer k "])
def test_the_scheme_is_written_in_any_case(header: str) -> None:
    assert Door().opens(header) == "k"


@given(accepted=st.sets(tokens, min_size=1, max_size=3), key=tokens)
def test_a_closed_door_opens_for_its_keys_and_no_other(accepted: set[str], key: str) -> None:
    door = Door(*accepted)
    assert {door.opens(f"Bearer {each}") for each in accepted} == accepted
    if key not in accepted:
        assert door.refusal(f"Bearer {key}").event == "authorization-unknown"


@pytest.mark.parametrize(
    ("header", "event"),
    [
        (None, "authorization-missing"),
        (b"", "authorization-missing"),
        (b" \t", "authorization-missing"),
        (b"Bearer", "authorization-malformed"),
        (b"Bearer ", "authorization-malformed"),
        (b"sk-1", "authorization-malformed"),
        (b"Basic YTpi", "authorization-malformed"),
        (b"Bearer a b", "authorization-malformed"),
        (b"Bearer\ta", "authorization-malformed"),
        (b"Bearer:a", "authorization-malformed"),
        (b"Bearer \xff", "authorization-malformed"),
        (b"Bearer a\x00", "authorization-malformed"),
        (b"Bearer " + b"a" * 8_192, "authorization-malformed"),
        (b"twice", "authorization-malformed"),
    ],
)
@pytest.mark.parametrize("door", [Door(), Door("k")], ids=["open", "closed"])
def test_without_one_good_key_there_is_no_world(door: Door, header: bytes | None, event: str) -> None:
    assert door.refusal(header).event == event


@given(
    secret=secrets,
    shape=st.sampled_from(
        [
            "{}",
            "Bearer:{}",
            "Basic {}",
            "Token {}",
            "{} Bearer",
            "Bearer {} x",
            "Bearer Bearer {}",
            "Bearer {}",
            "key={}",
        ]
    ),
)
def test_a_key_is_never_repeated_in_the_explanation_of_its_refusal(secret: str, shape: str) -> None:
    told = msgspec.json.encode(Door("another").refusal(shape.format(secret)).explanation).decode()
    assert secret not in told
    assert secret[:12] not in told


@pytest.mark.parametrize(
    "junk", ["", ".", "..", "...", "a.b.c", "e30.e30.e30", "bnVsbA.bnVsbA.x", "W10.W10.W10", "=.=.="]
)
def test_what_only_looks_like_a_jwt_is_a_plain_key(junk: str) -> None:
    assert Door().opens(f"Bearer sk{junk}") == f"sk{junk}"


@given(iss=st.text(min_size=1), first=st.integers(0, 10**9), second=st.integers(0, 10**9))
def test_a_token_signed_again_stays_in_its_world(iss: str, first: int, second: int) -> None:
    door = Door()
    tokens = [
        jwt(iss=iss, nbf=NOW - 5 - each, exp=NOW + 1_800 + each, signature=f"s{each}") for each in (first, second)
    ]
    assert [door.opens(token) for token in tokens] == [iss, iss]
    assert len(door.worlds) == 1


def test_a_closed_door_knows_a_jwt_by_its_claim() -> None:
    door = Door("account-1")
    assert door.opens(jwt(iss="account-1")) == "account-1"
    assert door.refusal(jwt(iss="account-2")).event == "authorization-unknown"


@pytest.mark.parametrize("claims", [{}, {"iss": ""}, {"iss": None}, {"iss": 7}, {"iss": ["a"]}, {"sub": "a"}])
def test_a_jwt_that_names_no_account_is_malformed(claims: dict[str, Any]) -> None:
    refused = Door().refusal(jwt(**claims))
    assert refused.event == "authorization-malformed"
    assert "claim iss" in refused.explanation["do"]


def test_where_the_spec_names_no_claim_a_jwt_is_a_plain_key() -> None:
    token = jwt(iss="account-1", exp=0)
    assert Door(claim=None).opens(token) == token.removeprefix("Bearer ")


@given(before=st.integers(1, 10**8), life=st.integers(1, 10**8), after=st.integers(0, 10**8))
def test_a_token_opens_from_nbf_until_just_before_exp(before: int, life: int, after: int) -> None:
    door, token = Door(), jwt(iss="a", nbf=NOW, exp=NOW + life)
    door.now = NOW - before
    assert door.refusal(token).event == "token-not-yet-valid"
    for door.now in (NOW, NOW + life - 1):
        assert door.opens(token) == "a"
    door.now = NOW + life + after
    assert door.refusal(token).event == "token-expired"


@pytest.mark.parametrize("moment", ["soon", None, True, [], {}])
def test_a_moment_that_is_no_number_does_not_count(moment: Any) -> None:
    assert Door().opens(jwt(iss="a", nbf=moment, exp=moment)) == "a"


@pytest.mark.parametrize(
    ("claims", "event"),
    [
        ({"exp": -(10**400)}, "token-expired"),
        ({"nbf": 10**400}, "token-not-yet-valid"),
        ({"nbf": 1e308}, "token-not-yet-valid"),
    ],
)
def test_a_moment_out_of_all_reach_is_refused_like_any_other(claims: dict[str, Any], event: str) -> None:
    assert Door().refusal(jwt(iss="a", **claims)).event == event


@given(
    claims=st.dictionaries(st.sampled_from(["iss", "nbf", "exp"]), st.none() | st.integers() | st.floats() | st.text())
)
def test_no_claims_at_all_make_the_door_fail(claims: dict[str, Any]) -> None:
    said: Any = ""
    try:
        Door().opens(jwt(**claims))
    except Refused as refused:
        said = refused.explanation["at"]
    assert said in ("", "Authorization")


def test_more_tokens_than_are_remembered_still_open_their_world() -> None:
    door = Door()
    assert {door.opens(jwt(iss="a", jti=number)) for number in range(10_050)} == {"a"}


TOKEN, BARE = AuthScheme(word="Token"), AuthScheme("x-api-key", "")


@given(key=tokens)
def test_other_schemes_have_another_word_or_none(key: str) -> None:
    assert Door(scheme=TOKEN).opens(f"Token {key}") == Door(scheme=TOKEN).opens(f"token   {key}") == key
    assert Door(scheme=BARE).opens(key) == key


@pytest.mark.parametrize(
    ("scheme", "header", "event", "what_to_do"),
    [
        (TOKEN, "Bearer abc", "authorization-malformed", "write Authorization: Token YOUR_KEY"),
        (TOKEN, "Token", "authorization-malformed", "give a key"),
        (BARE, None, "authorization-missing", "add the header X-Api-Key: YOUR_KEY"),
        (BARE, "two words", "authorization-malformed", "write X-Api-Key: YOUR_KEY"),
    ],
)
def test_what_is_wrong_with_another_scheme_is_told_in_its_words(
    scheme: AuthScheme, header: str | None, event: str, what_to_do: str
) -> None:
    refused = Door(scheme=scheme).refusal(header)
    assert refused.event == event
    assert refused.explanation["at"] == scheme.header_name
    assert what_to_do in refused.explanation["do"]
