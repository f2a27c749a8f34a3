"""The endpoint from outside: what a client sees of a task's life, and what the developer is told."""

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.document import SpecError
from mock_server.exchange import Exchange, Incoming
from mock_server.program import Program
from mock_server.scenarios import Scenario
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin
from tests.support import MINIMAL, OMNI, Caller, explanation, is_refused

FIELDS = st.sampled_from(
    """prompt model_name image_list video_list multi_prompt multi_shot shot_type duration image_url type
    external_task_id callback_url watermark_info enabled element_list""".split()  # noqa: SIM905  Shorter to read.
)
FUZZED = Caller(make_twin(Settings(clock="manual"), load_program(Settings())))


def last(caller: Caller) -> Exchange:
    entry = caller.journal.entries[-1]
    assert isinstance(entry, Exchange)
    return entry


class TestLife:
    def test_a_task_is_submitted_then_processing_then_succeeds(self, caller: Caller) -> None:
        task_id = caller.created()
        stored = caller.world.store.find(task_id)
        assert stored is not None
        seen = []
        for at_ms in stored.plan.at_ms:
            caller.clock.move_to(at_ms)
            seen.append(caller.task(task_id)["task_status"])
        assert seen == ["submitted", "processing", "succeed"]

    def test_the_reply_to_a_submit_has_the_documented_shape(self, caller: Caller) -> None:
        body = msgspec.json.decode(caller.submit({**MINIMAL, "external_task_id": "order-7"}).body)
        assert body.keys() == {"code", "message", "request_id", "data"}
        assert (body["code"], body["message"]) == (0, "SUCCEED")
        assert uuid.UUID(body["request_id"]).version == 4
        data = body["data"]
        assert data["task_id"].isdigit()
        assert len(data["task_id"]) == 18
        assert data["task_status"] == "submitted"
        assert data["task_info"] == {"external_task_id": "order-7"}
        assert data["created_at"] == data["updated_at"] == caller.clock.now_ms()

    def test_before_success_info_and_result_are_empty_objects(self, caller: Caller) -> None:
        task = caller.task(caller.created())
        assert task["task_info"] == {}
        assert task["task_result"] == {}
        assert "final_unit_deduction" not in task

    def test_a_success_has_one_video_with_a_text_duration(self, caller: Caller) -> None:
        task_id = caller.created({**MINIMAL, "duration": "8"})
        caller.finish(task_id)
        task = caller.task(task_id)
        (video,) = task["task_result"]["videos"]
        assert video["duration"] == "8.041"
        assert video["url"].startswith("http://twin.test:4747/_mock/media/")
        assert "watermark_url" not in video

    def test_a_watermark_that_was_asked_for_is_there(self, caller: Caller) -> None:
        task_id = caller.created({**MINIMAL, "watermark_info": {"enabled": True}})
        caller.finish(task_id)
        task = caller.task(task_id)
        assert task["watermark_info"] == {"enabled": True}
        assert task["task_result"]["videos"][0]["watermark_url"].endswith("-watermark.mp4")

    @pytest.mark.parametrize(
        ("request_parts", "units"),
        [
            ({}, "4"),
            ({"mode": "std"}, "3"),
            ({"mode": "std", "duration": "10"}, "6"),
            ({"model_name": "kling-v3-omni", "mode": "4k", "duration": "15"}, "45"),
            ({"model_name": "kling-v3-omni", "sound": "on"}, "5"),
            ({"model_name": "kling-v3-omni", "sound": "on", "mode": "std"}, "4"),
            ({"video_list": [{"video_url": "https://example.com/a.mp4", "refer_type": "feature"}]}, "6"),
            ({"video_list": [{"video_url": "https://example.com/a.mp4"}], "mode": "std"}, "4.5"),
        ],
    )
    def test_units_follow_the_price_list(self, caller: Caller, request_parts: dict[str, Any], units: str) -> None:
        task_id = caller.created(MINIMAL | request_parts)
        caller.finish(task_id)
        assert caller.task(task_id)["final_unit_deduction"] == units

    @pytest.mark.parametrize(
        ("reason", "message"),
        [
            ("content-risk", "Failure to pass the risk control system"),
            ("image-pixel", "Image pixel is invalid"),
            ("no-reason", ""),
        ],
    )
    def test_a_failed_task_keeps_code_0_and_says_why(
        self, make: Callable[..., Twin], reason: str, message: str
    ) -> None:
        caller = Caller(make(scenario=f"always-failed; reason={reason}"))
        task_id = caller.created()
        caller.finish(task_id)
        body = msgspec.json.decode(caller.query(task_id).body)
        assert (body["code"], body["message"]) == (0, "SUCCEED")
        assert body["data"]["task_status"] == "failed"
        assert body["data"]["task_status_msg"] == message
        assert body["data"]["task_result"] == {}

    def test_the_realistic_pace_keeps_to_the_spec(self, caller: Caller) -> None:
        for _ in range(50):
            task = caller.world.store.find(caller.created())
            assert task is not None
            first, second, third = task.plan.at_ms
            assert 2_000 <= second - first <= 10_000
            assert 30_000 <= third - second <= 250_000

    def test_a_query_changes_nothing(self, make: Callable[..., Twin]) -> None:
        asked, silent = Caller(make()), Caller(make())
        first = asked.created()
        assert silent.created() == first
        for _ in range(20):
            asked.query(first)
            asked.listed()
        assert asked.created() == silent.created()
        ours, theirs = asked.world.store.tasks(), silent.world.store.tasks()
        assert [task.plan for task in ours] == [task.plan for task in theirs]

    def test_the_same_seed_and_requests_give_the_same_bytes(self, make: Callable[..., Twin]) -> None:
        def run(seed: int) -> list[bytes]:
            caller = Caller(make(seed=seed))
            replies = [caller.submit() for _ in range(5)]
            caller.clock.move_to(caller.clock.now_ms() + 60_000)
            return [reply.body for reply in (*replies, caller.send("GET", OMNI))]

        assert run(1) == run(1)
        assert run(1) != run(2)

    def test_ids_and_paces_do_not_depend_on_the_key(self, twin: Twin) -> None:
        a, b = Caller(twin, "a"), Caller(twin, "b")
        assert [a.created() for _ in range(3)] == [b.created() for _ in range(3)]


