"""Which prepared video stands for a result: the files of `fixtures/media`, by ratio, length and sound.

There is a small set (three aspect ratios, whole seconds from 3 to 15, with and without sound). What is asked beyond
it gets the nearest, and the developer is told.
"""

from pathlib import Path
from typing import Any

import msgspec

from mock_server.resources import resource


class MediaFile(msgspec.Struct, frozen=True, gc=False):
    """One prepared video: its file name, and its real length in seconds as a text such as `5.041`."""

    file: str
    aspect_ratio: str
    seconds: int
    sound: bool
    duration: str


class Library:
    """The prepared videos."""

    def __init__(self, folder: Path) -> None:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
        self.folder = folder
        files = msgspec.convert(manifest["files"], list[MediaFile])
        self._ratio = files[0].aspect_ratio
        self._ratios = tuple(dict.fromkeys(each.aspect_ratio for each in files))
        self._files: dict[tuple[str | None, str, bool], MediaFile] = {
            (each.aspect_ratio, str(each.seconds), each.sound): each for each in files
        }
        # Where no ratio is asked for, any is exact.
        self._files |= {
            (ratio, str(each.seconds), each.sound): each
            for ratio in (None, "")
            for each in files
            if each.aspect_ratio == self._ratio
        }
        lengths = sorted({each.seconds for each in files})
        self._shortest, self._longest = lengths[0], lengths[-1]

    def choose(self, aspect_ratio: Any, seconds: Any, sound: bool) -> tuple[MediaFile, str]:
        """Return the video for what was asked, and a note where it is not exactly that (else empty)."""
        try:
            return self._files[aspect_ratio, seconds, sound], ""
        except (KeyError, TypeError):
            return self._nearest(aspect_ratio, seconds, sound)

    def _nearest(self, aspect_ratio: Any, seconds: Any, sound: bool) -> tuple[MediaFile, str]:
        ratio = aspect_ratio if aspect_ratio in self._ratios else self._ratio
        length = _whole(seconds, self._shortest)
        nearest = self._files[ratio, str(min(max(length, self._shortest), self._longest)), sound]
        asked = [f"aspect ratio {aspect_ratio}"] if aspect_ratio and aspect_ratio != ratio else []
        asked += [f"length {seconds}"] if seconds is not None and str(seconds) != str(nearest.seconds) else []
        note = f"no prepared video has {' and '.join(asked)}" if asked else ""
        return nearest, f"{note}: the result is {ratio}, {nearest.seconds} s" if note else ""


def load_library() -> Library:
    """Return the prepared videos of this installation."""
    return Library(resource("fixtures/media/manifest.json").parent)


def _whole(seconds: Any, otherwise: int) -> int:
    try:
        return int(float(seconds))
    except (ValueError, TypeError, OverflowError):
        return otherwise
