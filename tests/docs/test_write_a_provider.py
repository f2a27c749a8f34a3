"""The file of docs/write-a-provider.md: put together from the page, started, and driven."""

import re
from pathlib import Path

import httpx
import pytest

from mock_server.resources import resource
from tests.live.conftest import StartServer, receiver, start_shared  # noqa: F401  Pytest fixtures.
from tests.live.support import ADVANCE, Receiver, Server

PAGE = (resource("openapi.yaml").parent / "docs/write-a-provider.md").read_text(encoding="utf-8")
KEY = {"X-Api-Key": "anything"}


@pytest.fixture(scope="module")
def clips(start_shared: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:  # noqa: F811
    path: Path = tmp_path_factory.mktemp("provider") / "clips.yaml"
    path.write_text("".join(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)), encoding="utf-8")
    return start_shared("--spec", str(path), "--clock", "manual")


def advance(server: Server, by: str) -> None:
    assert server.http.post(ADVANCE, json={"by": by}, headers=KEY).status_code == 200


def create(server: Server, **body: object) -> httpx.Response:
    return server.http.post("/v1/clips", json={"text": "A lighthouse.", **body}, headers=KEY)


def test_a_clip_is_made_from_start_to_end(clips: Server) -> None:
    answer = create(clips, seconds=7)
    assert answer.status_code == 202
    clip = answer.json()
    assert (clip["state"], clip["status"], clip["ended"], clip["video"]) == (1, "queued", None, None)
    assert "reason" not in clip
    advance(clips, "2m")
    done = clips.http.get(clip["self"], headers=KEY).json()
    assert (done["state"], done["status"]) == (3, "ready")
    assert clips.http.get(done["video"]).headers["content-type"] == "video/mp4"
    advance(clips, "4000d")
    assert clips.http.get(done["video"]).status_code == 200


def test_a_clip_is_stopped_once_and_its_end_is_called_back(clips: Server, receiver: Receiver) -> None:  # noqa: F811
    clip = create(clips, notify=receiver.url()).json()
    stopped = clips.http.delete(f"/v1/clips/{clip['id']}", headers=KEY)
    assert (stopped.status_code, stopped.json()["status"]) == (200, "stopped")
    assert [each.json["status"] for each in receiver.wait(1)] == ["stopped"]
    again = clips.http.delete(f"/v1/clips/{clip['id']}", headers=KEY)
    assert (again.status_code, again.json()) == (409, {"error": "ended"})


def test_what_is_wrong_is_said_in_the_providers_words(clips: Server) -> None:
    assert create(clips, events=["end"]).json() == {"error": "invalid", "text": "events need an address to notify."}
    assert create(clips, seconds=99).json()["error"] == "invalid"
    assert clips.http.get("/v1/clips/none", headers=KEY).json() == {"error": "not_found"}
    assert clips.http.get("/v1/clips/none").json() == {"error": "unauthorized"}
    assert clips.http.patch("/v1/clips", headers=KEY).status_code == 404
    assert clips.http.post("/v1/clips", content=b"{", headers=KEY).status_code == 400


def test_two_keys_are_two_worlds(clips: Server) -> None:
    clip = create(clips).json()
    assert clips.http.get(f"/v1/clips/{clip['id']}", headers={"X-Api-Key": "another"}).status_code == 404


def test_the_curl_command_of_the_page_is_accepted(clips: Server) -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'", PAGE)
    assert clips.http.post("/v1/clips", content=body, headers=KEY).status_code == 202