class TestLookup:
    def test_a_task_is_found_by_its_external_id_in_the_same_slot(self, caller: Caller) -> None:
        task_id = caller.created({**MINIMAL, "external_task_id": "Bestellung 7/ä"})
        assert caller.task("Bestellung%207%2F%C3%A4")["task_id"] == task_id

    @pytest.mark.parametrize("name", ["000000000000000000", "nothing", "%FF", "None", "a%2Fb"])
    def test_an_unknown_task_is_400_with_1201_as_observed(self, caller: Caller, name: str) -> None:
        reply = caller.query(name)
        assert is_refused(reply, 400, 1201)
        assert b"Task not found by id/external id" in reply.body

    def test_an_external_id_is_taken_once(self, caller: Caller) -> None:
        caller.created({**MINIMAL, "external_task_id": "order-7"})
        again = caller.submit({**MINIMAL, "external_task_id": "order-7"})
        assert is_refused(again, 400, 1201)
        assert b"already exists" in again.body
        assert explanation(again)["violations"][0]["rule"] == "R15"
        assert len(caller.listed()) == 1

    def test_an_external_id_stays_taken_after_the_task_has_ended(self, caller: Caller) -> None:
        caller.finish(caller.created({**MINIMAL, "external_task_id": "order-7"}))
        assert caller.submit({**MINIMAL, "external_task_id": "order-7"}).status == 400

    def test_two_worlds_may_use_the_same_external_id(self, twin: Twin) -> None:
        body = {**MINIMAL, "external_task_id": "order-7"}
        Caller(twin, "a").created(body)
        Caller(twin, "b").created(body)
        assert [len(Caller(twin, key).listed()) for key in "ab"] == [1, 1]

    def test_empty_external_ids_are_no_ids(self, caller: Caller) -> None:
        body = {**MINIMAL, "external_task_id": "", "callback_url": ""}
        caller.created(body)
        caller.created(body)
        assert len(caller.world.outbox) == 0

    def test_pages_run_from_the_newest_to_the_oldest(self, caller: Caller) -> None:
        ids = [caller.created() for _ in range(7)]
        pages = [caller.listed(f"pageNum={number}&pageSize=3") for number in (1, 2, 3, 4)]
        assert [[task["task_id"] for task in page] for page in pages] == [
            ids[:3:-1],
            ids[3:0:-1],
            ids[:1],
            [],
        ]

    @pytest.mark.parametrize(
        "query", ["pageNum=0", "pageNum=1001", "pageSize=501", "pageSize=x", "pageNum=1&pageNum=2", "pageSize=1e2"]
    )
    def test_a_page_beyond_the_limits_is_refused(self, caller: Caller, query: str) -> None:
        reply = caller.send("GET", OMNI, query=query)
        assert is_refused(reply, 400, 1201)
        assert explanation(reply)["violations"][0]["pointer"].startswith("?page")


