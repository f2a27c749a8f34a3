"""Makes the prepared result videos in ``fixtures/media/``.

This script owns every file of that folder: the ``*.mp4`` files, ``manifest.json`` and ``README.md``.
There is one video for each aspect ratio (16:9, 9:16, 1:1), each asked length (3 to 15 whole seconds)
and sound off or on: 78 files. Every file is decoded after it is written, and the manifest says what
the decoder found.

Run it in an environment with ``pip install av`` (PyAV 18, Python 3.11 or newer)::

    python .ci/make_media.py [--out DIR]

Two runs on the same machine with the same PyAV give the same bytes.
"""

import argparse
import hashlib
import json
import math
import sys
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.plane import Plane
from av.video.frame import VideoFrame

DEFAULT_OUT = Path(__file__).resolve().parent.parent / "fixtures" / "media"

SECONDS = range(3, 16)
FPS = 24
EXTRA_FRAMES = 1  # real results are a little longer than asked

SAMPLE_RATE = 24_000
AUDIO_BIT_RATE = 16_000
AAC_FRAME = 1024
TONE_HZ = 330.0
TONE_LEVEL = 0.06
TONE_FADE_SECONDS = 0.1

KEYFRAME_EVERY = 5 * FPS
X264_OPTIONS = {
    "preset": "veryslow",
    "profile": "baseline",
    "crf": "34",
    "threads": "1",
    # No scene-cut keyframes; one thread and no frame lookahead threads, so that runs repeat exactly.
    "x264-params": f"keyint={KEYFRAME_EVERY}:min-keyint={KEYFRAME_EVERY}:scenecut=0:lookahead-threads=1",
}
CONTAINER_OPTIONS = {
    "movflags": "+faststart",
    "fflags": "+bitexact",  # no encoder name, no times
    "movie_timescale": str(SAMPLE_RATE),  # a multiple of the frame rate: exact lengths
}

# Luma values of the drawn parts.
BAR_DONE = 225
BAR_LEFT = 32
BAR_TICK = 128
BALL = 235
SOUND_MARK = 210
NEUTRAL = 128


@dataclass(frozen=True)
class Shape:
    """One aspect ratio: its frame size and the (Cb, Cr) tints of the top and bottom of the picture."""

    aspect_ratio: str
    width: int
    height: int
    tint_top: tuple[int, int]
    tint_bottom: tuple[int, int]

    @property
    def file_part(self) -> str:
        return self.aspect_ratio.replace(":", "x")


SHAPES = (
    Shape("16:9", 320, 180, (170, 100), (140, 90)),
    Shape("9:16", 180, 320, (150, 160), (110, 165)),
    Shape("1:1", 240, 240, (100, 110), (120, 90)),
)


@dataclass(frozen=True)
class Entry:
    """One line of the manifest."""

    file: str
    aspect_ratio: str
    seconds: int
    sound: bool
    width: int
    height: int
    fps: int
    frames: int
    duration: str
    bytes: int
    sha256: str


