"""All scenarios there are: those that come with the project, and a folder of the user's own.

A file is named after its scenario. A reference chooses one, and may fill in its parameters: `never-finishes`, or
`maintenance; on=query; nth=2`. The file `problem.yaml` stands for many: one scenario for each problem of the spec.
The project's own files are read when they are first asked for, the user's at start, so that their slips are told then.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mock_server.document import SpecError
from mock_server.resources import resource
from mock_server.scenario_files import (
    EACH_PROBLEM,
    ScenarioFile,
    Value,
    check_ending,
    files_in,
    fill_in,
    merged,
    parse_reference,
)
from mock_server.scenario_form import ScenarioError, check_form, unknown
from mock_server.scenario_reader import compile_scenario
from mock_server.scenarios import Scenario
from mock_server.spec import Spec

# As many names as stand in one line.
_NAMES_MAX = 10
# Each combination of parameters is compiled once; more than a test suite uses.
_COMPILED_MAX = 1_000


class Parameter(msgspec.Struct, frozen=True):
    """Something that whoever chooses the scenario can say."""

    name: str
    default: Value
    about: str


class Entry(msgspec.Struct, frozen=True):
    """A scenario as the catalogue lists it. `seen` says where it was seen, `own` that it is the user's."""

    name: str
    about: str
    seen: str
    parameters: tuple[Parameter, ...]
    own: bool


class Told(msgspec.Struct, frozen=True):
    """A scenario as it is written at `path`, and as it is with parameters filled in and all that it builds on."""

    entry: Entry
    path: Path
    source: Mapping[str, Any]
    resolved: Mapping[str, Any]


class Changes(msgspec.Struct, frozen=True):
    """The user's scenarios that another reading of the folder added, changed and took away."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        kinds = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        return "; ".join(f"{what} {_few(names)}" for what, names in kinds if names) or "nothing has changed"


class ScenariosRefused(Exception):
    """Files that cannot be used; the scenarios stay as they were."""

    def __init__(self, complaints: Sequence[SpecError]) -> None:
        more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
        super().__init__(f"{complaints[0]}{more}")
        self.complaints = tuple(complaints)


@functools.cache
def _shipped() -> dict[str, Path]:
    """The project's own files, by name: they stay as they are while a program runs."""
    return {path.stem: path for path in sorted(resource("fixtures/scenarios").glob("*.yaml"))}


