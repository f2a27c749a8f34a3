"""Which operation a path and method mean, under every prefix where clients look for it.

Paths are matched as they came, before percent-decoding: `%2F` inside an id is no slash.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

T = TypeVar("T")

_SLOT = re.compile(r"\\\{[^{}/]+\\\}")


class Match(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """What a path leads to: a target for each method, and the texts in its slots as they came."""

    methods: Mapping[str, T]
    slots: tuple[bytes, ...] = ()

    @property
    def allow(self) -> str:
        """The methods, as an `Allow` header lists them."""
        return ", ".join(sorted(self.methods))


class Routes(Generic[T]):
    """All paths with their methods. `mounts` are the prefixes that may stand in place of the first of them."""

    def __init__(self, entries: Iterable[tuple[str, str, T]], mounts: Sequence[str]) -> None:
        """Each entry is a path template, a method and a target.

        Raise ValueError where two entries meet at one address, and for a path outside the first mount.
        """
        by_path: dict[str, dict[str, T]] = {}
        for path, method, target in entries:
            if not path.startswith(mounts[0] + "/"):
                raise ValueError(f"the path {path} does not start with {mounts[0]}, the first of the mounts")
            for mount in dict.fromkeys(mounts):
                methods = by_path.setdefault(mount + path.removeprefix(mounts[0]), {})
                if method in methods:
                    raise ValueError(
                        f"{method} {path} under the prefix {mount!r} is another operation's address as well"
                    )
                methods[method] = target
        self._fixed = {path.encode(): Match(methods) for path, methods in by_path.items() if "{" not in path}
        # Where the only slot is the end, as nearly always, one look-up of what is before it tells.
        self._open_ended = {
            path[: path.rindex("/")].encode(): methods
            for path, methods in by_path.items()
            if path.count("{") == 1 and _SLOT.fullmatch(re.escape(path[path.rindex("/") + 1 :]))
        }
        self._patterns = [(_pattern(path), methods) for path, methods in by_path.items() if "{" in path]

    def match(self, path: bytes) -> Match[T] | None:
        """Return what `path` leads to, or None."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        start, _, end = path.rpartition(b"/")
        methods = self._open_ended.get(start)
        if methods is not None and end:
            return Match(methods, (end,))
        for pattern, methods in self._patterns:
            if found := pattern.fullmatch(path):
                return Match(methods, found.groups())
        return None

    @property
    def paths(self) -> list[str]:
        """Every path without slots."""
        return [path.decode() for path in self._fixed]


def slot_text(raw: bytes) -> str | None:
    """Return the text of a slot, percent-decoded; None where that is not UTF-8."""
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError:
        return None


def _pattern(path: str) -> re.Pattern[bytes]:
    return re.compile(_SLOT.sub("([^/]+)", re.escape(path)).encode())
