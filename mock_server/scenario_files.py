"""Files of scenarios, one by one: read, of the right form, and with parameters filled in. Folders of them are listed.

Which file a name leads to, and what one builds on, is for `catalogue.py`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mock_server.document import Document, SpecError
from mock_server.scenario_form import ScenarioError, check_form, unknown

# The file that stands for one scenario of each problem of the spec.
EACH_PROBLEM = "problem"

_PARAMETER = re.compile(r"\$([a-z][a-z-]*)")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

Value = str | int | float


class ScenarioFile:
    """One file: read, and of the right form."""

    def __init__(self, path: Path, *, ours: bool = False) -> None:
        """Raise SpecError, with the line, where it cannot be read or is not of the form.

        That `ours` are of the form, a test sees to; compiling the schema for it takes longer than the rest.
        """
        self.path = path
        self._document = Document(path)
        self.source: Any = self._document.root
        try:
            if not ours:
                check_form(self.source)
        except ScenarioError as error:
            raise self.error(error) from None
        self.parameters: Mapping[str, Any] = self.source.get("parameters", {})
        each = path.stem == EACH_PROBLEM
        name = f"${EACH_PROBLEM}" if each else path.stem
        if self.source["name"] != name:
            raise self._document.error(("name",), f"is {self.source['name']!r}, and the file is that of {name!r}")
        if (self.source.get("for-each") is not None) != each:
            raise self._document.error((), f"`for-each` goes with the file {EACH_PROBLEM}.yaml, and with no other")

    def error(self, error: ScenarioError) -> SpecError:
        """Return the same error with this file and the line."""
        pointer = error.pointer
        if pointer and isinstance(self.source, dict) and pointer[0] not in self.source:
            # A key that a parameter names.
            key = next((key for key in self.source if _PARAMETER.fullmatch(str(key))), pointer[0])
            pointer = (key, *pointer[1:])
        return self._document.error(pointer, error.reason)

    def filled(self, name: str, said: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Value]]:
        """Return the source of a scenario with its parameters filled in, and those of them that are not as usual.

        Raise ScenarioError for a parameter that it does not have, or a value that is not one of the parameter's.
        """
        values = {key: each["default"] for key, each in self.parameters.items()}
        unusual: dict[str, Value] = {}
        for key, text in said.items():
            if key not in self.parameters:
                raise ScenarioError((), unknown("parameter", key, self.parameters))
            if (values_there := self.parameters[key].get("values")) and text not in values_there:
                raise ScenarioError((), unknown(f"value of {key}", text, values_there))
            value = _typed(text, values[key])
            if value != values[key]:
                values[key] = unusual[key] = value
        constants = {EACH_PROBLEM: name} if self.path.stem == EACH_PROBLEM else {}
        return fill_in(self.source, {**values, **constants}), unusual


def parse_reference(text: str) -> tuple[str, dict[str, str]]:
    """Return the name and the parameters of `NAME; KEY=VALUE; …`; raise ScenarioError where it is written otherwise."""
    name, *rest = (part.strip() for part in text.split(";"))
    values = {}
    for part in rest:
        key, equals, value = (each.strip() for each in part.partition("="))
        if not key or not equals:
            raise ScenarioError((), f"scenario {text[:100]!r}: after the name stands KEY=VALUE, with ; between")
        if key in values:
            raise ScenarioError((), f"scenario {text[:100]!r}: {key} is said twice")
        values[key] = value.strip('"')
    return name, values


def fill_in(source: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """Put the values of parameters in their places; a key at the top may be one too."""
    filled: dict[str, Any] = {}
    for key, value in source.items():
        if key in ("parameters", "for-each"):
            continue
        name = _filled(key, values, (key,))
        if not isinstance(name, str) or name in filled or (name != key and name in source):
            raise ScenarioError((key,), f"becomes {name!r}, which stands in this scenario already")
        filled[name] = _filled(value, values, (key,))
    return filled


def _filled(value: Any, values: Mapping[str, Value], place: tuple[str | int, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, values, (*place, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values, (*place, index)) for index, each in enumerate(value)]
    if isinstance(value, str) and (match := _PARAMETER.fullmatch(value)):
        if match[1] not in values:
            raise ScenarioError(place, unknown("parameter", match[1], values))
        return values[match[1]]
    return value


def _typed(text: str, like: Value) -> Value:
    """A number where the default is one; what is none stays a text, which the form then refuses."""
    if isinstance(like, int | float) and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def merged(base: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What stands above comes in place of what stands below; in objects member by member, lists whole."""
    both = {**base, **above}
    for key in ("lifecycle", "callbacks", "capacity"):
        if isinstance(base.get(key), dict) and isinstance(above.get(key), dict):
            both[key] = {**base[key], **above[key]}
    # It is the pain of one file, not of what builds on it.
    inherited = {"pain"} - above.keys()
    return {key: value for key, value in both.items() if key != "extends" and key not in inherited}


def files_in(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the names of their scenarios; raise SpecError where it is none."""
    if not folder.is_dir():
        raise SpecError(folder, None, "is not a folder; --scenarios names one that holds files such as slow.yaml")
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def check_ending(path: Path) -> None:
    """Raise SpecError for a file that would not be read because of its name."""
    if path.suffix != ".yaml":
        raise SpecError(path, None, "is not read: the name of a scenario's file ends in .yaml")
