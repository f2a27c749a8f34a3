"""Reply templates: JSON with holes, compiled once into bytes with holes, rendered fast.

A template is ordinary JSON. In it

    "$task.id"                        is the value of that expression
    "text {$task.id} text"            has expressions inside a text
    {"$when": "$e", "$then": …}       is there only where the expression is true (not missing, false, 0 or empty)
    {"$each": "$tasks", "$item": …}   is an array with one item for each thing that the expression gives

A member of an object, or an item of an array, whose expression has no value (None) is left out.
What expressions there are, and what they read, is told by the caller: this file knows JSON and nothing else.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

encode = msgspec.json.encode

_EMBEDDED = re.compile(r"\{(\$[^{}]+)\}")

# What a hole is filled from. A scene is whatever the caller's expressions read; None means: no value.
Scene = Any
Getter = Callable[[Scene], Any]
Segment = bytes | Callable[[Scene], bytes]


@dataclass(frozen=True, slots=True)
class Expression:
    """How to read one expression from a scene; `optional` where it may have no value."""

    read: Getter
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Language:
    """The expressions a template may use.

    `names` are the fixed ones. `prefixed` makes those that start with a prefix, such as `$request.body#`, from what
    follows it. `items` are the scenes behind an expression that `$each` may run over.
    """

    names: Mapping[str, Expression]
    prefixed: Mapping[str, Callable[[str], Expression]]
    items: Mapping[str, Callable[[Scene], Iterable[Scene]]]
    # What may be said of an item; where it is None, the same as outside.
    item_language: "Language | None" = None


class TemplateError(Exception):
    """A template that cannot be compiled: where in it, and why."""

    def __init__(self, place: Sequence[str | int], reason: str) -> None:
        super().__init__(reason)
        self.place, self.reason = tuple(place), reason


class Template:
    """A compiled template."""

    def __init__(self, source: Any, language: Language) -> None:
        """Compile; raise TemplateError for an expression that the language does not have."""
        part = _Compiler(language).compile(source, ())
        if callable(part):
            raise TemplateError(
                (), "the whole template may be left out; at its top stands something that is always there"
            )
        self._segments = part

    def render(self, scene: Scene) -> bytes:
        """Return the JSON, with every hole filled from `scene`."""
        return b"".join([segment if segment.__class__ is bytes else segment(scene) for segment in self._segments])  # type: ignore[operator]


# A compiled part is a list of segments, always there, or a function that may return None: left out.
_Maybe = Callable[[Scene], bytes | None]
_Part = list[Segment] | _Maybe


class _Compiler:
    def __init__(self, language: Language) -> None:
        self.language = language

    def compile(self, source: Any, place: tuple[str | int, ...]) -> _Part:
        if isinstance(source, str):
            return self._text(source, place)
        if isinstance(source, Mapping):
            if "$when" in source:
                return self._when(source, place)
            if "$each" in source:
                return self._each(source, place)
            return self._object({name: self.compile(value, (*place, name)) for name, value in source.items()})
        if isinstance(source, list):
            return self._array([self.compile(value, (*place, index)) for index, value in enumerate(source)])
        return [encode(source)]

    def _text(self, source: str, place: tuple[str | int, ...]) -> _Part:
        if source.startswith("$"):
            return _hole(self._expression(source, place))
        pieces = _EMBEDDED.split(source)
        if len(pieces) == 1:
            return [encode(source)]
        expressions = [
            self._expression(piece, place) if odd % 2 else Expression(_constant(piece))
            for odd, piece in enumerate(pieces)
        ]

        def text(scene: Scene) -> bytes | None:
            values = [expression.read(scene) for expression in expressions]
            return None if None in values else encode("".join(map(_plain, values)))

        return text if any(each.optional for each in expressions) else [text]  # type: ignore[list-item]

    def _when(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        self._only(source, ("$when", "$then"), place)
        holds = self._expression(source["$when"], (*place, "$when")).read
        then = _renderer(self.compile(source["$then"], (*place, "$then")))
        return lambda scene: then(scene) if holds(scene) else None

    def _each(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        self._only(source, ("$each", "$item"), place)
        items = self.language.items.get(source["$each"])
        if items is None:
            raise TemplateError((*place, "$each"), _unknown(source["$each"], self.language.items))
        inner = _Compiler(self.language.item_language or self.language)
        item = _renderer(inner.compile(source["$item"], (*place, "$item")))
        return [lambda scene: b"[" + b",".join(filter(None, map(item, items(scene)))) + b"]"]

    def _only(self, source: Mapping[str, Any], names: tuple[str, str], place: tuple[str | int, ...]) -> None:
        if set(source) != set(names) or not isinstance(source[names[0]], str):
            raise TemplateError(place, f"{names[0]} stands with {names[1]} and nothing else, and holds an expression")

    def _expression(self, text: str, place: tuple[str | int, ...]) -> Expression:
        if known := self.language.names.get(text):
            return known
        for prefix, make in self.language.prefixed.items():
            if text.startswith(prefix):
                try:
                    return make(text.removeprefix(prefix))
                except ValueError as error:
                    raise TemplateError(place, str(error)) from None
        raise TemplateError(place, _unknown(text, (*self.language.names, *self.language.prefixed)))

    def _object(self, members: Mapping[str, _Part]) -> _Part:
        """A missing member takes its comma with it: before the first sure member it follows, after it it leads."""
        if not any(isinstance(part, list) for part in members.values()):
            optional = [(encode(name) + b":", part) for name, part in members.items() if callable(part)]
            return [lambda scene: b"{" + _joined(scene, optional) + b"}"] if optional else [b"{}"]
        segments: list[Segment] = [b"{"]
        first = True
        for name, part in members.items():
            key = encode(name) + b":"
            if isinstance(part, list):
                segments += [key if first else b"," + key, *part]
                first = False
            elif first:
                segments.append(_optional(key, part, b","))
            else:
                segments.append(_optional(b"," + key, part, b""))
        return _merged([*segments, b"}"])

    def _array(self, items: Sequence[_Part]) -> _Part:
        if any(callable(part) for part in items):
            optional = [(b"", _renderer(part)) for part in items]
            return [lambda scene: b"[" + _joined(scene, optional) + b"]"]
        segments: list[Segment] = [b"["]
        for index, part in enumerate(items):
            assert isinstance(part, list)
            segments += [b",", *part] if index else part
        return _merged([*segments, b"]"])


def _hole(expression: Expression) -> _Part:
    read = expression.read
    if not expression.optional:
        return [lambda scene: encode(read(scene))]

    def maybe(scene: Scene) -> bytes | None:
        value = read(scene)
        return None if value is None else encode(value)

    return maybe


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _constant(text: str) -> Getter:
    return lambda scene: text


def _optional(before: bytes, part: _Maybe, after: bytes) -> Callable[[Scene], bytes]:
    def segment(scene: Scene) -> bytes:
        value = part(scene)
        return b"" if value is None else before + value + after

    return segment


def _joined(scene: Scene, parts: Iterable[tuple[bytes, _Maybe]]) -> bytes:
    return b",".join([key + value for key, part in parts if (value := part(scene)) is not None])


def _renderer(part: _Part) -> _Maybe:
    if callable(part):
        return part
    segments = part
    return lambda scene: b"".join([segment if isinstance(segment, bytes) else segment(scene) for segment in segments])


def _merged(segments: Iterable[Segment]) -> list[Segment]:
    """Join neighbouring bytes into one segment."""
    merged: list[Segment] = []
    for segment in segments:
        if isinstance(segment, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += segment
        else:
            merged.append(segment)
    return merged


def _unknown(text: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(text, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    return f"no expression {text!r} is known here: {hint}"
