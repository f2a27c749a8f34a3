"""The second provider in a process of its own, driven by a client that knows nothing of the first."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import standardwebhooks

from mock_server.resources import resource
from tests.live.conftest import StartServer
from tests.live.support import ADVANCE, Receiver, Server

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="


@dataclass
class Predictions:
    """A small client as one writes it from the provider's pages."""

    http: httpx.Client
    token: str

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, path, json=body, headers=headers)

    def create(self, prompt: str, **more: Any) -> dict[str, Any]:
        answer = self.call("POST", "/v1/predictions", {"version": "owner/model", "input": {"prompt": prompt}, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def follow(self, address: str, method: str = "GET") -> dict[str, Any]:
        answer = self.call(method, address)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def advance(self, by: str) -> None:
        answer = self.call("POST", ADVANCE, {"by": by})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="session")
def provider(start_shared: StartServer) -> Server:
    spec = str(resource("fixtures/providers/replicate.yaml"))
    return start_shared("--spec", spec, "--clock", "manual", "--callback-secret", SECRET)


@pytest.fixture
def predictions(provider: Server, key: str) -> Predictions:
    return Predictions(provider.http, key)


def test_it_says_whose_twin_it_is(provider: Server) -> None:
    assert provider.health()["spec"] == "Predictions of Replicate"
    assert "/v1/predictions" in provider.out


def test_a_video_is_made_and_fetched_by_the_links_of_the_replies(predictions: Predictions) -> None:
    links = predictions.create("A lighthouse.")["urls"]
    assert predictions.follow(links["get"])["status"] == "starting"
    predictions.advance("10m")
    done = predictions.follow(links["get"])
    assert done["status"] == "succeeded"
    video = predictions.call("GET", done["output"])
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    predictions.advance("1h")
    assert predictions.call("GET", done["output"]).status_code == 403


def test_a_cancel_is_called_back_signed_and_nothing_after_it(predictions: Predictions, receiver: Receiver) -> None:
    asked = ["start", "logs", "output", "completed"]
    prediction = predictions.create("A storm.", webhook=receiver.url(), webhook_events_filter=asked)
    (started,) = receiver.wait(1)
    canceled = predictions.follow(prediction["urls"]["cancel"], "POST")
    (ended,) = receiver.wait(1)
    predictions.advance("1h")
    assert receiver.so_far() == []
    assert [started.json["status"], ended.json["status"]] == ["starting", "canceled"]
    assert ended.json == canceled
    for message in (started, ended):
        assert standardwebhooks.Webhook(SECRET).verify(message.body, message.headers)


def test_only_the_end_is_called_back_where_no_event_is_named(predictions: Predictions, receiver: Receiver) -> None:
    predictions.create("A calm sea.", webhook=receiver.url())
    predictions.advance("10m")
    assert [each.json["status"] for each in receiver.wait(1)] == ["succeeded"]
    assert receiver.so_far() == []


def test_a_list_has_results_and_a_wrong_token_is_told_in_the_providers_words(
    provider: Server, predictions: Predictions
) -> None:
    ids = [predictions.create(str(number))["id"] for number in range(3)]
    page = predictions.follow("/v1/predictions")
    assert [each["id"] for each in page["results"]] == ids[::-1]
    assert (page["next"], page["previous"]) == (None, None)
    answer = provider.http.get("/v1/predictions")
    assert answer.status_code == 401
    assert answer.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass an authentication token",
        "status": 401,
    }
