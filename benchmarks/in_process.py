"""What a call in process costs, beside httpx's own MockTransport that answers fixed bytes."""

import time
from collections.abc import Callable
from statistics import median

import httpx

from benchmarks.requests import Submission
from mock_server.transport import twin_transport


def measure(submission: Submission, *, rounds: int, calls: int) -> tuple[float, float]:
    """Return the seconds of one call through the twin's transport, and through MockTransport: medians of rounds."""
    fixed = b"0" * 213

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=fixed, headers={"content-type": "application/json"})

    def caller(client: httpx.Client) -> Callable[[], None]:
        headers = [header for header in submission.headers if header[0] != b"content-length"]

        def call() -> None:
            reply = client.post(submission.path, content=submission.body, headers=headers)
            assert reply.status_code == 200, reply.text

        return call

    base_url = "http://127.0.0.1"
    with (
        httpx.Client(transport=twin_transport(), base_url=base_url) as twin,
        httpx.Client(transport=httpx.MockTransport(answer), base_url=base_url) as mock,
    ):
        both = caller(twin), caller(mock)
        seconds = [[_timed(call, calls) for call in both] for _ in range(rounds)]
    ours, theirs = zip(*seconds, strict=True)
    return median(ours), median(theirs)


def _timed(call: Callable[[], None], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls
