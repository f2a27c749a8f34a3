"""All scenarios there are: those that come with the project, and a folder of the user's own.

A file is named after its scenario. A reference chooses one, and may fill in its parameters: `never-finishes`, or
`maintenance; on=query; nth=2`. The file `problem.yaml` stands for many: one scenario for each problem of the spec.
The project's own files are read when they are first asked for, the user's at start, so that their slips are told then.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock_server.document import Document, SpecError
from mock_server.resources import resource
from mock_server.scenario_form import ScenarioError, check_form, unknown
from mock_server.scenario_reader import compile_scenario
from mock_server.scenarios import Scenario
from mock_server.spec import Spec

# Each combination of parameters is compiled once; more than a test suite uses.
_COMPILED_MAX = 1_000
_PARAMETER = re.compile(r"\$([a-z][a-z-]*)")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# The file that stands for one scenario of each problem of the spec.
_EACH_PROBLEM = "problem"

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that whoever chooses the scenario can say."""

    name: str
    default: Value
    about: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A scenario as the catalogue lists it. `seen` says where it was seen, `own` that it is the user's."""

    name: str
    about: str
    seen: str
    parameters: tuple[Parameter, ...]
    own: bool


class Catalogue:
    """Finds scenarios by reference."""

    def __init__(self, spec: Spec, folder: Path | None = None) -> None:
        """Read and try the files in `folder`; raise SpecError, with file and line, where one cannot be used."""
        self._spec = spec
        shipped = resource("fixtures/scenarios")
        self._paths = {path.stem: path for path in sorted(shipped.glob("*.yaml"))}
        self._own = _files(folder) if folder is not None else {}
        self._paths |= self._own
        self._files: dict[str, _File] = {}
        self._compiled: dict[str, Scenario] = {}
        for name in self._own:
            for each in self._names_of(name):
                self._compile(each, {})

    @property
    def names(self) -> list[str]:
        """Every name that a reference may start with."""
        return sorted({*self._paths, *self._spec.problems} - {_EACH_PROBLEM})

    def entries(self) -> list[Entry]:
        """Return every scenario; those of problems come last."""
        found = []
        for name in sorted(self.names, key=lambda each: (each not in self._paths, each)):
            source, file = self._source(name)
            about = source["about"] if name in self._paths else self._spec.problems[name].about
            parameters = tuple(
                Parameter(key, each["default"], each.get("about", "")) for key, each in file.parameters.items()
            )
            found.append(Entry(name, about, source.get("seen", ""), parameters, own=file.path.stem in self._own))
        return found

    def choose(self, reference: str) -> Scenario:
        """Return the scenario of a reference; raise ScenarioError where there is none, or it is written wrong."""
        known = self._compiled.get(reference)
        if known is not None:
            return known
        name, values = parse_reference(reference)
        scenario = self._compile(name, values)
        if len(self._compiled) >= _COMPILED_MAX:
            self._compiled.clear()
        # Two ways of writing it are one scenario, and count attempts together.
        scenario = self._compiled.setdefault(scenario.name, scenario)
        self._compiled[reference] = scenario
        return scenario

    def define(self, source: Any) -> Scenario:
        """Return a scenario that stands in no file; raise ScenarioError where it cannot be used."""
        check_form(source)
        filled = _fill_in(source, {key: each["default"] for key, each in source.get("parameters", {}).items()})
        return compile_scenario(self._extended(filled, ()), self._spec, filled["name"])

    def _compile(self, name: str, values: Mapping[str, str]) -> Scenario:
        _, file = self._source(name)
        try:
            said, filled = self._filled(name, values)
            return compile_scenario(self._extended(filled, (name,)), self._spec, name + said)
        except ScenarioError as error:
            if values:
                raise ScenarioError((), f"scenario {name}: {error}") from None
            raise file.error(error) from None

    def _extended(self, source: dict[str, Any], chain: tuple[str, ...]) -> dict[str, Any]:
        """Put what the scenario builds on below it; `chain` are the scenarios that led here."""
        if "extends" not in source:
            return source
        reference = source["extends"]
        try:
            name, values = parse_reference(reference)
            if name in chain:
                raise ScenarioError((), f"runs in a circle: {' → '.join((*chain, name))}")
            _, base = self._filled(name, values)
        except ScenarioError as error:
            raise ScenarioError(("extends",), error.reason) from None
        return _merged(self._extended(base, (*chain, name)), source)

    def _filled(self, name: str, values: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """Return what was said besides the name, in one order, and the source with all parameters filled in."""
        source, file = self._source(name)
        filled = {key: each["default"] for key, each in file.parameters.items()}
        said = []
        for key, text in values.items():
            if key not in file.parameters:
                raise ScenarioError((), unknown("parameter", key, file.parameters))
            if (values_there := file.parameters[key].get("values")) and text not in values_there:
                raise ScenarioError((), unknown(f"value of {key}", text, values_there))
            value = _typed(text, filled[key])
            if value != filled[key]:
                filled[key] = value
                said.append(f"; {key}={value}")
        constants = {_EACH_PROBLEM: name} if file.path.stem == _EACH_PROBLEM else {}
        return "".join(sorted(said)), _fill_in(source, {**filled, **constants})

    def _source(self, name: str) -> tuple[Any, "_File"]:
        stem = name if name in self._paths and name != _EACH_PROBLEM else _EACH_PROBLEM
        if stem == _EACH_PROBLEM and name not in self._spec.problems:
            raise ScenarioError((), unknown("scenario", name, self.names))
        file = self._files.get(stem)
        if file is None:
            file = self._files[stem] = _File(self._paths[stem])
        return file.source, file

    def _names_of(self, stem: str) -> list[str]:
        return list(self._spec.problems) if stem == _EACH_PROBLEM else [stem]


class _File:
    """One file: read, and of the right form."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = Document(path)
        self.source: Any = self.document.root
        try:
            check_form(self.source)
        except ScenarioError as error:
            raise self.error(error) from None
        self.parameters: Mapping[str, Any] = self.source.get("parameters", {})
        each = path.stem == _EACH_PROBLEM
        name = f"${_EACH_PROBLEM}" if each else path.stem
        if self.source["name"] != name:
            raise self.document.error(("name",), f"is {self.source['name']!r}, and the file is that of {name!r}")
        if (self.source.get("for-each") is not None) != each:
            raise self.document.error((), f"`for-each` goes with the file {_EACH_PROBLEM}.yaml, and with no other")

    def error(self, error: ScenarioError) -> SpecError:
        pointer = error.pointer
        if pointer and isinstance(self.source, dict) and pointer[0] not in self.source:
            # A key that a parameter names.
            key = next((key for key in self.source if _PARAMETER.fullmatch(str(key))), pointer[0])
            pointer = (key, *pointer[1:])
        return self.document.error(pointer, error.reason)


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


def _fill_in(source: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
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


def _merged(base: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What stands above comes in place of what stands below; in objects member by member, lists whole."""
    merged = {**base, **above}
    for key in ("lifecycle", "callbacks", "capacity"):
        if isinstance(base.get(key), dict) and isinstance(above.get(key), dict):
            merged[key] = {**base[key], **above[key]}
    del merged["extends"]
    return merged


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SpecError(folder, None, "is not a folder; --scenarios names one that holds files such as slow.yaml")
    if misnamed := sorted(folder.glob("*.yml")):
        raise SpecError(misnamed[0], None, "is not read: the name of a scenario's file ends in .yaml")
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
