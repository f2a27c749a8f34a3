"""Where in a reply stands what: read from its template, so that any provider's replies can be understood.

A template says that `/data/task_id` is `$task.id`, so whoever reads such a reply finds the id there.
"""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mock_server.pointers import find, parse

# Which moments a template can tell, and how each is turned into milliseconds since 1970.
_MOMENTS = {"ms": 1, "s": 1_000}
# What a time must lie between, read in its unit: nothing was made before, and nobody plans so far ahead.
TIME_MS_MIN, TIME_MS_MAX = 1_420_070_400_000, 4_102_444_800_000


class Place(msgspec.Struct, frozen=True):
    """One place of an expression. `words` are what stands there for each of its values, where the template says so."""

    pointer: str
    words: Mapping[str, Any] | None = None

    def read(self, value: Any) -> Any:
        """Return what the expression is by this reply, None where nothing stands there."""
        found = next((each for _, each in find(value, parse(self.pointer))), None)
        if found is None or self.words is None:
            return found
        return next((name for name, word in self.words.items() if word == found), found)


class Shape:
    """The places of all expressions in one template."""

    def __init__(self, template: Any) -> None:
        self.items: str | None = None
        self.item: Shape | None = None
        self._places: dict[str, list[Place]] = {}
        for name, place in self._walk(template, ""):
            self._places.setdefault(name, []).append(place)

    def places(self, expression: str) -> list[Place]:
        """Return where an expression stands by itself, the plainest place first."""
        return sorted(self._places.get(expression, ()), key=lambda each: each.words is not None)

    def read(self, value: Any, expression: str) -> Any:
        """Return the value of an expression by a reply, None where the reply does not have it."""
        return next((found for each in self.places(expression) if (found := each.read(value)) is not None), None)

    def moment(self, value: Any, name: str) -> "Moment | None":
        """Return a moment such as `$task.created_at`, whatever its unit; None where the reply does not have it."""
        for unit in ("ms", "s", "iso"):
            for place in self.places(f"{name}_{unit}"):
                if (came := place.read(value)) is not None:
                    return Moment(place.pointer, unit, came, _milliseconds(came, unit))
        return None

    def rows(self, value: Any) -> list[Any]:
        """Return the items of a list's reply."""
        if self.items is None:
            return []
        found: Any = next((each for _, each in find(value, parse(self.items))), [])
        return found if isinstance(found, list) else []

    def _walk(self, source: Any, pointer: str) -> Iterator[tuple[str, Place]]:
        if isinstance(source, str):
            if source.startswith("$"):
                yield source, Place(pointer)
        elif isinstance(source, list):
            for index, each in enumerate(source):
                yield from self._walk(each, f"{pointer}/{index}")
        elif isinstance(source, dict):
            if "$each" in source:
                self.items, self.item = pointer, Shape(source["$item"])
                return
            if isinstance(source.get("$match"), str):
                words = {name: word for name, word in source["$cases"].items() if isinstance(word, str | int)}
                if len(set(map(repr, words.values()))) == len(words):
                    yield source["$match"], Place(pointer, words)
                return
            for name, member in source.items():
                if name in ("$then", "$value"):
                    yield from self._walk(member, pointer)
                elif not name.startswith("$"):
                    yield from self._walk(member, f"{pointer}/{name}")


class Moment(msgspec.Struct, frozen=True):
    """A moment as a reply tells it: where, in which unit, what stood there, and that in milliseconds, if it can be."""

    pointer: str
    unit: str
    came: Any
    ms: int | None

    @property
    def plausible(self) -> bool:
        """Whether it lies in our time, read in its unit."""
        return self.ms is not None and TIME_MS_MIN <= self.ms <= TIME_MS_MAX

    def same(self, other: "Moment") -> bool:
        """Tell whether both are one moment, as far as the coarser of them tells."""
        if self.ms is None or other.ms is None:
            return True
        if self.unit == other.unit:
            return self.ms == other.ms
        return self.ms // 1_000 == other.ms // 1_000


def _milliseconds(came: Any, unit: str) -> int | None:
    if unit == "iso":
        try:
            moment = datetime.datetime.fromisoformat(came)
        except (TypeError, ValueError):
            return None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp() * 1_000)
    return came * _MOMENTS[unit] if isinstance(came, int) and not isinstance(came, bool) else None
