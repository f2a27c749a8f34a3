"""Callback faults over real sockets: what a receiver sees of each, and what the journal says of it."""

import base64
import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.live.conftest import StartServer
from tests.live.support import (
    TO_THE_END,
    Answer,
    Client,
    Received,
    Receiver,
    Server,
    connected,
    eventually,
    parse_replies,
    read_to_end,
)
from tests.support import MINIMAL, OMNI

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
STORIES: dict[str, dict[str, Any]] = {
    "lost-success": {"faults": [{"lost": {"on": ["succeed"]}}]},
    "doubled": {"faults": [{"duplicate": {"times": 2, "on": ["succeed"]}}]},
    "out-of-order": {"faults": [{"reorder": {"on": ["processing"]}}]},
    "late-start": {"faults": [{"late": {"by": "1h", "on": ["submitted"]}}]},
    "early-bird": {"faults": ["early"]},
    "stale-end": {"faults": ["stale"]},
    "forged-task": {"faults": [{"forged": {"after": "1s"}}]},
    "forged-url": {"faults": [{"forged": {"how": "attacker-url", "url": "http://evil.invalid/x.mp4"}}]},
    "ill-signed": {"faults": [{"bad-signature": {"on": ["processing"]}}]},
    "unsigned": {"faults": [{"missing-signature": {"on": ["processing"]}}]},
    "twice-signed": {"faults": [{"two-signatures": {"on": ["processing"]}}]},
    "twice-signed-forgery": {"faults": ["forged", "two-signatures"]},
    "more-fields": {"faults": ["unknown-fields"]},
    "old-signature": {"faults": [{"stale-timestamp": {"by": "1h", "on": ["processing"]}}]},
    "cut": {"faults": [{"truncated": {"on": ["processing"]}}], "retries": ["1s"]},
    "cut-at-once": {"faults": [{"truncated": {"after-bytes": 0, "on": ["processing"]}}], "retries": []},
    "no-json": {"faults": [{"wrong-content-type": {"content-type": "text/html", "on": ["processing"]}}]},
    "slow": {"faults": [{"slow-send": {"bytes": 40, "every": "5ms", "on": ["processing"]}}]},
    "ends-only": {"send": ["succeed", "failed"]},
    "silent": {"sign": False},
    "impatient": {"timeout": "50ms", "retries": ["5s", "7s"]},
}


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario for each story; tasks are 1 s on each status."""
    folder = tmp_path_factory.mktemp("stories")
    for name, callbacks in STORIES.items():
        source = {"name": name, "about": "A test.", "lifecycle": {"pace": "1s"}, "callbacks": callbacks}
        (folder / f"{name}.yaml").write_text(json.dumps(source), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(start_shared: StartServer, stories: Path) -> Server:
    """It signs, and its clocks stand still."""
    return start_shared("--clock", "manual", "--callback-secret", SECRET, "--scenarios", str(stories))


@pytest.fixture
def client(server: Server, key: str) -> Client:
    return Client(server, key)


def submit(client: Client, scenario: str, url: str) -> str:
    """Submit a task that gets a scenario, and return its id."""
    headers = {**client.headers, "prefer": f"scenario={scenario}"}
    answer = client.server.http.post(OMNI, json={**MINIMAL, "callback_url": url}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["task_id"])


def journal(client: Client) -> list[dict[str, Any]]:
    """Return the attempts in the journal, without redeliveries by hand in between."""
    answer = client.server.http.get("/_mock/journal?kind=callback&limit=1000", headers=client.headers)
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


def came(client: Client, receiver: Receiver, scenario: str, count: int) -> list[Received]:
    """Return the callbacks of a task that lives to its end, and beyond."""
    submit(client, scenario, receiver.url())
    client.advance(TO_THE_END)
    received = receiver.wait(count)
    assert receiver.so_far() == []
    return received


def statuses(received: list[Received]) -> list[str]:
    return [each.json["task_status"] for each in received]


def good(received: Received) -> bool:
    """Tell whether a receiver that checks signatures takes this."""
    try:
        Webhook(SECRET).verify(received.body, received.headers)
    except WebhookVerificationError:
        return False
    return True


# When they come, and how often


def test_a_lost_one_does_not_come_and_is_in_the_journal(client: Client, receiver: Receiver) -> None:
    assert statuses(came(client, receiver, "lost-success", 2)) == ["submitted", "processing"]
    last = journal(client)[-1]
    assert (last["status"], last["outcome"], last["faults"], last["final"]) == ("succeed", "lost", ["lost"], True)


def test_a_lost_one_can_be_sent_by_hand(client: Client, receiver: Receiver) -> None:
    came(client, receiver, "lost-success", 2)
    name = journal(client)[-1]["delivery"]
    answer = client.server.http.post(f"/_mock/callbacks/{name}/redeliver", headers=client.headers)
    assert answer.json()["outcome"] == "delivered"
    assert statuses(receiver.wait(1)) == ["succeed"]


def test_copies_are_the_same_message_with_ids_of_their_own_in_the_journal(client: Client, receiver: Receiver) -> None:
    received = came(client, receiver, "doubled", 5)[2:]
    assert statuses(received) == ["succeed"] * 3
    assert len({each.headers["webhook-id"] for each in received}) == len({each.body for each in received}) == 1
    assert len({each["delivery"] for each in journal(client)}) == 5


def test_a_copy_can_be_sent_by_hand(client: Client, receiver: Receiver) -> None:
    *_, copy = came(client, receiver, "doubled", 5)
    name = journal(client)[-1]["delivery"]
    client.server.http.post(f"/_mock/callbacks/{name}/redeliver", headers=client.headers)
    assert receiver.wait(1)[0].headers["webhook-id"] == copy.headers["webhook-id"]


def test_a_later_status_overtakes(client: Client, receiver: Receiver) -> None:
    assert statuses(came(client, receiver, "out-of-order", 3)) == ["submitted", "succeed", "processing"]


def test_a_late_one_is_of_the_moment_that_it_tells(client: Client, receiver: Receiver) -> None:
    submit(client, "late-start", receiver.url())
    client.advance("59m")
    assert statuses(receiver.wait(2)) == ["processing", "succeed"]
    client.advance("1m")
    assert statuses(receiver.wait(1)) == ["submitted"]


def test_a_stale_one_tells_an_older_status_after_the_end(client: Client, receiver: Receiver) -> None:
    received = came(client, receiver, "stale-end", 4)
    assert statuses(received) == ["submitted", "processing", "succeed", "processing"]
    assert received[3].headers["webhook-id"] != received[1].headers["webhook-id"]


# Before the answer


def test_an_early_one_comes_before_the_submit_is_answered(client: Client, receiver: Receiver) -> None:
    """The receiver looks whether the answer is there, when it has the callback in its hands."""
    answered = threading.Event()
    seen: list[bool] = []
    receiver.on_receive = lambda received: seen.append(answered.is_set())
    submit(client, "early-bird", receiver.url())
    answered.set()
    assert seen == [False]
    assert statuses(receiver.wait(1)) == ["submitted"]
    assert journal(client)[0]["faults"] == ["early"]


def test_the_answer_does_not_wait_for_ever_for_an_early_one(
    start: StartServer, stories: Path, key: str, receiver: Receiver
) -> None:
    client = Client(start("--clock", "manual", "--callback-timeout", "100ms", "--scenarios", str(stories)), key)
    submit(client, "early-bird", receiver.script("hang"))
    (first,) = journal(client)
    assert (first["outcome"], first["reason"], first["final"]) == ("failed", "no answer within 0.1 s", False)


def test_what_comes_behind_a_held_answer_is_answered_behind_it(client: Client, receiver: Receiver) -> None:
    body = json.dumps({**MINIMAL, "callback_url": receiver.url()}).encode()
    head = f"authorization: Bearer {client.key}\r\nhost: 127.0.0.1\r\n"
    submit_head = f"content-type: application/json\r\nprefer: scenario=early-bird\r\ncontent-length: {len(body)}\r\n"
    first = f"POST {OMNI} HTTP/1.1\r\n{head}{submit_head}\r\n".encode() + body
    second = f"GET {OMNI}/unknown HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode()
    with connected(client.server.port) as connection:
        connection.sendall(first + second)
        came_back = read_to_end(connection)
    assert [each.status for each in parse_replies(came_back)] == [200, 400]


# What the provider never sent


def test_a_forged_one_tells_of_a_task_that_nobody_knows(client: Client, receiver: Receiver) -> None:
    task_id = submit(client, "forged-task", receiver.url())
    client.advance("1s")
    forged = next(each for each in receiver.wait(3) if each.json["task_status"] == "succeed")
    assert forged.json["task_id"] != task_id
    assert not good(forged)
    asked = client.server.http.get(f"{OMNI}/{forged.json['task_id']}", headers=client.headers)
    assert asked.status_code == 400


def test_a_forged_one_leads_to_somebody_elses_address(client: Client, receiver: Receiver) -> None:
    task_id = submit(client, "forged-url", receiver.url())
    client.advance("1s")
    forged = next(each for each in receiver.wait(3) if each.json["task_status"] == "succeed")
    assert (forged.json["task_id"], forged.json["task_result"]["videos"][0]["url"]) == (
        task_id,
        "http://evil.invalid/x.mp4",
    )
    assert client.task(task_id)["task_status"] == "processing"


def test_a_forged_one_can_be_sent_by_hand(client: Client, receiver: Receiver) -> None:
    submit(client, "forged-task", receiver.url())
    client.advance("1s")
    first = next(each for each in receiver.wait(3) if each.json["task_status"] == "succeed")
    name = next(each["delivery"] for each in journal(client) if "forged" in each["faults"])
    client.server.http.post(f"/_mock/callbacks/{name}/redeliver", headers=client.headers)
    assert receiver.wait(1)[0].body == first.body


# Signatures


@pytest.mark.parametrize("scenario", ["ill-signed", "unsigned", "old-signature"])
def test_a_receiver_that_checks_signatures_refuses_it(client: Client, receiver: Receiver, scenario: str) -> None:
    assert [good(each) for each in came(client, receiver, scenario, 3)] == [True, False, True]


def test_an_ill_signed_one_looks_like_the_others(client: Client, receiver: Receiver) -> None:
    first, second, _ = came(client, receiver, "ill-signed", 3)
    assert first.headers.keys() == second.headers.keys()


def test_an_unsigned_one_has_no_header_of_a_signature(client: Client, receiver: Receiver) -> None:
    _, second, _ = came(client, receiver, "unsigned", 3)
    assert not [name for name in second.headers if name.startswith("webhook-")]


def test_two_signatures_are_another_one_and_the_right_one(client: Client, receiver: Receiver) -> None:
    first, second, _ = came(client, receiver, "twice-signed", 3)
    assert good(second)
    assert first.headers.keys() == second.headers.keys()
    each_alone = [{"webhook-signature": each} for each in second.headers["webhook-signature"].split(" ")]
    alone = [dataclasses.replace(second, headers={**second.headers, **each}) for each in each_alone]
    assert [good(each) for each in alone] == [False, True]


def test_no_second_signature_makes_a_forged_one_good(client: Client, receiver: Receiver) -> None:
    received = came(client, receiver, "twice-signed-forgery", 4)
    assert sorted((good(each), " " in each.headers["webhook-signature"]) for each in received) == [
        (False, False),
        *[(True, True)] * 3,
    ]


def test_what_nobody_knows_is_in_every_object_and_well_signed(client: Client, receiver: Receiver) -> None:
    def objects(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            yield value
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from objects(each)

    received = came(client, receiver, "more-fields", 3)
    assert statuses(received) == ["submitted", "processing", "succeed"]
    assert all(good(each) for each in received)
    for each in received:
        known = [one for one in objects(each.json) if "since" not in one]
        assert all("unheard_of" in one for one in known)
    assert received[2].json["task_result"]["videos"][0]["unheard_of"]


def test_an_old_signature_fits_its_own_time(client: Client, receiver: Receiver) -> None:
    first, second, _ = came(client, receiver, "old-signature", 3)
    age = int(first.headers["webhook-timestamp"]) - int(second.headers["webhook-timestamp"])
    assert age == pytest.approx(3_600, abs=30)


def test_a_scenario_can_leave_signing_out(client: Client, receiver: Receiver) -> None:
    assert not any(good(each) for each in came(client, receiver, "silent", 3))


def test_a_scenario_can_sign_where_no_secret_is_set(start: StartServer, tmp_path: Path, receiver: Receiver) -> None:
    """The secret belongs to the seed; the terminal tells it, and so does the control API."""
    source = {"name": "signed", "about": "A test.", "callbacks": {"sign": True}}
    (tmp_path / "signed.yaml").write_text(json.dumps(source), encoding="utf-8")
    client = Client(start("--clock", "manual", "--scenarios", str(tmp_path)), "sk-a")
    submit(client, "signed", receiver.url())
    (first,) = receiver.wait(1)
    secret = client.server.http.get("/_mock/callbacks/secret", headers=client.headers).json()["secret"]
    Webhook(secret).verify(first.body, first.headers)
    assert f"callbacks are signed with {secret}" in client.server.err


def test_a_secret_that_was_set_is_not_told(client: Client) -> None:
    answer = client.server.http.get("/_mock/callbacks/secret", headers=client.headers)
    assert answer.json() == {"secret": None, "from": "--callback-secret"}


# On the wire


@pytest.mark.parametrize(("scenario", "attempts"), [("cut", 2), ("cut-at-once", 1)])
def test_a_body_that_is_cut_ends_with_the_connection(client: Client, scenario: str, attempts: int) -> None:
    with RawReceiver() as receiver:
        submit(client, scenario, receiver.url)
        client.advance(TO_THE_END)
        cut = [each for each in receiver.requests() if not is_whole(each)]
    assert len(cut) == attempts
    told = [each for each in journal(client) if each["status"] == "processing"]
    assert [(each["outcome"], each["faults"]) for each in told] == [("failed", ["truncated"])] * attempts


def test_a_body_can_be_of_another_type(client: Client, receiver: Receiver) -> None:
    types = [each.headers["content-type"] for each in came(client, receiver, "no-json", 3)]
    assert types == ["application/json; charset=utf-8", "text/html", "application/json; charset=utf-8"]


def test_a_slow_one_comes_whole_in_many_pieces(client: Client, receiver: Receiver) -> None:
    assert all(good(each) for each in came(client, receiver, "slow", 3))
    with RawReceiver() as raw:
        submit(client, "slow", raw.url)
        client.advance(TO_THE_END)
        assert max(raw.pieces) > 3


# Which are sent, and how often tried


def test_a_scenario_says_which_statuses_are_sent(client: Client, receiver: Receiver) -> None:
    assert statuses(came(client, receiver, "ends-only", 1)) == ["succeed"]


def test_a_scenario_says_how_often_and_how_long_is_tried(client: Client, receiver: Receiver) -> None:
    hangs: list[Answer] = ["hang"] * 6
    submit(client, "impatient", receiver.script(200, *hangs))
    client.advance(TO_THE_END)
    tried = [each for each in journal(client) if each["status"] == "processing"]
    assert [each["final"] for each in tried] == [False, False, True]
    assert [each["at_ms"] - tried[0]["at_ms"] for each in tried] == [0, 5_000, 12_000]
    assert {each["reason"] for each in tried} == {"no answer within 0.05 s"}


def test_the_servers_scenario_is_that_of_all_tasks(start: StartServer, stories: Path, receiver: Receiver) -> None:
    client = Client(start("--clock", "manual", "--scenarios", str(stories), "--scenario", "ends-only"), "sk-a")
    client.created(callback_url=receiver.url())
    client.advance(TO_THE_END)
    assert statuses(receiver.wait(1)) == ["succeed"]


def is_whole(request: bytes) -> bool:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    return len(body) == int(lines[b"content-length"])


class RawReceiver:
    """A receiver that keeps the bytes of each request as they came, whole or not, and answers whole ones with 200."""

    def __enter__(self) -> "RawReceiver":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/callback"
        self._came: list[bytes] = []
        # In how many pieces each came.
        self.pieces: list[int] = []
        self._open = 0
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def requests(self) -> list[bytes]:
        """Return what came, when no connection is under way."""
        eventually(lambda: self._open == 0, "the end of every connection")
        return self._came

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open += 1
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection:
            request, pieces = b"", 0
            while part := connection.recv(65_536):
                request, pieces = request + part, pieces + 1
                if b"\r\n\r\n" in request and is_whole(request):
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    break
        self._came.append(request)
        self.pieces.append(pieces)
        self._open -= 1
