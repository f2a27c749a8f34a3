"""Ids, drawn from a seed: the same seed and the same order of draws give the same ids."""

import hashlib
import math
from collections.abc import Callable
from random import Random
from typing import Literal

import msgspec

# So many possible ids that a million drawn ones are all different.
_TEXT_BITS_MIN = 60


class IdFormat(msgspec.Struct, frozen=True):
    """What the ids of a provider look like.

    `digits` are rising decimal numbers of `length` digits; `uuid` is version 4; `text` is the `prefix`, and `length`
    characters of the `alphabet`.
    """

    format: Literal["digits", "uuid", "text"]
    length: int = 18
    prefix: str = ""
    alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789"

    def __post_init__(self) -> None:
        characters = len(set(self.alphabet))
        if self.format == "text" and self.length * math.log2(max(characters, 1)) < _TEXT_BITS_MIN:
            raise ValueError(
                f"{self.length} of {characters} characters are too few for ids that stay apart: give it a longer "
                f"`length` or `alphabet`"
            )
        if self.format == "digits" and self.length < 16:
            raise ValueError(f"digit ids have at least 16 digits, so that they stay apart; {self.length} is too short")


def stream(seed: int, name: str) -> Random:
    """Return a source of chance of its own for each (seed, name), so that one use never disturbs another."""
    return Random(f"{seed}/{name}")


class Chances:
    """Sources of chance from one seed, one for each use: what one draws never changes what another gets."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sources: dict[str, Callable[[], float]] = {}

    def of(self, use: str) -> Callable[[], float]:
        """Return what draws, for a use, numbers from 0 to below 1."""
        draw = self._sources.get(use)
        if draw is None:
            draw = self._sources[use] = stream(self._seed, use).random
        return draw


def ids(form: IdFormat, chance: Random) -> Callable[[], str]:
    """Return a source of ids of a format, which are never equal."""
    match form.format:
        case "digits":
            return digit_ids(form.length, chance)
        case "uuid":
            return uuid_ids(chance)
        case "text":
            return lambda: form.prefix + "".join(chance.choices(form.alphabet, k=form.length))


def digit_ids(length: int, chance: Random) -> Callable[[], str]:
    """Return a source of rising decimal ids of `length` digits, as a service with a counter hands them out.

    They look like `866889456698785798`, are never equal, and never start with 0. `length` is at least 16.
    """
    step = 10 ** (length - 12)
    floor = 8 * 10 ** (length - 1) + chance.randrange(5 * 10 ** (length - 2))
    spread = step.bit_length() - 1
    count = 0

    def draw() -> str:
        nonlocal count
        count += 1
        return str(floor + count * step + chance.getrandbits(spread))

    return draw


def uuid_ids(chance: Random) -> Callable[[], str]:
    """Return a source of UUIDs that look like version 4.

    All of one source have the same end. Their first 32 bits, by which people tell ids apart, take an odd step from one
    to the next: so they look drawn, none comes twice in four billion, and each takes a quarter of the time of a draw.
    """
    text = f"{chance.getrandbits(96):024x}"
    end = f"-{text[:4]}-4{text[5:8]}-{'89ab'[chance.getrandbits(2)]}{text[9:12]}-{text[12:]}"
    start, step = chance.getrandbits(32), chance.getrandbits(32) | 1

    def draw() -> str:
        nonlocal start
        start = (start + step) & 0xFFFF_FFFF
        return f"{start:08x}{end}"

    return draw


def derived_uuid(name: str) -> str:
    """Return the UUID that belongs to `name`: always the same one, and no draw."""
    text = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def opaque_tag(name: str) -> str:
    """Return a short tag for a secret such as a key, from which the secret cannot be read."""
    return hashlib.blake2b(name.encode(), digest_size=8, person=b"omnimock").hexdigest()
