"""Mutants that mistreat the key."""

from urllib.parse import urljoin

from omni_video.answers import Answer, Reading
from omni_video.client import AsyncOmniVideo
from omni_video.job import OmniJob
from omni_video.steps import Send, Tries

from tests.selfcheck.mutants.base import caught_by


@caught_by("AUTH-01")
class Anonymous(OmniJob):
    """Its queries carry no key."""

    def headers(self, body: bytes | None) -> dict[str, str]:
        headers = super().headers(body)
        return headers if body is not None else {name: headers[name] for name in headers if name != "authorization"}


@caught_by("AUTH-02")
class Knocking(OmniJob):
    """It submits again after a 401."""

    def submits_again(self, reading: Reading) -> bool:
        return reading.http_status == 401 or super().submits_again(reading)


@caught_by("AUTH-03")
class KnockingOn(OmniJob):
    """It queries on after a 401."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.http_status == 401 or super().polls_again(reading, tries)


@caught_by("AUTH-04")
class Pushing(OmniJob):
    """It submits again after a 403."""

    def submits_again(self, reading: Reading) -> bool:
        return reading.http_status == 403 or super().submits_again(reading)


@caught_by("AUTH-05")
class KeyInAddress(OmniJob):
    """Its queries carry the key in the address, too."""

    def poll_url(self, identifier: str) -> str:
        return f"{super().poll_url(identifier)}?key={self._api_key}"


@caught_by("AUTH-05")
class KeyInReferer(OmniJob):
    """It tells the key in the Referer of its queries."""

    def headers(self, body: bytes | None) -> dict[str, str]:
        return {**super().headers(body), "referer": f"https://app.example/videos?key={self._api_key}"}


@caught_by("AUTH-06")
class KeyForAll(AsyncOmniVideo):
    """It follows a redirect to anywhere, and shows the key there."""

    async def _exchange(self, step: Send) -> Answer:
        answer = await super()._exchange(step)
        if not 300 <= answer.status < 400:
            return answer
        url = urljoin(step.url, answer.headers["location"])
        return await super()._exchange(Send(step.method, url, step.timeout_seconds, step.body, step.headers))
