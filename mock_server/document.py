"""Reads a YAML file so that every part of it can still be traced to its line.

Plain scalars are read as YAML 1.2 reads them: `on`, `no`, `16:9` and `2026-05-07` stay text.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

_INTEGER = re.compile(r"[-+]?[0-9]+")
# Python itself refuses to read more than 4,300 digits.
_INTEGER_CHARACTERS_MAX = 1_000
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_NUMBERS_BEGIN_WITH = frozenset("+-.0123456789")
_AnyLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_AnyLoader):  # type: ignore[misc]  # It is one of two, and neither has types.
    """A loader that leaves it to `_scalar` what a plain scalar is. PyYAML would ask some patterns of YAML 1.1 each."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return "plain"

    def descend_resolver(self, node: Any, index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


Pointer = Sequence[str | int]

# One line that a person reads.
_REASON_CHARACTERS_MAX = 400


class SpecError(Exception):
    """A file that cannot be used, with the place and the reason."""

    def __init__(self, path: Path | str, line: int | None, reason: str) -> None:
        reason = " ".join(reason.split())
        reason = reason if len(reason) <= _REASON_CHARACTERS_MAX else f"{reason[:_REASON_CHARACTERS_MAX]}…"
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class Document:
    """A YAML file: its content as plain values, and the line of each part."""

    def __init__(self, path: Path) -> None:
        """Read the file; raise SpecError where it cannot be read or is not sound YAML."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            self._node = yaml.compose(text, Loader=_Loader)
        except OSError as error:
            raise SpecError(path, None, error.strerror or str(error)) from None
        except UnicodeDecodeError as error:
            raise SpecError(path, None, f"is not UTF-8: {error}") from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise SpecError(path, line, f"is not YAML: {error.problem}") from None
        except yaml.YAMLError as error:
            raise SpecError(path, None, f"is not YAML: {error}") from None
        except RecursionError:
            raise SpecError(path, None, "is nested too deep") from None
        # Schemas of this file that were compiled, by what makes them one: see schemas.py.
        self.validators: dict[tuple[int, str | None], tuple[Any, Any]] = {}
        self._made: dict[int, Any] = {}
        self._open: set[int] = set()
        try:
            self.root: Any = self._value(self._node)
        except RecursionError:
            raise SpecError(path, None, "is nested too deep") from None

    def error(self, pointer: Pointer, reason: str) -> SpecError:
        """Return the error that names this file, the line of `pointer`, the pointer and the reason."""
        place = "/".join(str(part) for part in pointer)
        return SpecError(self.path, self.line(pointer), f"{place}: {reason}" if place else reason)

    def line(self, pointer: Pointer) -> int:
        """Return the line (from 1) of the part that `pointer` names, or of the nearest part around it."""
        node, line = self._node, 1
        for part in pointer:
            found = None
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == str(part):
                        found, line = value, key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and str(part).isdigit() and int(part) < len(node.value):
                found = node.value[int(part)]
                line = found.start_mark.line + 1
            if found is None:
                break
            node = found
        return line

    def _value(self, node: yaml.Node | None) -> Any:
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError as error:
                raise SpecError(self.path, node.start_mark.line + 1, str(error)) from None
        if id(node) in self._open:
            raise SpecError(self.path, node.start_mark.line + 1, "an anchor holds itself")
        if id(node) in self._made:
            return self._made[id(node)]
        self._open.add(id(node))
        self._made[id(node)] = made = self._collection(node)
        self._open.remove(id(node))
        return made

    def _collection(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item) for item in node.value]
        members: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or (name == "<<" and not key.style):
                raise SpecError(self.path, key.start_mark.line + 1, "a key is plain text, and `<<` is not supported")
            if name in members:
                raise SpecError(self.path, key.start_mark.line + 1, f"the key {name!r} stands here a second time")
            members[name] = self._value(value)
        return members


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    return text if node.style or node.tag.endswith(":str") else plain_value(text)


def plain_value(text: str) -> Any:
    """Return what a plain scalar stands for; raise ValueError for a number that is too long."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBERS_BEGIN_WITH:
        return text
    if _INTEGER.fullmatch(text):
        if len(text) > _INTEGER_CHARACTERS_MAX:
            raise ValueError(f"a number of {len(text)} digits is too long")
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
