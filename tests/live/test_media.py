"""Result media: what the URL of a finished task serves, decoded by a real decoder."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import pytest

from tests.live.conftest import StartServer
from tests.live.support import TO_THE_END, Client, Server

RATIOS = ["16:9", "9:16", "1:1"]
LENGTHS = ["3", "8", "15"]


@dataclass(frozen=True)
class Decoded:
    """What a decoder found in a video."""

    width: int
    height: int
    frames: int
    fps: Fraction
    has_sound: bool

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.fps


def decode(content: bytes) -> Decoded:
    """Decode every frame of a video."""
    with av.open(io.BytesIO(content), "r") as container:
        video = container.streams.video[0]
        sounds = container.streams.audio
        frames = list(container.decode(video))
        rate = video.average_rate
        assert rate is not None
        return Decoded(frames[0].width, frames[0].height, len(frames), Fraction(rate), len(sounds) > 0)


def url_of(task: dict[str, Any]) -> str:
    url = task["task_result"]["videos"][0]["url"]
    assert isinstance(url, str)
    return url


@dataclass(frozen=True)
class Result:
    """A result as it was asked for, as it was reported, and as it is."""

    reported_duration: str
    decoded: Decoded


@pytest.fixture(scope="module")
def result(manual_server: Server) -> Callable[[str, str, str], Result]:
    """Make a video (each kind once), and fetch it as somebody without a key does."""
    client = Client(manual_server, "sk-media")
    known: dict[tuple[str, str, str], Result] = {}

    def make(aspect_ratio: str, duration: str, sound: str) -> Result:
        wanted = (aspect_ratio, duration, sound)
        if wanted not in known:
            task = client.finished(
                model_name="kling-v3-omni", aspect_ratio=aspect_ratio, duration=duration, sound=sound
            )
            fetched = manual_server.http.get(url_of(task))
            assert fetched.status_code == 200
            known[wanted] = Result(task["task_result"]["videos"][0]["duration"], decode(fetched.content))
        return known[wanted]

    return make


every_ratio = pytest.mark.parametrize("aspect_ratio", RATIOS)
every_length = pytest.mark.parametrize("duration", LENGTHS)
with_and_without_sound = pytest.mark.parametrize("sound", ["on", "off"])


@every_ratio
@every_length
@with_and_without_sound
def test_the_video_has_the_asked_aspect_ratio(
    result: Callable[[str, str, str], Result], aspect_ratio: str, duration: str, sound: str
) -> None:
    decoded = result(aspect_ratio, duration, sound).decoded
    assert f"{Fraction(decoded.width, decoded.height).as_integer_ratio()}" == str(
        Fraction(*map(int, aspect_ratio.split(":"))).as_integer_ratio()
    )


@every_ratio
@every_length
@with_and_without_sound
def test_the_video_is_as_long_as_reported(
    result: Callable[[str, str, str], Result], aspect_ratio: str, duration: str, sound: str
) -> None:
    one = result(aspect_ratio, duration, sound)
    assert abs(one.decoded.seconds - Fraction(one.reported_duration)) <= 1 / one.decoded.fps


@every_ratio
@every_length
@with_and_without_sound
def test_the_reported_length_is_the_asked_one_and_a_little_more(
    result: Callable[[str, str, str], Result], aspect_ratio: str, duration: str, sound: str
) -> None:
    more = Fraction(result(aspect_ratio, duration, sound).reported_duration) - int(duration)
    assert 0 <= more < 1


@every_ratio
@every_length
@with_and_without_sound
def test_there_is_sound_only_where_it_was_asked_for(
    result: Callable[[str, str, str], Result], aspect_ratio: str, duration: str, sound: str
) -> None:
    assert result(aspect_ratio, duration, sound).decoded.has_sound == (sound == "on")


def test_what_is_not_asked_for_is_16_to_9_and_5_seconds_without_sound(client: Client) -> None:
    task = client.finished(
        aspect_ratio="", image_list=[{"image_url": "https://example.com/a.png", "type": "first_frame"}]
    )
    decoded = decode(client.server.http.get(url_of(task)).content)
    assert (Fraction(decoded.width, decoded.height), int(decoded.seconds), decoded.has_sound) == (
        Fraction(16, 9),
        5,
        False,
    )


# How it is served


@pytest.fixture(scope="module")
def finished(manual_server: Server) -> dict[str, Any]:
    return Client(manual_server, "sk-served").finished(duration="3", watermark_info={"enabled": True})


@pytest.fixture(scope="module")
def url(finished: dict[str, Any]) -> str:
    return url_of(finished)


@pytest.fixture(scope="module")
def whole(manual_server: Server, url: str) -> httpx.Response:
    answer = manual_server.http.get(url)
    assert answer.status_code == 200
    return answer


def test_the_video_is_served_as_mp4(whole: httpx.Response) -> None:
    assert whole.headers["content-type"] == "video/mp4"


def test_the_url_does_not_show_the_key(url: str) -> None:
    assert "sk-served" not in url


def test_the_video_with_a_watermark_is_served_too(
    manual_server: Server, finished: dict[str, Any], whole: httpx.Response
) -> None:
    watermark_url = finished["task_result"]["videos"][0]["watermark_url"]
    assert manual_server.http.get(watermark_url).status_code == 200


def test_head_says_what_get_would(manual_server: Server, url: str, whole: httpx.Response) -> None:
    names = ["content-length", "content-type", "etag", "accept-ranges", "last-modified"]
    head = manual_server.http.head(url)
    assert [head.headers[name] for name in names] == [whole.headers[name] for name in names]


def test_head_brings_no_body(manual_server: Server, url: str) -> None:
    head = manual_server.http.head(url)
    assert (head.status_code, head.content) == (200, b"")


RANGES = [("bytes=0-99", 0, 100), ("bytes=100-199", 100, 200), ("bytes=500-", 500, None), ("bytes=-64", -64, None)]


@pytest.mark.parametrize(("asked", "start", "end"), RANGES)
def test_a_range_brings_that_part(
    manual_server: Server, url: str, whole: httpx.Response, asked: str, start: int, end: int | None
) -> None:
    part = manual_server.http.get(url, headers={"range": asked})
    assert (part.status_code, part.content) == (206, whole.content[start:end])


def test_a_range_says_where_its_part_stands(manual_server: Server, url: str, whole: httpx.Response) -> None:
    part = manual_server.http.get(url, headers={"range": "bytes=0-99"})
    assert part.headers["content-range"] == f"bytes 0-99/{len(whole.content)}"


def test_a_range_beyond_the_end_cannot_be_had(manual_server: Server, url: str, whole: httpx.Response) -> None:
    beyond = manual_server.http.get(url, headers={"range": f"bytes={len(whole.content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")


def test_a_range_of_the_same_version_brings_the_part(manual_server: Server, url: str, whole: httpx.Response) -> None:
    part = manual_server.http.get(url, headers={"range": "bytes=0-99", "if-range": whole.headers["etag"]})
    assert part.status_code == 206


def test_a_range_of_another_version_brings_the_whole(manual_server: Server, url: str, whole: httpx.Response) -> None:
    answer = manual_server.http.get(url, headers={"range": "bytes=0-99", "if-range": '"another"'})
    assert (answer.status_code, answer.content) == (200, whole.content)


def test_two_parts_put_together_are_the_whole(manual_server: Server, url: str, whole: httpx.Response) -> None:
    """So a download that broke off goes on."""
    parts = [manual_server.http.get(url, headers={"range": asked}).content for asked in ("bytes=0-999", "bytes=1000-")]
    assert b"".join(parts) == whole.content


def test_the_etag_is_the_same_each_time(manual_server: Server, url: str, whole: httpx.Response) -> None:
    assert manual_server.http.get(url).headers["etag"] == whole.headers["etag"]


def test_the_video_is_the_same_after_a_long_time(manual_server: Server, whole: httpx.Response) -> None:
    client = Client(manual_server, "sk-served-long")
    task = client.finished(duration="3")
    client.advance("29d")
    assert manual_server.http.get(url_of(task)).content == whole.content


def test_a_player_may_fetch_it_with_a_key_as_well(manual_server: Server, url: str) -> None:
    assert manual_server.http.get(url, headers={"authorization": "Bearer of-somebody-else"}).status_code == 200


def test_the_video_cannot_be_changed(manual_server: Server, url: str) -> None:
    assert manual_server.http.put(url, content=b"mine").status_code == 405


# When it is there


def result_path(finished: dict[str, Any], task_id: str) -> str:
    """Return where the result of a task of the same world will be, from the URL of one that has finished."""
    return urlsplit(url_of(finished)).path.replace(finished["task_id"], task_id)


def test_before_success_there_is_no_video(client: Client) -> None:
    done = client.finished()
    path = result_path(done, client.created())
    assert client.server.http.get(path).status_code == 404


def test_while_it_is_processing_there_is_no_video(client: Client) -> None:
    done = client.finished()
    path = result_path(done, client.created())
    client.advance("10s")
    assert client.server.http.get(path).status_code == 404


def test_from_success_on_there_is_a_video(client: Client) -> None:
    done = client.finished()
    path = result_path(done, client.created())
    client.advance(TO_THE_END)
    assert client.server.http.get(path).status_code == 200


def test_a_failed_task_has_no_video(start: StartServer) -> None:
    server = start("--clock", "manual", "--scenario", "always-failed; reason=no-reason")
    client = Client(server, "sk-failed")
    task_id = client.created()
    client.advance(TO_THE_END)
    assert client.task(task_id)["task_result"] == {}


@pytest.mark.parametrize("path", ["/_mock/media/0000000000000000/1.mp4", "/_mock/media/x/%2e%2e%2fmanifest.json"])
def test_an_address_that_was_never_given_has_no_video(manual_server: Server, path: str) -> None:
    assert manual_server.http.get(path).status_code == 404


def moved_past_success(client: Client, by_ms: int) -> dict[str, Any]:
    """Finish a task, and move the clock to so many milliseconds after its success."""
    task = client.finished()
    answer = client.try_advance({"to_ms": task["updated_at"] + by_ms})
    assert answer.status_code == 200, answer.text
    return task


THIRTY_DAYS_MS = 30 * 86_400_000


def test_a_millisecond_before_30_days_the_video_is_there(client: Client) -> None:
    task = moved_past_success(client, THIRTY_DAYS_MS - 1)
    assert client.server.http.get(url_of(task)).status_code == 200


def test_after_30_days_on_the_worlds_clock_the_video_has_expired(client: Client) -> None:
    task = moved_past_success(client, THIRTY_DAYS_MS)
    assert client.server.http.get(url_of(task)).status_code == 403


def test_another_worlds_clock_does_not_let_a_video_expire(client: Client, key: str) -> None:
    task = client.finished()
    Client(client.server, f"{key}-other").advance("31d")
    assert client.server.http.get(url_of(task)).status_code == 200


# Where it is


def test_the_media_base_url_stands_in_the_urls(start: StartServer) -> None:
    client = Client(start("--clock", "manual", "--media-base-url", "https://cdn.example.com/videos"), "sk-a")
    assert url_of(client.finished()).startswith("https://cdn.example.com/videos/")


def test_a_host_header_that_is_no_host_is_not_in_the_urls(client: Client) -> None:
    """Every task of a world lives at the server's own address where the client's was no good."""
    answer = client.server.http.post(
        "/v1/videos/omni-video",
        json={"prompt": "A lighthouse.", "aspect_ratio": "16:9"},
        headers={**client.headers, "host": 'a"><script>'},
    )
    client.advance(TO_THE_END)
    task = client.task(answer.json()["data"]["task_id"])
    assert url_of(task).startswith(f"{client.server.base_url}/")
