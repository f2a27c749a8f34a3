"""Mutants that write a wrong request."""

from collections.abc import Callable, Mapping
from typing import Any

from omni_video.client import AsyncOmniVideo
from omni_video.job import OmniJob

from tests.selfcheck.mutants.base import Spoiling, caught_by


@caught_by("REQ-01")
class SwitchedSound(Spoiling):
    """It writes `sound` as true or false."""

    def spoil(self, body: dict[str, Any]) -> None:
        if "sound" in body:
            body["sound"] = body["sound"] == "on"


@caught_by("REQ-02")
class PlainText(OmniJob):
    """It calls its JSON a text."""

    def headers(self, body: bytes | None) -> dict[str, str]:
        headers = super().headers(body)
        return headers if body is None else {**headers, "content-type": "text/plain"}


@caught_by("REQ-03")
class NoPrompt(Spoiling):
    """It leaves the prompt out where that is empty, or the shots have their own."""

    def spoil(self, body: dict[str, Any]) -> None:
        if not body.get("prompt") or body.get("multi_shot"):
            body.pop("prompt", None)


@caught_by("REQ-04")
class TypesAsGiven(OmniJob):
    """It hands on the types that it was given: a number for a duration."""

    validates = False

    def request_body(self) -> dict[str, Any]:
        return {**super().request_body(), **{name: each for name, each in self._request.items() if each}}


@caught_by("REQ-05")
class EmptyForUnset(Spoiling):
    """It writes an empty list for pictures that were not set."""

    def spoil(self, body: dict[str, Any]) -> None:
        body.setdefault("image_list", [])


@caught_by("REQ-06")
class Latin(OmniJob):
    """It loses all characters that Latin-1 has not."""

    def prepared(self) -> bytes:
        return super().prepared().decode().encode("latin-1", "replace").decode("latin-1").encode()


@caught_by("REQ-07")
class Seeded(Spoiling):
    """It adds a member that nobody documents."""

    def spoil(self, body: dict[str, Any]) -> None:
        body["seed"] = 7


@caught_by("REQ-08")
class TwoSlashes(AsyncOmniVideo):
    """It puts the path behind the base URL as that is, with its slash."""

    def __init__(self, base_url: str, api_key: str, **more: Any) -> None:
        super().__init__(base_url, api_key, **more)
        self._given = base_url

    def _job(self, request: Mapping[str, Any], callback_url: str | None, now: Callable[[], float]) -> OmniJob:
        job = super()._job(request, callback_url, now)
        job.base_url = self._given
        return job
