"""Reads a YAML file so that every part of it can still be traced to its line.

Plain scalars are read as YAML 1.2 reads them: `on`, `no`, `16:9` and `2026-05-07` stay text.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Pointer = Sequence[str | int]


class SpecError(Exception):
    """A file that cannot be used, with the place and the reason."""

    def __init__(self, path: Path | str, line: int | None, reason: str) -> None:
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
        self._made: dict[int, Any] = {}
        self.root: Any = self._value(self._node)

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
            return _scalar(node)
        known = self._made.get(id(node))
        if known is not None:
            return known
        if isinstance(node, yaml.SequenceNode):
            items: list[Any] = []
            self._made[id(node)] = items
            items.extend(self._value(item) for item in node.value)
            return items
        members: dict[str, Any] = {}
        self._made[id(node)] = members
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name == "<<":
                raise SpecError(self.path, key.start_mark.line + 1, "a key is plain text, and `<<` is not supported")
            if name in members:
                raise SpecError(self.path, key.start_mark.line + 1, f"the key {name!r} stands here a second time")
            members[name] = self._value(value)
        return members


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:
        return text
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
