"""Callbacks over real sockets: a server with manual clocks, and a receiver that really listens."""

import base64
from itertools import pairwise
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.live.conftest import StartServer
from tests.live.support import ADVANCE, TO_THE_END, Answer, Client, Received, Receiver, Server, eventually
from tests.support import MINIMAL, OMNI

STATUSES = ["submitted", "processing", "succeed"]
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()


def statuses(came: list[Received]) -> list[str]:
    return [each.json["task_status"] for each in came]


def attempts(fired: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the attempts to deliver among what fired."""
    return [each["callback"] for each in fired if each["what"] == "callback"]


# What comes


def test_submitted_comes_before_the_clock_moves(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    assert statuses(receiver.wait(1)) == ["submitted"]


def test_every_status_comes_in_order(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    client.advance(TO_THE_END)
    assert statuses(receiver.wait(3)) == STATUSES


def test_nothing_comes_besides_the_statuses(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    client.advance(TO_THE_END)
    client.advance("1d")
    assert len(receiver.so_far()) == 3


def test_a_task_without_an_address_calls_nobody(client: Client) -> None:
    client.created(callback_url="")
    assert attempts(client.advance(TO_THE_END)) == []


def test_the_status_of_a_failed_task_comes_with_its_reason(start: StartServer, receiver: Receiver) -> None:
    client = Client(start("--clock", "manual", "--scenario", "always-failed; reason=image-pixel"), "sk-a")
    client.created(callback_url=receiver.url())
    client.advance(TO_THE_END)
    last = receiver.wait(3)[-1].json
    assert (last["task_status"], last["task_status_msg"]) == ("failed", "Image pixel is invalid")


def test_the_body_is_flat(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    assert not {"code", "message", "request_id", "data"} & set(receiver.wait(1)[0].json)


def test_the_body_carries_the_external_id(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url(), external_task_id="mine-1")
    assert receiver.wait(1)[0].json["task_info"] == {"external_task_id": "mine-1"}


def test_the_body_says_that_it_is_json(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    assert receiver.wait(1)[0].headers["content-type"] == "application/json; charset=utf-8"


def test_the_body_is_what_a_query_says_at_that_moment(client: Client, receiver: Receiver) -> None:
    """The receiver itself asks, while it has the callback in its hands."""
    queried: list[dict[str, Any]] = []
    receiver.on_receive = lambda received: queried.append(client.task(received.json["task_id"]))
    client.created(callback_url=receiver.url(), external_task_id="mine-1")
    client.advance(TO_THE_END)
    bodies = [each.json for each in receiver.wait(3)]
    assert [body | {"task_status_msg": ""} for body in queried] == [body | {"task_status_msg": ""} for body in bodies]


def test_the_address_may_have_a_query(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url("/callback?job=1&at=%2Fhome"))
    assert receiver.wait(1)[0].path == "/callback?job=1&at=%2Fhome"


def test_localhost_is_called_by_its_name(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url().replace("127.0.0.1", "localhost"))
    assert statuses(receiver.wait(1)) == ["submitted"]


# What advance tells


def test_fired_lists_status_changes_and_attempts_in_order(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    receiver.wait(1)
    told = [(each["what"], each["status"]) for each in client.advance(TO_THE_END)]
    assert told == [
        ("callback", "submitted"),
        ("status", "processing"),
        ("callback", "processing"),
        ("status", "succeed"),
        ("callback", "succeed"),
    ]


def test_what_was_sent_without_being_asked_is_told_once(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    receiver.wait(1)
    told = [[each["status"] for each in attempts(client.advance("0ms"))] for _ in range(2)]
    assert told == [["submitted"], []]


def test_fired_is_in_the_order_of_time_over_many_tasks(client: Client, receiver: Receiver) -> None:
    for _ in range(5):
        client.created(callback_url=receiver.url())
    moments = [each["at_ms"] for each in client.advance(TO_THE_END)]
    assert moments == sorted(moments)


def test_fired_says_what_came_of_each_attempt(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    told = [(each["outcome"], each["http_status"]) for each in attempts(client.advance(TO_THE_END))]
    assert told == [("delivered", 200)] * 3


def test_fired_tells_of_a_callback_that_may_not_be_sent(client: Client) -> None:
    client.created(callback_url="https://example.com/kling/callback")
    told = {(each["outcome"], each["final"]) for each in attempts(client.advance(TO_THE_END))}
    assert told == {("refused", True)}


def test_a_task_goes_on_when_its_callbacks_may_not_be_sent(client: Client) -> None:
    assert client.finished(callback_url="https://example.com/kling/callback")["task_status"] == "succeed"


def test_advance_stops_between_two_changes(client: Client, receiver: Receiver) -> None:
    task_id = client.created(callback_url=receiver.url())
    client.advance("10s")
    assert client.task(task_id)["task_status"] == statuses(receiver.wait(2))[-1] == "processing"


def test_advance_to_a_moment_moves_the_clock_there(client: Client) -> None:
    to_ms = client.now_ms() + 12_345
    assert client.try_advance({"to_ms": to_ms}).json()["now_ms"] == to_ms


# The signature


@pytest.fixture(scope="module")
def signing_server(start_shared: StartServer) -> Server:
    return start_shared("--clock", "manual", "--callback-secret", SECRET)


@pytest.fixture
def signed(signing_server: Server, key: str, receiver: Receiver) -> list[Received]:
    """The three callbacks of one task, of which the second came at the second try."""
    client = Client(signing_server, key)
    receiver.script(200, 500)
    client.created(callback_url=receiver.url(), external_task_id="größer-✓")
    client.advance(TO_THE_END)
    return receiver.wait(4)


def test_a_receiver_can_verify_the_signature_over_the_raw_bytes(signed: list[Received]) -> None:
    verified = [Webhook(SECRET).verify(each.body, each.headers) for each in signed]
    assert [each["task_status"] for each in verified] == ["submitted", "processing", "processing", "succeed"]


def test_the_signature_does_not_fit_another_secret(signed: list[Received]) -> None:
    other = "whsec_" + base64.b64encode(b"another secret of many bytes ...").decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(signed[0].body, signed[0].headers)


def test_the_signature_does_not_fit_another_body(signed: list[Received]) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(signed[0].body.replace(b"submitted", b"succeed"), signed[0].headers)


def test_each_status_has_an_id_of_its_own(signed: list[Received]) -> None:
    assert len({each.headers["webhook-id"] for each in signed}) == 3


def test_a_retry_has_the_id_of_the_first_try(signed: list[Received]) -> None:
    assert signed[1].headers["webhook-id"] == signed[2].headers["webhook-id"]


def test_without_a_secret_nothing_is_signed(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    assert not [name for name in receiver.wait(1)[0].headers if name.startswith("webhook-")]


# Retries


@pytest.fixture
def tried_again(client: Client, receiver: Receiver) -> list[dict[str, Any]]:
    """The attempts of `processing`, of which the first is answered with 500."""
    receiver.script(200, 500)
    client.created(callback_url=receiver.url())
    return [each for each in attempts(client.advance(TO_THE_END)) if each["status"] == "processing"]


def test_a_failed_callback_is_tried_again(tried_again: list[dict[str, Any]]) -> None:
    assert [(each["outcome"], each["http_status"]) for each in tried_again] == [("failed", 500), ("delivered", 200)]


def test_attempts_are_counted(tried_again: list[dict[str, Any]]) -> None:
    assert [each["attempt"] for each in tried_again] == [1, 2]


def test_the_delivery_keeps_its_id(tried_again: list[dict[str, Any]]) -> None:
    assert len({each["delivery"] for each in tried_again}) == 1


def test_only_the_last_attempt_is_final(tried_again: list[dict[str, Any]]) -> None:
    assert [each["final"] for each in tried_again] == [False, True]


def test_a_retry_carries_the_same_body(client: Client, receiver: Receiver) -> None:
    receiver.script(200, 500)
    client.created(callback_url=receiver.url())
    client.advance(TO_THE_END)
    first, second = (each for each in receiver.wait(4) if each.json["task_status"] == "processing")
    assert first.body == second.body


def test_retries_come_10_then_30_then_60_seconds_after_each_failure(client: Client, receiver: Receiver) -> None:
    receiver.script(200, 200, 500, 500, 500, 500)
    client.created(callback_url=receiver.url())
    made = [each for each in attempts(client.advance("1h")) if each["status"] == "succeed"]
    moments = [each["at_ms"] for each in made]
    assert [later - earlier for earlier, later in pairwise(moments)] == [10_000, 30_000, 60_000]


def test_after_the_last_retry_a_callback_is_given_up(client: Client, receiver: Receiver) -> None:
    receiver.script(200, 200, 500, 500, 500, 500)
    client.created(callback_url=receiver.url())
    last = attempts(client.advance("1h"))[-1]
    assert (last["attempt"], last["outcome"], last["final"]) == (4, "failed", True)


def test_a_callback_that_is_given_up_is_told_on_the_terminal(client: Client, receiver: Receiver) -> None:
    url = receiver.script(200, 200, 500, 500, 500, 500)
    client.created(callback_url=url)
    client.advance("1h")
    assert f"to {url} given up after 4 attempts: the receiver answered 500" in client.server.err


def test_the_retry_schedule_can_be_set(start: StartServer, receiver: Receiver) -> None:
    client = Client(start("--clock", "manual", "--callback-retries", "1s"), "sk-a")
    receiver.script(200, 500, 500)
    client.created(callback_url=receiver.url())
    first, second = [each for each in attempts(client.advance(TO_THE_END)) if each["status"] == "processing"]
    assert (second["at_ms"] - first["at_ms"], second["final"]) == (1_000, True)


NO_ANSWERS: list[tuple[Answer, int | None]] = [(400, 400), (410, 410), (503, 503), ("reset", None)]


@pytest.mark.parametrize(("answer", "http_status"), NO_ANSWERS)
def test_only_2xx_counts_as_received(
    client: Client, receiver: Receiver, answer: Answer, http_status: int | None
) -> None:
    receiver.script(200, answer)
    client.created(callback_url=receiver.url())
    second = attempts(client.advance(TO_THE_END))[1]
    assert (second["outcome"], second["http_status"]) == ("failed", http_status)


@pytest.mark.parametrize("status", [201, 202, 204])
def test_any_2xx_counts_as_received(client: Client, receiver: Receiver, status: int) -> None:
    receiver.script(200, status, status)
    client.created(callback_url=receiver.url())
    assert {each["outcome"] for each in attempts(client.advance(TO_THE_END))} == {"delivered"}


def test_where_nobody_listens_the_attempt_fails(client: Client, receiver: Receiver) -> None:
    url = receiver.url()
    receiver.close()
    client.created(callback_url=url)
    assert {each["outcome"] for each in attempts(client.advance(TO_THE_END))} == {"failed"}


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: Client, receiver: Receiver, status: int) -> None:
    target = Receiver()
    try:
        receiver.redirect_to = target.url()
        receiver.script(*[status] * 12)
        client.created(callback_url=receiver.url())
        client.advance("1h")
        assert target.so_far() == []
    finally:
        target.close()


def test_a_redirect_counts_as_a_failure(client: Client, receiver: Receiver) -> None:
    receiver.redirect_to = receiver.url("/elsewhere")
    receiver.script(200, 302)
    client.created(callback_url=receiver.url())
    second = attempts(client.advance(TO_THE_END))[1]
    assert (second["outcome"], second["http_status"]) == ("failed", 302)


# Receivers that hang


@pytest.fixture(scope="module")
def patient_server(start_shared: StartServer) -> Server:
    """It would wait a minute for a receiver; in an advance it waits 2 s at most. Nothing is tried again."""
    return start_shared("--clock", "manual", "--callback-timeout", "60s", "--callback-retries", "")


@pytest.fixture
def hung(patient_server: Server, key: str, receiver: Receiver) -> Client:
    """A client whose first task's receiver has got `submitted`, and hangs."""
    client = Client(patient_server, key)
    client.created(callback_url=receiver.script("hang", path="/hangs"))
    receiver.wait(1)
    return client


def test_requests_are_answered_while_a_receiver_hangs(hung: Client) -> None:
    assert hung.submit().status_code == 200


def test_other_tasks_are_called_back_while_a_receiver_hangs(hung: Client, receiver: Receiver) -> None:
    task_id = hung.created(callback_url=receiver.url("/quick"))
    assert receiver.wait(1)[0].json["task_id"] == task_id


def test_another_world_advances_while_a_receiver_hangs(hung: Client, key: str) -> None:
    other = Client(hung.server, f"{key}-other")
    assert other.finished()["task_status"] == "succeed"


def test_advance_does_not_wait_a_receivers_whole_time_out(patient_server: Server, key: str, receiver: Receiver) -> None:
    """The receiver may take a minute; the caller of advance, who has 30 s, gets an answer."""
    client = Client(patient_server, key)
    client.created(callback_url=receiver.script(200, "hang", "hang"))
    receiver.wait(1)
    told = [(each["outcome"], each["reason"]) for each in attempts(client.advance(TO_THE_END))]
    assert told == [("delivered", "")] + [("failed", "no answer within 2 s")] * 2


def test_advance_does_not_wait_for_what_was_sent_before_it_longer_than_for_its_own(hung: Client) -> None:
    """`submitted` went out before, with a minute to be answered; advance has 2 s for its own, and its caller 15 s."""
    answer = hung.server.http.post(ADVANCE, json={"by": "1s"}, headers=hung.headers, timeout=15)
    assert answer.status_code == 200


def test_a_receiver_that_hangs_in_an_advance_holds_up_no_other(
    patient_server: Server, key: str, receiver: Receiver
) -> None:
    client = Client(patient_server, key)
    client.created(callback_url=receiver.script(200, "hang", "hang", path="/hangs"))
    other = client.created(callback_url=receiver.url("/quick"))
    client.advance(TO_THE_END)
    came = [each for each in receiver.wait(6) if each.path == "/quick"]
    assert statuses(came) == STATUSES
    assert {each.json["task_id"] for each in came} == {other}


# A clock that does not move

REFUSED_MOVES: list[Any] = [
    {},
    [],
    "30s",
    None,
    {"by": 30},
    {"by": "soon"},
    {"by": "-1s"},
    {"by": "30s", "to_ms": 1},
    {"by": "30s", "world": "x"},
    {"to_ms": "1767225660000"},
    {"to_ms": True},
    {"to_ms": 1767225660000.5},
    {"to_ms": 0},
    {"to_ms": -1},
    {"to_ms": 253_402_300_799_001},
    {"to_ms": 10**30},
    {"by": "101000d"},
]


def assert_problem(answer: Any, status: int) -> None:
    """Check that an answer is an RFC 9457 problem document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(answer.json())
    assert answer.json()["status"] == status


@pytest.mark.parametrize("body", REFUSED_MOVES, ids=str)
def test_a_bad_move_is_refused_with_a_problem_document(client: Client, body: Any) -> None:
    assert_problem(client.try_advance(body), 422)


@pytest.mark.parametrize("body", REFUSED_MOVES, ids=str)
def test_a_bad_move_moves_nothing(client: Client, receiver: Receiver, body: Any) -> None:
    """There is a callback to come, and it comes when the clock moves and not before."""
    client.created(callback_url=receiver.url())
    receiver.wait(1)
    before_ms = client.now_ms()
    client.try_advance(body)
    assert (client.now_ms(), receiver.so_far()) == (before_ms, [])


NOT_JSON = [b"", b"{", b"\xff\xfe{}", b'{"by": NaN}', b"[" * 10_000, b'{"by": "\\ud800"}']


@pytest.mark.parametrize("content", NOT_JSON, ids=lambda content: repr(content[:12]))
def test_a_move_that_is_not_json_is_refused_with_a_problem_document(client: Client, content: bytes) -> None:
    assert_problem(client.server.http.post(ADVANCE, content=content, headers=client.headers), 422)


def test_a_move_that_is_too_large_is_refused_with_a_problem_document(client: Client) -> None:
    content = b'{"by": "1s"' + b" " * 100_000 + b"}"
    assert_problem(client.server.http.post(ADVANCE, content=content, headers=client.headers), 413)


def test_a_clock_that_runs_by_itself_is_not_moved(fast_server: Server, key: str) -> None:
    assert_problem(Client(fast_server, key).try_advance({"by": "30s"}), 409)


def test_a_move_without_a_key_is_refused(manual_server: Server) -> None:
    assert_problem(manual_server.http.post(ADVANCE, json={"by": "30s"}), 401)


def test_a_move_by_get_is_refused(client: Client) -> None:
    answer = client.server.http.get(ADVANCE, headers=client.headers)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4747", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_a_move_under_another_name_of_this_machine_is_refused(client: Client, host: str) -> None:
    """A web page whose name leads to this machine (DNS rebinding) must not steer the twin."""
    answer = client.server.http.post(ADVANCE, json={"by": "30s"}, headers={**client.headers, "host": host})
    assert_problem(answer, 403)


@pytest.mark.parametrize("host", ["localhost", "localhost:4747", "127.0.0.1", "[::1]:4747", "LOCALHOST"])
def test_a_move_under_a_loopback_name_is_done(client: Client, host: str) -> None:
    answer = client.server.http.post(ADVANCE, json={"by": "30s"}, headers={**client.headers, "host": host})
    assert answer.status_code == 200


def test_a_server_on_another_loopback_address_can_be_steered_there(start: StartServer) -> None:
    client = Client(start("--clock", "manual", "--host", "127.0.0.2"), "sk-a")
    assert client.try_advance({"by": "30s"}).status_code == 200


# Worlds


def test_two_worlds_advance_apart(client: Client, key: str) -> None:
    other = Client(client.server, f"{key}-other")
    before_ms = other.now_ms()
    client.advance("1h")
    assert other.now_ms() == before_ms


def test_an_advance_sends_no_callback_of_another_world(client: Client, key: str, receiver: Receiver) -> None:
    Client(client.server, f"{key}-other").created(callback_url=receiver.url())
    receiver.wait(1)
    client.advance("1h")
    assert receiver.so_far() == []


def test_the_same_requests_in_two_worlds_get_the_same_task_ids(client: Client, key: str) -> None:
    assert client.created() == Client(client.server, f"{key}-other").created()


# A clock that runs by itself


def test_callbacks_come_by_themselves_when_the_clock_runs(fast_server: Server, key: str, receiver: Receiver) -> None:
    Client(fast_server, key).created(callback_url=receiver.url())
    assert sorted(statuses(receiver.wait(3))) == sorted(STATUSES)


def test_retries_come_by_themselves_when_the_clock_runs(fast_server: Server, key: str, receiver: Receiver) -> None:
    receiver.script(500, 500)
    Client(fast_server, key).created(callback_url=receiver.url())
    came = receiver.wait(5)
    assert sorted(set(statuses(came))) == sorted(STATUSES)


def test_a_callback_with_succeed_finds_the_task_succeeded(fast_server: Server, key: str, receiver: Receiver) -> None:
    client = Client(fast_server, key)
    task_id = client.created(callback_url=receiver.url())
    last = next(each.json for each in receiver.wait(3) if each.json["task_status"] == "succeed")
    assert client.task(task_id)["task_result"] == last["task_result"]


def test_a_burst_of_tasks_is_called_back_whole(fast_server: Server, key: str, receiver: Receiver) -> None:
    client = Client(fast_server, key)
    task_ids = [client.created(callback_url=receiver.url(f"/task-{number}")) for number in range(50)]
    came = receiver.wait(150)
    assert sorted((each.json["task_id"], each.json["task_status"]) for each in came) == sorted(
        (task_id, status) for task_id in task_ids for status in STATUSES
    )


def test_the_guard_lets_a_named_host_in(start: StartServer) -> None:
    """No such host can be looked up: the attempt fails, where without the setting it would be refused."""
    client = Client(start("--clock", "manual", "--callback-allow", "receiver.invalid"), "sk-a")
    client.created(callback_url="http://receiver.invalid/callback")
    assert {each["outcome"] for each in attempts(client.advance("20s"))} == {"failed"}


def test_a_submission_is_answered_before_its_callback_is(fast_server: Server, key: str, receiver: Receiver) -> None:
    """The receiver asks for the task before it answers: the two must not wait for each other."""
    client = Client(fast_server, key)
    seen: list[str] = []
    receiver.on_receive = lambda received: seen.append(client.task(received.json["task_id"])["task_id"])
    answer = client.server.http.post(OMNI, json={**MINIMAL, "callback_url": receiver.url()}, headers=client.headers)
    eventually(lambda: seen, "the receiver's own query")
    assert seen[0] == answer.json()["data"]["task_id"]
