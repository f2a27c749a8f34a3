"""The example client before the twin in process: a clock that only it moves, and what came over the wire."""

from dataclasses import dataclass, field
from typing import Any

import httpx
from omni_video import OmniVideo, OmniVideoError, Settings, Video
from omni_video.job import OmniJob

from mock_server.transport import TwinTransport, twin_transport

BASE_URL = "http://twin.test"
KEY = "sk-omnimock-0123456789abcdef0123"
REQUEST: dict[str, Any] = {"prompt": "A lighthouse.", "aspect_ratio": "16:9", "duration": 5}
QUICK: dict[str, Any] = {"pace": "0.15s"}


@dataclass
class FakeClock:
    """A clock that moves when somebody sleeps, and the clock of the twin with it."""

    twin: TwinTransport
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.twin.advance(f"{max(round(seconds * 1_000), 1)}ms", key=KEY)


@dataclass(frozen=True)
class Outcome:
    """What a client said, and what came over the wire meanwhile."""

    video: Video | None
    error: OmniVideoError | None
    wire: list[dict[str, Any]]
    tasks: int
    slept: list[float]

    @property
    def said(self) -> str:
        return "succeed" if self.error is None else self.error.outcome

    @property
    def submits(self) -> list[dict[str, Any]]:
        return [entry for entry in self.wire if entry["request"]["method"] == "POST"]

    @property
    def queries(self) -> list[dict[str, Any]]:
        return [entry for entry in self.wire if entry["request"]["method"] == "GET"]


def arm(twin: TwinTransport, scenario: Any) -> None:
    """Arm a scenario, by its name or whole, for the key."""
    with httpx.Client(transport=twin, base_url=BASE_URL) as client:
        answer = client.put("/_mock/scenario", json={"scenario": scenario}, headers={"authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200, answer.text


def seen(twin: TwinTransport) -> tuple[list[dict[str, Any]], int]:
    """Return the exchanges of the key, and how many tasks were created."""
    with httpx.Client(transport=twin, base_url=BASE_URL, headers={"authorization": f"Bearer {KEY}"}) as client:
        entries = client.get("/_mock/journal", params={"limit": 1000, "kind": "exchange"}).json()["entries"]
        return entries, client.get("/_mock/ledger").json()["total"]["tasks"]


def generated(
    scenario: Any = None,
    request: dict[str, Any] | None = None,
    *,
    settings: Settings | None = None,
    job_class: type[OmniJob] = OmniJob,
) -> Outcome:
    """Run one job of the sync client; nothing waits."""
    twin = twin_transport()
    arm(twin, {"lifecycle": QUICK, **({} if scenario is None else scenario)})
    clock = FakeClock(twin)
    video = error = None
    chosen = settings or Settings(poll_interval_seconds=0.1, request_timeout_seconds=1, deadline_seconds=20)
    with OmniVideo(BASE_URL, KEY, transport=twin, clock=clock, settings=chosen, job_class=job_class) as client:
        try:
            video = client.generate(REQUEST if request is None else request)
        except OmniVideoError as raised:
            error = raised
    return Outcome(video, error, *seen(twin), clock.slept)