class Catalogue:
    """Finds scenarios by reference."""

    def __init__(self, spec: Spec, folder: Path | None = None, *, tried: bool = True) -> None:
        """Read and try the files in `folder`; raise SpecError, with file and line, where one cannot be used.

        What is not `tried` is read when it is first asked for; `complaints` says what is wrong with it.
        """
        self._spec, self.folder = spec, folder
        self._paths = dict(_shipped())
        self._own = files_in(folder) if folder is not None else {}
        self._paths |= self._own
        self._files: dict[str, ScenarioFile] = {}
        self._compiled: dict[str, Scenario] = {}
        if tried and (complaints := self._own_complaints()):
            raise complaints[0]

    @property
    def names(self) -> list[str]:
        """Every name that a reference may start with."""
        return sorted({*self._paths, *self._spec.problems} - {EACH_PROBLEM})

    @property
    def a_problem(self) -> str:
        """The name of a problem that passes, for examples; of any where none does."""
        problems = self._spec.problems.values()
        return next((each.name for each in problems if each.retry != "never"), next(iter(self._spec.problems)))

    def entries(self) -> list[Entry]:
        """Return every scenario that this spec can tell; those of problems come last."""
        names = sorted(self.names, key=lambda each: (each not in self._paths, each))
        return [self._entry(name) for name in names if self._fits(name)]

    def _fits(self, name: str) -> bool:
        """Tell whether the spec has what a scenario names; those of the project are written for its own spec."""
        try:
            self._compile(name, {})
        except (ScenarioError, SpecError):
            return name in self._own
        return True

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
        """Return a scenario that stands in no file, and may do without a name; raise ScenarioError for a bad one."""
        if isinstance(source, dict):
            source = {"name": "inline", "about": "Given whole.", **source}
        check_form(source)
        filled = fill_in(source, {key: each["default"] for key, each in source.get("parameters", {}).items()})
        return compile_scenario(self._extended(filled, ()), self._spec, filled["name"])

    def tell(self, reference: str) -> Told:
        """Return a scenario as people read it; raise ScenarioError where there is none, or it is written wrong."""
        self.choose(reference)
        name, values = parse_reference(reference)
        file = self._file(name)
        return Told(self._entry(name), file.path, file.source, self._resolved(name, values))

    def complaints(self, stems: Iterable[str]) -> list[SpecError]:
        """Try files, named without .yaml, with each value that they list; return what is wrong, once each."""
        found: dict[str, SpecError] = {}
        for stem in stems:
            try:
                for name in self._names_of(stem):
                    self._try(name)
            except SpecError as error:
                found[str(error)] = error
        return list(found.values())

    def reload(self, keep: str) -> Changes:
        """Read the user's folder again, and take it over in one step; `keep` is a reference that must stay good.

        Raise ScenariosRefused, with all that is wrong, where something is: then nothing changes.
        """
        if self.folder is None:
            raise ScenariosRefused([SpecError("--scenarios", None, "names no folder that could be read again")])
        try:
            fresh = Catalogue(self._spec, self.folder, tried=False)
        except SpecError as error:
            raise ScenariosRefused([error]) from None
        if complaints := fresh._own_complaints() or fresh._missing(keep):
            raise ScenariosRefused(complaints)
        before, after = self._own_sources(), fresh._own_sources()
        vars(self).update(vars(fresh))
        return Changes(
            added=tuple(sorted(after.keys() - before.keys())),
            changed=tuple(sorted(name for name in after.keys() & before.keys() if after[name] != before[name])),
            removed=tuple(sorted(before.keys() - after.keys())),
        )

    def _own_complaints(self) -> list[SpecError]:
        found = []
        for path in sorted(self.folder.glob("*.yml")) if self.folder is not None else ():
            try:
                check_ending(path)
            except SpecError as error:
                found.append(error)
        return found + self.complaints(self._own)

    def _missing(self, reference: str) -> list[SpecError]:
        try:
            self.choose(reference)
        except ScenarioError as error:
            reason = f"the server was started with --scenario {reference!r}: {error.reason}"
            return [SpecError(self.folder or "", None, reason)]
        return []

    def _own_sources(self) -> dict[str, Mapping[str, Any]]:
        return {name: self._resolved(name, {}) for stem in self._own for name in self._names_of(stem)}

    def _entry(self, name: str) -> Entry:
        file = self._file(name)
        about = file.source["about"] if name in self._paths else self._spec.problems[name].about
        parameters = tuple(
            Parameter(key, each["default"], each.get("about", "")) for key, each in file.parameters.items()
        )
        return Entry(name, about, file.source.get("seen", ""), parameters, own=file.path.stem in self._own)

    def _try(self, name: str) -> None:
        """Compile a scenario with its defaults, then with each other value that a parameter lists."""
        self._compile(name, {})
        file = self._file(name)
        for key, parameter in file.parameters.items():
            for value in parameter.get("values", ()):
                try:
                    self._compile(name, {key: value})
                except ScenarioError as error:
                    place = ("parameters", key, "values")
                    raise file.error(ScenarioError(place, f"with {key}={value}: {error}")) from None

    def _compile(self, name: str, values: Mapping[str, str]) -> Scenario:
        file = self._file(name)
        try:
            _, unusual = file.filled(name, values)
            said = "".join(sorted(f"; {key}={value}" for key, value in unusual.items()))
            return compile_scenario(self._resolved(name, values), self._spec, name + said)
        except ScenarioError as error:
            if values:
                raise ScenarioError((), f"scenario {name}: {error}") from None
            raise file.error(error) from None

    def _resolved(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:
        source, _ = self._file(name).filled(name, values)
        return self._extended(source, (name,))

    def _extended(self, source: dict[str, Any], chain: tuple[str, ...]) -> dict[str, Any]:
        """Put what the scenario builds on below it; `chain` are the scenarios that led here."""
        if "extends" not in source:
            return source
        try:
            name, values = parse_reference(source["extends"])
            if name in chain:
                raise ScenarioError((), f"runs in a circle: {' → '.join((*chain, name))}")
            base, _ = self._file(name).filled(name, values)
        except ScenarioError as error:
            raise ScenarioError(("extends",), error.reason) from None
        return merged(self._extended(base, (*chain, name)), source)

    def _file(self, name: str) -> ScenarioFile:
        stem = name if name in self._paths and name != EACH_PROBLEM else EACH_PROBLEM
        if stem == EACH_PROBLEM and name not in self._spec.problems:
            raise ScenarioError((), unknown("scenario", name, self.names))
        file = self._files.get(stem)
        if file is None:
            file = self._files[stem] = ScenarioFile(self._paths[stem], ours=stem not in self._own)
        return file

    def _names_of(self, stem: str) -> list[str]:
        return list(self._spec.problems) if stem == EACH_PROBLEM else [stem]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return ", ".join(names[:_NAMES_MAX]) + more