class Picture:
    """Draws the frames of one video in yuv420p planes.

    A still gradient; a bar at the bottom with one tick per second that fills from left to right; a
    ball above it that moves with the bar and bounces once per second; three small upright bars in the
    top left corner when the video has sound.
    """

    def __init__(self, shape: Shape, frames: int, sound: bool) -> None:
        self.width = shape.width
        self.height = shape.height
        self.frames = frames
        self.margin = 12
        self.bar_height = 12
        self.bar_top = self.height - self.margin - self.bar_height
        self.bar_width = self.width - 2 * self.margin
        self.radius = min(self.width, self.height) // 12
        self.luma = self._background()
        self.chroma = (self._tint(shape, 0), self._tint(shape, 1))
        if sound:
            for number, height in enumerate((8, 16, 24)):
                left = self.margin + 8 * number
                self._box(self.luma, left, self.margin + 24 - height, 4, height, SOUND_MARK)
        self._box(self.luma, self.margin, self.bar_top, self.bar_width, self.bar_height, BAR_LEFT)
        self._tint_box(self.margin, self.bar_top, self.bar_width, self.bar_height)
        self.ticks = [self.margin + self.bar_width * frame // (frames - 1) for frame in range(FPS, frames - 1, FPS)]

    def _background(self) -> bytearray:
        steps = self.width + self.height
        return bytearray(
            60 + 110 * (column + row) // steps for row in range(self.height) for column in range(self.width)
        )

    def _tint(self, shape: Shape, part: int) -> bytearray:
        top, bottom = shape.tint_top[part], shape.tint_bottom[part]
        rows = self.height // 2
        plane = bytearray()
        for row in range(rows):
            plane += bytes([top + (bottom - top) * row // (rows - 1)]) * (self.width // 2)
        return plane

    def _box(self, plane: bytearray, left: int, top: int, width: int, height: int, value: int) -> None:
        line = bytes([value]) * width
        for row in range(top, top + height):
            start = row * self.width + left
            plane[start : start + width] = line

    def _tint_box(self, left: int, top: int, width: int, height: int) -> None:
        line = bytes([NEUTRAL]) * (width // 2)
        for plane in self.chroma:
            for row in range(top // 2, (top + height) // 2):
                start = row * (self.width // 2) + left // 2
                plane[start : start + len(line)] = line

    def _ball(self, plane: bytearray, centre_x: int, centre_y: int) -> None:
        for offset in range(-self.radius, self.radius + 1):
            half = math.isqrt(self.radius * self.radius - offset * offset)
            self._box(plane, centre_x - half, centre_y + offset, 2 * half + 1, 1, BALL)

    def frame(self, number: int) -> VideoFrame:
        luma = bytearray(self.luma)
        last = self.frames - 1
        done = self.bar_width * number // last
        self._box(luma, self.margin, self.bar_top, done, self.bar_height, BAR_DONE)
        for tick in self.ticks:
            self._box(luma, tick, self.bar_top, 1, self.bar_height, BAR_TICK)

        travel = self.bar_width - 2 * self.radius
        phase = (number % FPS) / FPS
        floor = self.bar_top - self.radius - 6
        ceiling = self.height // 3
        jump = round((floor - ceiling) * 4 * phase * (1 - phase))
        self._ball(luma, self.margin + self.radius + travel * number // last, floor - jump)

        frame = VideoFrame(self.width, self.height, "yuv420p")
        for plane, data in zip(frame.planes, (luma, *self.chroma), strict=True):
            _fill(plane, bytes(data), plane.width, plane.line_size)
        frame.pts = number
        frame.time_base = Fraction(1, FPS)
        return frame


def _fill(plane: Plane, data: bytes, row: int, line_size: int) -> None:
    """Copies tightly packed rows to a plane whose lines and end may be padded."""
    if row != line_size:
        gap = bytes(line_size - row)
        data = b"".join(data[start : start + row] + gap for start in range(0, len(data), row))
    plane.update(data.ljust(plane.buffer_size, b"\0"))


def _tone(samples: int) -> Iterator[AudioFrame]:
    """A quiet tone with soft ends, in whole AAC frames."""
    fade = SAMPLE_RATE * TONE_FADE_SECONDS
    for first in range(0, samples, AAC_FRAME):
        values = array("f")
        for position in range(first, first + AAC_FRAME):
            level = TONE_LEVEL * min(1.0, position / fade, (samples - 1 - position) / fade)
            values.append(level * math.sin(2 * math.pi * TONE_HZ * position / SAMPLE_RATE))
        frame = AudioFrame(format="fltp", layout="mono", samples=AAC_FRAME)
        data = values.tobytes()
        _fill(frame.planes[0], data, len(data), len(data))
        frame.sample_rate = SAMPLE_RATE
        frame.pts = first
        frame.time_base = Fraction(1, SAMPLE_RATE)
        yield frame


def frame_count(seconds: int) -> int:
    return seconds * FPS + EXTRA_FRAMES


def write_video(path: Path, shape: Shape, seconds: int, sound: bool) -> None:
    frames = frame_count(seconds)
    picture = Picture(shape, frames, sound)
    with av.open(str(path), "w", format="mp4", options=CONTAINER_OPTIONS) as container:
        video = container.add_stream("libx264", rate=FPS, options=X264_OPTIONS)
        video.width = shape.width
        video.height = shape.height
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, FPS)
        video.codec_context.gop_size = KEYFRAME_EVERY
        audio = None
        tone: Iterator[AudioFrame] = iter(())
        if sound:
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            audio.bit_rate = AUDIO_BIT_RATE
            audio.codec_context.flags |= Flags.bitexact  # no encoder name in the first frame
            # Whole AAC frames only, and never past the end of the picture.
            tone = _tone(SAMPLE_RATE * frames // FPS // AAC_FRAME * AAC_FRAME)
        container.start_encoding()
        # x264 puts its version and settings in the first frame; leave that out.
        no_sei = BitStreamFilterContext("filter_units=remove_types=6", video, video)

        ahead = next(tone, None)
        for number in range(frames):
            for packet in video.encode(picture.frame(number)):
                container.mux(no_sei.filter(packet))
            while audio is not None and ahead is not None and (ahead.pts or 0) * FPS <= number * SAMPLE_RATE:
                container.mux(audio.encode(ahead))
                ahead = next(tone, None)
        for packet in video.encode(None):
            container.mux(no_sei.filter(packet))
        container.mux(no_sei.filter(None))
        if audio is not None:
            while ahead is not None:
                container.mux(audio.encode(ahead))
                ahead = next(tone, None)
            container.mux(audio.encode(None))


def describe(path: Path, shape: Shape, seconds: int, sound: bool) -> Entry:
    """Decodes a written file, checks it against what was asked, and gives its manifest line."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        width, height = stream.width, stream.height
        has_sound = bool(container.streams.audio)
        length = container.duration
    expected = Fraction(frame_count(seconds), FPS)
    if (frames, width, height, has_sound) != (frame_count(seconds), shape.width, shape.height, sound):
        raise RuntimeError(f"{path.name}: decoded {frames} frames of {width}x{height}, sound {has_sound}")
    if length is None or abs(Fraction(length, av.time_base) - expected) > Fraction(1, 1000):
        raise RuntimeError(f"{path.name}: the container says {length} us, expected {float(expected):.6f} s")
    milliseconds = length * 1000 // av.time_base
    data = path.read_bytes()
    return Entry(
        file=path.name,
        aspect_ratio=shape.aspect_ratio,
        seconds=seconds,
        sound=sound,
        width=width,
        height=height,
        fps=FPS,
        frames=frames,
        duration=f"{milliseconds // 1000}.{milliseconds % 1000:03d}",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


README = """\
# Prepared result videos

Short synthetic videos, given back as the results of generation. There is one for each aspect ratio
(16:9, 9:16, 1:1), each asked length from 3 to 15 seconds, and sound off or on: 78 files, named like
`16x9-05s-silent.mp4`.

- H.264 (baseline profile, yuv420p), 24 frames a second, one frame more than the asked length, as real
  results are a little longer than asked. Sizes: 320x180, 180x320, 240x240.
- With sound: a quiet tone, AAC, mono, 24 kHz, which ends no later than the picture.
- MP4 with its index at the front, and no times or encoder names in it.
- The picture: a gradient, a bar that fills from left to right (one tick per second; full at the last
  frame), a ball that moves with it and bounces once per second. Three small upright bars in the top left
  corner mark a file with sound.

`manifest.json` lists each file with its properties, size and SHA-256. `duration` is the container's
length in seconds, cut (not rounded) to three decimals.

Everything here, this file too, is written by `.ci/make_media.py`. To make it again, from the root of
the project:

    pip install av
    python .ci/make_media.py

Two runs on the same machine give the same bytes; another version of PyAV may give other bytes.

Licence: the same as the project's. The pictures and the sound are computed by the script; nothing is
taken from elsewhere.
"""


def make_all(out: Path) -> list[Entry]:
    out.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    for shape in SHAPES:
        for seconds in SECONDS:
            for sound in (False, True):
                name = f"{shape.file_part}-{seconds:02d}s-{'sound' if sound else 'silent'}.mp4"
                path = out / name
                write_video(path, shape, seconds, sound)
                entries.append(describe(path, shape, seconds, sound))
    entries.sort(key=lambda entry: entry.file)
    lines = ",\n".join("  " + json.dumps(asdict(entry)) for entry in entries)
    (out / "manifest.json").write_text(f'{{"files": [\n{lines}\n]}}\n', encoding="utf-8", newline="\n")
    (out / "README.md").write_text(README, encoding="utf-8", newline="\n")
    return entries


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the prepared result videos.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write (default: fixtures/media)")
    arguments = parser.parse_args()
    out: Path = arguments.out
    entries = make_all(out)
    print(f"{len(entries)} files, {sum(entry.bytes for entry in entries)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
