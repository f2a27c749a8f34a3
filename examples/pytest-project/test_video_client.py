"""One test, or two, for each pytest fixture of omnimock."""

from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
import respx
import video_client
from video_client import VideoClient, VideoFailed, generate_async

from contracts.plugin.in_process import InProcess
from contracts.plugin.run import Server
from contracts.plugin.world import World


@pytest.fixture
def client(omnimock: World) -> Iterator[VideoClient]:
    """The client at the live twin. Where it sleeps, the twin's clock moves: minutes pass at once."""
    sleep: Callable[[float], object] = lambda seconds: omnimock.advance(f"{seconds}s")  # noqa: E731
    with closing(VideoClient(omnimock.key, omnimock.base_url, sleep=sleep)) as made:
        yield made


# A world of the live twin


def test_a_video_is_made_and_paid_for_once(client: VideoClient, omnimock: World) -> None:
    assert client.generate("A lighthouse.").endswith(".mp4")
    omnimock.assert_requests(operation="createOmniVideo", count=1)
    omnimock.assert_requests(operation="getOmniVideo", at_most=60)
    omnimock.assert_no_violations()
    omnimock.assert_paid_at_most(1)


@pytest.mark.omnimock(scenario="maintenance; on=query; times=2")
def test_a_query_that_is_refused_is_tried_again(client: VideoClient, omnimock: World) -> None:
    client.generate("A lighthouse.")
    omnimock.assert_requests(problem="maintenance", count=2)


@pytest.mark.omnimock(scenario="accepted-but-reply-lost")
def test_a_lost_reply_costs_nothing(client: VideoClient, omnimock: World) -> None:
    client.generate("A lighthouse.")
    omnimock.assert_paid_at_most(1)


def test_the_reason_of_a_failure_is_told(client: VideoClient, omnimock: World) -> None:
    omnimock.scenario("always-failed; reason=content-risk")
    with pytest.raises(VideoFailed, match="risk"):
        client.generate("A lighthouse.")


class Hook(BaseHTTPRequestHandler):
    """Takes every callback."""

    def do_POST(self) -> None:
        """Answer 200."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[str]:
    """The address of a receiver of callbacks."""
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join()


def test_the_callback_of_success_is_delivered(client: VideoClient, omnimock: World, hook: str) -> None:
    client.generate("A lighthouse.", callback_url=hook)
    omnimock.assert_callbacks(status="succeed", outcome="delivered", count=1)
    assert omnimock.redeliver()["outcome"] == "delivered"


# The live twin, and the environment


@pytest.mark.omnimock(scenario="instant")
def test_a_client_finds_the_twin_by_its_environment(omnimock_env: dict[str, str], omnimock: World) -> None:
    with closing(VideoClient.from_environment()) as client:
        assert client.generate("A lighthouse.").startswith(omnimock.base_url)


def test_no_key_is_refused(omnimock_server: Server) -> None:
    assert httpx.get(f"{omnimock_server.base_url}{video_client.PATH}").status_code == 401


# In process


def test_a_sync_client_in_process(omnimock_transport: InProcess) -> None:
    sleep: Callable[[float], object] = lambda seconds: omnimock_transport.advance(f"{seconds}s")  # noqa: E731
    with closing(VideoClient("sk-mine-alone", transport=omnimock_transport, sleep=sleep)) as client:
        assert client.generate("A lighthouse.").endswith(".mp4")
    omnimock_transport.world().assert_paid_at_most(1)


@pytest.mark.omnimock(scenario="instant")
async def test_an_async_client_in_process(omnimock_transport: InProcess) -> None:
    twin = omnimock_transport
    async with httpx.AsyncClient(transport=twin, base_url=twin.base_url, headers=twin.headers) as http:
        assert (await generate_async(http, "A lighthouse.")).endswith(".mp4")


# A client whose base URL is written into it


@pytest.mark.omnimock(scenario="instant")
def test_the_provider_s_own_address_leads_to_the_twin(
    omnimock_respx: respx.MockRouter, omnimock_transport: InProcess
) -> None:
    with closing(VideoClient("sk-mine-alone")) as client:
        assert client.generate("A lighthouse.").endswith(".mp4")
    omnimock_transport.world().assert_requests(method="POST", count=1)
    assert omnimock_respx.calls.call_count == 2


@pytest.mark.omnimock(scenario="instant", host="https://api.klingai.com")
async def test_so_does_another_address(omnimock_respx: respx.MockRouter) -> None:
    headers = {"Authorization": "Bearer sk-mine-alone"}
    async with httpx.AsyncClient(base_url="https://api.klingai.com", headers=headers) as http:
        assert (await generate_async(http, "A lighthouse.")).endswith(".mp4")
