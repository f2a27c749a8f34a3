"""Mutants that tell too much, or too little."""

import sys
from typing import Any

from omni_video.answers import Answer, Lost, Reading
from omni_video.client import AsyncOmniVideo
from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob

from tests.selfcheck.mutants.base import caught_by


@caught_by("SE-01")
class TellsTheKey(OmniJob):
    """It logs the headers of a request that went wrong."""

    def error(self, kind: type[OmniVideoError], reason: str, reading: Reading) -> OmniVideoError:
        sys.stderr.write(f"request failed, headers were {self.headers(None)}\n")
        return super().error(kind, reason, reading)


@caught_by("SE-02")
class NoRequestId(OmniJob):
    """It loses the request id of an error."""

    def error(self, kind: type[OmniVideoError], reason: str, reading: Reading) -> OmniVideoError:
        error = super().error(kind, reason, reading)
        error.request_id = None
        return error


@caught_by("SE-03")
class LogsAll(OmniJob):
    """It logs the provider's words as they came."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        if reading.kind == "refused":
            sys.stderr.write(f"refused: {reading.message}\n")
        return reading


@caught_by("SE-04")
class TrustsAll(AsyncOmniVideo):
    """It asks nobody for a certificate."""

    def _http_settings(self) -> dict[str, Any]:
        return {**super()._http_settings(), "verify": False}