class TestWorlds:
    def test_two_worlds_share_neither_tasks_nor_clock_nor_journal(self, twin: Twin) -> None:
        a, b = Caller(twin, "a"), Caller(twin, "b")
        task_id = a.created()
        a.finish(task_id)
        assert b.listed() == []
        assert is_refused(b.query(task_id), 400, 1201)
        assert b.clock.now_ms() < a.clock.now_ms()
        assert all(entry.task_id is None for entry in b.journal.entries)

    def test_slots_are_counted_for_each_world(self, make: Callable[..., Twin]) -> None:
        twin = make(concurrency=1)
        Caller(twin, "a").created()
        assert Caller(twin, "a").submit().status == 429
        Caller(twin, "b").created()

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (None, 1001),
            (b"", 1001),
            (b"Bearer ", 1002),
            (b"Basic YWJj", 1002),
            (b"sk-test", 1002),
            (b"Bearer a b", 1002),
            (b"Bearer sk-\xc3\xa4", 1002),
            (b"Bearer other", 1000),
        ],
    )
    def test_a_key_that_is_missing_malformed_or_wrong_is_401(
        self, make: Callable[..., Twin], header: bytes | None, code: int
    ) -> None:
        caller = Caller(make(api_keys=("sk-test",)))
        headers = [] if header is None else [(b"authorization", header)]
        for method, path in (("POST", OMNI), ("GET", OMNI), ("GET", f"{OMNI}/1"), ("GET", "/elsewhere")):
            assert is_refused(caller.send(method, path, headers=headers), 401, code)

    def test_two_authorization_headers_are_malformed(self, caller: Caller) -> None:
        headers = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
        assert is_refused(caller.send("GET", OMNI, headers=headers), 401, 1002)

    def test_a_signed_again_token_stays_in_its_world(self, twin: Twin) -> None:
        def token(serial: int) -> str:
            parts = ({"alg": "HS256"}, {"iss": "access-key", "serial": serial})
            encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts]
            return ".".join((*encoded, "c2ln"))

        task_id = Caller(twin, token(1)).created()
        assert Caller(twin, token(2)).query(task_id).status == 200


class TestConcurrency:
    def test_a_slot_is_held_from_submission_to_the_end(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(concurrency=1))
        first = caller.created()
        refused = caller.submit()
        assert is_refused(refused, 429, 1303)
        assert b"parallel task over resource pack limit" in refused.body
        stored = caller.world.store.find(first)
        assert stored is not None
        caller.clock.move_to(stored.plan.ends_at_ms - 1)
        assert caller.submit().status == 429
        caller.clock.move_to(stored.plan.ends_at_ms)
        assert caller.submit().status == 200

    def test_models_are_counted_apart(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(concurrency=1))
        caller.created()
        caller.created({**MINIMAL, "model_name": "kling-v3-omni"})
        assert caller.submit({**MINIMAL, "model_name": "kling-video-o1"}).status == 429

    def test_a_refused_submit_leaves_nothing_behind(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(concurrency=1))
        caller.created()
        body = {**MINIMAL, "external_task_id": "order-7", "callback_url": "http://127.0.0.1:9/"}
        assert caller.submit(body).status == 429
        assert len(caller.world.store) == 1
        assert len(caller.world.outbox) == 0
        assert is_refused(caller.query("order-7"), 400, 1201)

    def test_without_a_limit_there_is_none(self, caller: Caller) -> None:
        assert {caller.submit().status for _ in range(200)} == {200}


