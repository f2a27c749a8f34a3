"""Reply templates: JSON with holes, compiled once into one Python expression, rendered fast.

A template is ordinary JSON. In it

    "$task.id"                        is the value of that expression
    "text {$task.id} text"            has expressions inside a text
    {"$when": "$e", "$then": …}       is there only where the expression is true (not missing, false, 0 or empty)
    {"$value": …, "$else": …}         is what stands there, where it has a value
    {"$match": "$e", "$cases": {…}}   is the case whose name is the value of the expression
    {"$each": "$tasks", "$item": …}   is an array with one item for each thing that the expression gives

`$when` and `$match` may have an `$else` as well: what is there instead (`$else: null`, say). Without one, a member of
an object, or an item of an array, that has no value (None) is left out.
What expressions there are, and what they read, is told by the caller: this file knows JSON and nothing else.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

import msgspec

from mock_server.names import nearest

encode = msgspec.json.encode

_EMBEDDED = re.compile(r"\{(\$[^{}]+)\}")
# The words that each construct is made of, and those that it may have besides.
_CONSTRUCTS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "$when": (frozenset(("$when", "$then")), frozenset(("$else",))),
    "$value": (frozenset(("$value", "$else")), frozenset()),
    "$match": (frozenset(("$match", "$cases")), frozenset(("$else",))),
    "$each": (frozenset(("$each", "$item")), frozenset()),
}

# What a hole is filled from. A scene is whatever the caller's expressions read; None means: no value.
Scene = Any
Getter = Callable[[Scene], Any]


class Expression(msgspec.Struct, frozen=True):
    """How to read one expression from a scene; `optional` where it may have no value.

    `code` says the same as `read`, as Python over `scene`: where it is given, it stands in the template itself, which
    is quicker than a call.
    """

    read: Getter
    optional: bool = False
    code: str = ""
    # All values that it can have, where that is known: then no case may be another one.
    values: frozenset[str] | None = None


def inline(code: str, *, optional: bool = False) -> Expression:
    """Return the expression that this Python over `scene` reads. It is code of ours, never a part of a spec."""
    return Expression(eval(_compiled(f"lambda scene: {code}")), optional, code)  # noqa: S307


class Language(msgspec.Struct, frozen=True):
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
        compiler = _Compiler(language)
        part = compiler.compile(source, ())
        if part.optional:
            raise TemplateError(
                (), "the whole template may be left out; at its top stands something that is always there"
            )
        self._render = compiler.function(part)
        self._source = source

    def places(self, expression: str) -> tuple[str, ...]:
        """Return the JSON pointers at which an expression stands by itself, or chooses a case.

        `*` stands for every item of what `$each` makes.
        """
        return tuple(_places(self._source, expression, ""))

    def render(self, scene: Scene) -> bytes:
        """Return the JSON, with every hole filled from `scene`."""
        return self._render(scene)


class _Part(msgspec.Struct, frozen=True):
    """A piece of a template: constant bytes, and Python code that gives bytes, in order.

    An optional part is one piece of code, which gives None where the part is left out.
    """

    pieces: tuple[bytes | str, ...]
    optional: bool = False


class _Compiler:
    """Writes a template as one Python expression over `scene`, so that rendering it calls little but what it reads.

    The code has nothing of the template in it: names stand for its constants, and for the functions of the language.
    So templates of one form have the same code, and it is compiled once.
    """

    def __init__(self, language: Language, names: dict[str, Any] | None = None) -> None:
        self.language = language
        self.names: dict[str, Any] = (
            {"encode": encode, "join": b"".join, "comma": b",".join} if names is None else names
        )

    def function(self, part: _Part) -> Callable[[Scene], bytes]:
        """Return the function that renders a part that is always there."""
        compiled = _compiled(f"lambda scene: {self.code(part)}")
        render: Callable[[Scene], bytes] = eval(compiled, self.names)  # noqa: S307  See above.
        return render

    def code(self, part: _Part) -> str:
        """Return the Python expression that gives the whole part."""
        code = [piece if isinstance(piece, str) else self._named(piece) for piece in part.pieces]
        return code[0] if len(code) == 1 else f"join(({', '.join(code)}))"

    def compile(self, source: Any, place: tuple[str | int, ...]) -> _Part:
        """Return the code for a piece of JSON."""
        if isinstance(source, str):
            return self._text(source, place)
        if isinstance(source, Mapping):
            if any(key.startswith("$") for key in source):
                return self._construct(source, place)
            return self._object({name: self.compile(value, (*place, name)) for name, value in source.items()})
        if isinstance(source, list):
            return self._array([self.compile(value, (*place, index)) for index, value in enumerate(source)])
        return _Part((encode(source),))

    def _text(self, source: str, place: tuple[str | int, ...]) -> _Part:
        if source.startswith("$"):
            expression = self._expression(source, place)
            read = self._reading(expression)
            if not expression.optional:
                return _Part((f"encode({read})",))
            value = self._fresh()
            return _Part((f"(None if ({value} := {read}) is None else encode({value}))",), optional=True)
        pieces = _EMBEDDED.split(source)
        if len(pieces) == 1:
            return _Part((encode(source),))
        expressions = [
            self._expression(piece, place) if odd % 2 else Expression(_always(piece))
            for odd, piece in enumerate(pieces)
        ]

        def text(scene: Scene) -> bytes | None:
            values = [expression.read(scene) for expression in expressions]
            return None if None in values else encode("".join(map(_plain, values)))

        return _Part((f"{self._named(text)}(scene)",), optional=any(each.optional for each in expressions))

    def _construct(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        name = next((each for each in _CONSTRUCTS if each in source), None)
        if name is None:
            word = next(key for key in source if key.startswith("$"))
            raise TemplateError((*place, word), _unknown(word, _CONSTRUCTS, "construct"))
        needed, more = _CONSTRUCTS[name]
        if not needed <= set(source) <= needed | more:
            words = " and ".join(sorted(needed - {name}))
            perhaps = f", perhaps {', '.join(more)}," if more else ""
            raise TemplateError(place, f"{name} stands with {words}{perhaps} and nothing else")
        if name != "$value" and not isinstance(source[name], str):
            raise TemplateError(place, f"{name} holds an expression")
        make = {"$when": self._when, "$value": self._value, "$match": self._match, "$each": self._each}[name]
        return make(source, place)

    def _when(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        holds = self._reading(self._expression(source["$when"], (*place, "$when")))
        then, otherwise = self.compile(source["$then"], (*place, "$then")), self._else(source, place)
        return _Part(
            (f"({self.code(then)} if {holds} else {self.code(otherwise)})",), then.optional or otherwise.optional
        )

    def _value(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        value, otherwise = self.compile(source["$value"], (*place, "$value")), self._else(source, place)
        if not value.optional:
            raise TemplateError((*place, "$value"), "always has a value: the $else beside it is never used")
        name = self._fresh()
        return _Part(
            (f"({self.code(otherwise)} if ({name} := {self.code(value)}) is None else {name})",), otherwise.optional
        )

    def _match(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        cases = source["$cases"]
        if not isinstance(cases, Mapping) or not cases:
            raise TemplateError((*place, "$cases"), "has a member for each value, with what stands there then")
        expression = self._expression(source["$match"], (*place, "$match"))
        read = expression.read
        for key in cases:
            if expression.values is not None and key not in expression.values:
                hint = nearest(key, sorted(expression.values))
                raise TemplateError((*place, "$cases", key), f"is never the case: {hint}")
        parts = {key: self.compile(case, (*place, "$cases", key)) for key, case in cases.items()}
        otherwise = self._else(source, place)
        name = self._fresh()
        code = f"({name} := {self._named(lambda scene: _plain(read(scene)))}(scene), " + "".join(
            f"{self.code(part)} if {name} == {self._named(key)} else " for key, part in parts.items()
        )
        optional = otherwise.optional or any(part.optional for part in parts.values())
        return _Part((f"{code}{self.code(otherwise)})[1]",), optional)

    def _else(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        return (
            self.compile(source["$else"], (*place, "$else")) if "$else" in source else _Part(("None",), optional=True)
        )

    def _each(self, source: Mapping[str, Any], place: tuple[str | int, ...]) -> _Part:
        items = self.language.items.get(source["$each"])
        if items is None:
            raise TemplateError((*place, "$each"), _unknown(source["$each"], self.language.items))
        inner = _Compiler(self.language.item_language or self.language, self.names)
        item = inner.compile(source["$item"], (*place, "$item"))
        render = self._named(inner.function(item))
        return _Part((b"[", f"comma(filter(None, map({render}, {self._named(items)}(scene))))", b"]"))

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
        keyed = [(encode(name) + b":", part) for name, part in members.items()]
        if all(part.optional for part in members.values()):
            return self._joined(b"{", keyed, b"}")
        pieces: list[bytes | str] = [b"{"]
        first = True
        for key, part in keyed:
            if part.optional:
                value = self._fresh()
                filled = f"{self._named(key)} + {value} + b','" if first else f"{self._named(b',' + key)} + {value}"
                pieces.append(f"(b'' if ({value} := {self.code(part)}) is None else {filled})")
            else:
                pieces += [key if first else b"," + key, *part.pieces]
                first = False
        return _Part(_merged([*pieces, b"}"]))

    def _array(self, items: Sequence[_Part]) -> _Part:
        if any(part.optional for part in items):
            return self._joined(b"[", [(b"", part) for part in items], b"]")
        pieces: list[bytes | str] = [b"["]
        for index, part in enumerate(items):
            pieces += [b",", *part.pieces] if index else part.pieces
        return _Part(_merged([*pieces, b"]"]))

    def _joined(self, opening: bytes, parts: Sequence[tuple[bytes, _Part]], closing: bytes) -> _Part:
        """Some of the parts may be left out, perhaps all: the commas stand between those that are there."""
        if not parts:
            return _Part((opening + closing,))
        values = [self._fresh() for _ in parts]
        if len(parts) == 1:
            ((key, part),), (value,) = parts, values
            nothing, start, end = map(self._named, (opening + closing, opening + key, closing))
            code = f"({nothing} if ({value} := {self.code(part)}) is None else {start} + {value} + {end})"
            return _Part((code,))
        filled = [
            f"(None if ({value} := {self.code(part)}) is None else {self._named(key)} + {value})"
            for value, (key, part) in zip(values, parts, strict=True)
        ]
        return _Part((opening, f"comma(filter(None, ({', '.join(filled)},)))", closing))

    def _reading(self, expression: Expression) -> str:
        return expression.code or f"{self._named(expression.read)}(scene)"

    def _named(self, value: Any) -> str:
        name = self._fresh()
        self.names[name] = value
        return name

    def _fresh(self) -> str:
        name = f"_{len(self.names)}"
        self.names[name] = None
        return name


def _places(source: Any, expression: str, pointer: str) -> Iterator[str]:
    if source == expression:
        yield pointer
    elif isinstance(source, list):
        for index, item in enumerate(source):
            yield from _places(item, expression, f"{pointer}/{index}")
    elif isinstance(source, Mapping):
        if source.get("$match") == expression:
            yield pointer
        for key, member in source.items():
            if key in ("$then", "$value"):
                yield from _places(member, expression, pointer)
            elif key == "$item":
                yield from _places(member, expression, f"{pointer}/*")
            elif not key.startswith("$"):
                yield from _places(member, expression, f"{pointer}/{key}")


@lru_cache(maxsize=1_000)
def _compiled(code: str) -> CodeType:
    return compile(code, "<template>", "eval")


def _always(text: str) -> Getter:
    return lambda scene: text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _merged(pieces: Iterable[bytes | str]) -> tuple[bytes | str, ...]:
    """Join neighbouring constants into one."""
    merged: list[bytes | str] = []
    for piece in pieces:
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def _unknown(text: str, known: Iterable[str], kind: str = "expression") -> str:
    return f"no {kind} {text!r} is known here: {nearest(text, sorted(known))}"
