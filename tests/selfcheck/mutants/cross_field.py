"""Mutants that know all rules of the request but one."""

import json

from omni_video.errors import Refused
from omni_video.job import OmniJob
from omni_video.rules import broken_rules

from tests.selfcheck.mutants.base import caught_by


class Careless(OmniJob):
    """A job that sends what breaks some of the rules."""

    unknown: tuple[str, ...] = ()

    def prepared(self) -> bytes:
        """Return the body, where no other rule is broken."""
        body = self.request_body()
        broken = [each for each in broken_rules(body) if not each.startswith(tuple(f"{one}:" for one in self.unknown))]
        if broken:
            raise Refused("; ".join(broken))
        return json.dumps(body).encode()


@caught_by("XF-01")
class NoShotType(Careless):
    """It sends multi_shot without shot_type, and without a prompt."""

    unknown = ("shot-type-needed", "prompt-needed")


@caught_by("XF-02")
class AnyShots(Careless):
    """It sends shots of any number, length and sum."""

    unknown = ("shots-needed", "shot-length", "shots-sum", "shot-members")


@caught_by("XF-03")
class EndAlone(Careless):
    """It sends an end_frame without a first_frame."""

    unknown = ("R1",)


@caught_by("XF-04")
class FramesAndVideo(Careless):
    """It sends frames beside a video to edit."""

    unknown = ("R3",)


@caught_by("XF-05")
class LoudVideo(Careless):
    """It sends a video with the sound on."""

    unknown = ("R8",)


@caught_by("XF-06")
class ManyReferences(Careless):
    """It sends any number of pictures and elements."""

    unknown = ("R2", "R4", "R5", "R6")


@caught_by("XF-07")
class DataAddress(Careless):
    """It sends Base64 with the `data:` prefix."""

    unknown = ("R14",)