class TestWrongRequests:
    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "QUERY"])
    def test_a_wrong_method_is_405_with_allow_and_1202(self, caller: Caller, method: str) -> None:
        reply = caller.send(method, OMNI)
        assert is_refused(reply, 405, 1202)
        assert dict(reply.headers)[b"allow"] == b"GET, POST"

    @pytest.mark.parametrize("path", ["/", "//kling/v1/videos/omni-video", f"{OMNI}/", f"{OMNI}/1/2", "/v2/videos/x"])
    def test_a_wrong_path_is_404_with_1203(self, caller: Caller, path: str) -> None:
        reply = caller.send("GET", path)
        assert is_refused(reply, 404, 1203)
        assert OMNI in explanation(reply)["paths"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"nonsense",
            b'{"prompt": NaN}',
            b'{"prompt": "\\ud800"}',
            b'{"prompt": "\xff"}',
            '{"prompt": "x"}'.encode("utf-16"),
            b"\xef\xbb\xbf{}",
            b"[" * 10_000 + b"]" * 10_000,
            b'{"prompt": ' + b'{"a":' * 400 + b"1" + b"}" * 401,
            b'{"prompt": 1e999}',
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_a_body_that_is_not_json_is_400_with_1200(self, caller: Caller, body: bytes) -> None:
        reply = caller.send("POST", OMNI, body)
        assert is_refused(reply, 400, 1200)
        assert explanation(reply)["problem"] == "invalid-request"
        assert caller.listed() == []

    @pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
    def test_a_body_that_is_no_object_breaks_the_type(self, caller: Caller, body: bytes) -> None:
        reply = caller.send("POST", OMNI, body)
        assert is_refused(reply, 400, 1201)
        assert explanation(reply)["violations"][0]["rule"] == "type"

    @pytest.mark.parametrize(
        "headers",
        [
            [(b"content-type", b"text/plain")],
            [(b"content-type", b"application/x-www-form-urlencoded")],
            [(b"content-type", b"application/json; charset=utf-16")],
            [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
        ],
    )
    def test_another_media_type_is_415(self, caller: Caller, headers: list[tuple[bytes, bytes]]) -> None:
        reply = caller.send("POST", OMNI, b"{}", headers=[(b"authorization", b"Bearer sk-test"), *headers])
        assert is_refused(reply, 415, 1200)

    def test_a_missing_content_type_is_taken_with_a_hint(self, caller: Caller) -> None:
        body = msgspec.json.encode(MINIMAL)
        reply = caller.send("POST", OMNI, body, headers=[(b"authorization", b"Bearer sk-test")])
        assert reply.status == 200
        assert "Content-Type" in explanation(reply)["notes"][0]

    @given(st.binary(max_size=200))
    def test_no_body_gets_a_5xx(self, body: bytes) -> None:
        reply = FUZZED.send("POST", OMNI, body)
        assert reply.status in (200, 400)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(), inner, max_size=4),
            max_leaves=12,
        ),
    )
    def test_no_json_gets_a_5xx(self, value: Any) -> None:
        body = json.dumps({"prompt": "x", **value} if isinstance(value, dict) else value).encode()
        reply = FUZZED.send("POST", OMNI, body)
        assert reply.status in (200, 400)
        assert FUZZED.twin.endpoint.crashes == 0

    @given(st.binary(max_size=40), st.binary(max_size=20), st.lists(st.tuples(st.binary(), st.binary()), max_size=4))
    def test_no_path_query_or_header_gets_a_5xx(
        self, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        for prefix in (b"", OMNI.encode() + b"/", OMNI.encode()):
            incoming = Incoming("GET", prefix + path, query, [(b"authorization", b"Bearer k"), *headers], b"")
            assert FUZZED.twin.endpoint.answer(incoming).status < 500


class TestExplanation:
    def test_a_refusal_is_told_whole_in_the_journal(self, caller: Caller) -> None:
        body = {"duration": "99", "mode": "standard", "image_list": [{"type": "end_frame"}] * 200}
        reply = caller.submit(body)
        header = dict(reply.headers)[b"x-mock-explanation"]
        assert len(header) <= 4_096
        told = explanation(reply)
        entry = last(caller)
        assert entry.number == told["journal"]
        assert entry.explanation is not None
        whole = entry.explanation["violations"]
        assert len(whole) == len(told["violations"]) + told["cut"]
        assert {"/duration", "/mode", "/prompt", "/image_list"} <= {each["pointer"] for each in whole}

    def test_it_can_be_switched_off(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(explain=False))
        reply = caller.submit({})
        assert reply.status == 400
        assert reply.headers == ()
        assert last(caller).explanation is not None

    def test_callbacks_that_will_not_be_sent_are_told_with_the_reply(self, make: Callable[..., Twin]) -> None:
        body = {**MINIMAL, "callback_url": "https://receiver.test/hook"}
        (note,) = explanation(Caller(make()).submit(body))["notes"]
        assert "--callback-allow receiver.test" in note
        assert Caller(make(callback_allow=("receiver.test",))).submit(body).headers == ()

    def test_a_key_that_is_an_empty_variable_is_told(self, caller: Caller) -> None:
        reply = caller.send("GET", OMNI, headers=[(b"authorization", b"Bearer ")])
        assert "variable" in explanation(reply)["do"]

    def test_a_misspelt_field_is_told_with_the_nearest(self, caller: Caller) -> None:
        (warning,) = explanation(caller.submit({**MINIMAL, "aspct_ratio": "1:1"}))["warnings"]
        assert warning["pointer"] == "/aspct_ratio"
        assert warning["allowed"].endswith("Is aspect_ratio meant?")

    def test_an_unknown_field_is_taken_with_a_warning(self, caller: Caller) -> None:
        reply = caller.submit({**MINIMAL, "enable_audio": True})
        assert reply.status == 200
        assert [each["rule"] for each in explanation(reply)["warnings"]] == ["R17"]

    def test_a_request_without_blemish_is_not_commented(self, caller: Caller) -> None:
        assert caller.submit().headers == ()

    def test_no_explanation_has_the_key(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(api_keys=("sk-right",)), "sk-canary-key")
        for reply in (caller.submit(), caller.send("GET", "/elsewhere")):
            assert b"canary" not in dict(reply.headers)[b"x-mock-explanation"]

    def test_a_ratio_or_length_without_a_prepared_video_is_told(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(profile="page"))
        reply = caller.submit({"prompt": "x", "aspect_ratio": "4:3", "duration": "99"})
        assert explanation(reply)["notes"] == [
            "no prepared video has aspect ratio 4:3 and length 99: the result is 16:9, 15 s"
        ]


class TestMounts:
    @pytest.mark.parametrize("prefix", ["/kling", "", "/proxy/kling", "/custom/base"])
    def test_every_operation_answers_under_every_prefix(self, make: Callable[..., Twin], prefix: str) -> None:
        caller = Caller(make(mounts=("/custom/base",)))
        path = f"{prefix}/v1/videos/omni-video"
        task_id = msgspec.json.decode(caller.submit(path=path).body)["data"]["task_id"]
        assert caller.send("GET", f"{path}/{task_id}").status == 200
        assert caller.send("GET", path).status == 200

    def test_a_media_base_url_replaces_the_address_that_was_called(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make(media_base_url="https://media.test/x"))
        task_id = caller.created()
        caller.finish(task_id)
        url = caller.task(task_id)["task_result"]["videos"][0]["url"]
        assert url.startswith("https://media.test/x/_mock/media/")

    @pytest.mark.parametrize("host", [b"evil\r\nx", b'a"b', b"", b"a b"])
    def test_a_host_that_is_none_does_not_get_into_urls(self, caller: Caller, host: bytes) -> None:
        headers = [(b"authorization", b"Bearer sk-test"), (b"host", host), (b"content-type", b"application/json")]
        reply = caller.send("POST", OMNI, msgspec.json.encode(MINIMAL), headers=headers)
        task_id = msgspec.json.decode(reply.body)["data"]["task_id"]
        caller.finish(task_id)
        assert caller.task(task_id)["task_result"]["videos"][0]["url"].startswith("http://127.0.0.1:4747/")


class TestCallbacksBooked:
    def test_a_delivery_is_booked_for_every_status(self, caller: Caller) -> None:
        task_id = caller.created({**MINIMAL, "callback_url": "http://127.0.0.1:9/hook"})
        task = caller.world.store.find(task_id)
        assert task is not None
        booked = caller.world.outbox.take_all()
        assert [delivery.due_ms for delivery in booked] == list(task.plan.at_ms)
        assert len({delivery.id for delivery in booked}) == 3


class TestClientsThatLeave:
    def test_one_that_leaves_is_in_the_journal_of_its_world(self, caller: Caller) -> None:
        headers = [(b"authorization", b"Bearer sk-test")]
        caller.twin.endpoint.client_left(Incoming("POST", OMNI.encode(), b"", headers, b'{"prompt'))
        entry = last(caller)
        assert entry.reply is None
        assert entry.explanation is not None
        assert entry.explanation["body_bytes"] == 8

    def test_one_without_a_good_key_is_in_the_lobby(self, caller: Caller) -> None:
        caller.twin.endpoint.client_left(Incoming("POST", OMNI.encode(), b"", [], b""))
        assert caller.journal.entries == []
        assert len(caller.twin.worlds.lobby.journal.entries) == 1


class TestBounds:
    def test_journals_and_tasks_stay_within_bounds(self, caller: Caller) -> None:
        for _ in range(1_200):
            caller.submit()
        assert len(caller.journal.entries) == 1_000
        assert caller.journal.entries[-1].number == 1_200


class TestCrash:
    @pytest.mark.expects_crash
    def test_a_crash_is_answered_as_5000_and_journalled(self, program: Program) -> None:
        twin = make_twin(Settings(clock="manual"), program)
        twin.endpoint.scenarios.default = Scenario("broken", "", ways=((1.0, {}),))
        caller = Caller(twin)
        reply = caller.submit()
        assert is_refused(reply, 500, 5000)
        assert twin.endpoint.crashes == 1
        told = last(caller).explanation
        assert told is not None
        assert any("KeyError" in line for line in told["traceback"])
        assert b"KeyError" not in reply.body
        assert b"Traceback" not in dict(reply.headers)[b"x-mock-explanation"]


def test_an_unknown_scenario_of_the_settings_is_refused_with_the_nearest(program: Program) -> None:
    with pytest.raises(ValueError, match="did you mean instant"):
        make_twin(Settings(scenario="instnat"), program)


def test_a_mount_that_collides_with_nothing_is_an_error_only_when_malformed() -> None:
    with pytest.raises(ValueError, match="prefix starts with /"):
        Settings(mounts=("kling",))


def test_a_spec_that_is_not_there_is_named(tmp_path: Any) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml"):
        load_program(Settings(spec=tmp_path / "nowhere.yaml"))


def test_many_wrong_values_hide_no_rule(caller: Caller) -> None:
    body = {**MINIMAL, "element_list": [{"element_id": True}] * 600, "sound": "on"}
    assert caller.submit(body).status == 400
    told = last(caller).explanation
    assert told is not None
    assert "first 500" in told["more"]
    assert {"R4", "R9"} <= {each["rule"] for each in told["violations"]}
