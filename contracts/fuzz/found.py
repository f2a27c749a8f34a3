"""Findings as files: YAML that replays, and a pytest file that stands alone. A folder of them is a corpus.

format: 1
invariant: paid-once
story: …
scenario: {submit: [{fault: reset}]}
request: {…}
callbacks: false
settings: {deadline_seconds: 2.0, …}
"""

import hashlib
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from contracts.command_options import WITHHELD
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.fuzzing import QUICK
from contracts.fuzz.invariants import INVARIANTS
from contracts.fuzz.pools import unplayable
from contracts.jobs import WISHES
from contracts.report.folder import check_places
from contracts.report.json_report import ReportError
from contracts.report.words import clean
from mock_server.document import Document, SpecError
from mock_server.document_text import yaml_text
from mock_server.names import nearest
from mock_server.twin import Twin

FORMAT = 1
_COLUMNS = 100
_DAY_SECONDS = 86_400
_ENV = "--env="
# What a finding is called that stands in no file of its own.
HERE = "this finding"


class FoundError(ValueError):
    """A file that is no finding of this format: which, and what to do."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding as it stands in a file."""

    format: int
    invariant: str
    scenario: dict[str, Any] = {}
    request: dict[str, Any] = {}
    callbacks: bool = False
    settings: dict[str, float] = {}
    story: str = ""
    seen: str = ""

    @property
    def behaviour(self) -> Behaviour:
        """What is replayed."""
        return Behaviour(self.scenario, self.request, self.callbacks)

    @property
    def name(self) -> str:
        """The name of its file, without an ending: the same for the same finding."""
        digest = hashlib.sha256(self.behaviour.key()).hexdigest()[:8]
        return f"{self.invariant}-{digest}"

    def text(self) -> str:
        """Return it as YAML, the story last."""
        return self._yaml("format", "invariant", "seen", "scenario", "request", "callbacks", "settings", "story")

    def told(self) -> str:
        """Return it as YAML, without its story."""
        return self._yaml("format", "invariant", "seen", "scenario", "request", "callbacks", "settings")

    def shown(self) -> str:
        """Return as YAML what is played."""
        return self._yaml("scenario", "request", "callbacks")

    def _yaml(self, *names: str) -> str:
        rows = {name: getattr(self, name) for name in names}
        shown = {name: value for name, value in rows.items() if value not in ({}, "", False)}
        return yaml_text(shown, columns=_COLUMNS)


def read_kept(path: Path) -> Kept:
    """Return a finding; raise FoundError for a file that is none, or one of another format."""
    try:
        source = Document(path).root
    except SpecError as error:
        raise FoundError(str(error)) from None
    if not isinstance(source, dict):
        raise FoundError(
            f"{path}: this is no finding of `omnimock fuzz`: a mapping with `format: {FORMAT}` is expected"
        )
    came = source.get("format")
    if came != FORMAT:
        older = "an older format" if came is None or (isinstance(came, int) and came < FORMAT) else "another format"
        raise FoundError(
            f"{path}: this is of {older} ({came!r}; this omnimock reads {FORMAT}). To migrate: give the file "
            f"`format: {FORMAT}` and the members `invariant`, `scenario`, `request`, `callbacks` and `settings`, as "
            "docs/fuzz.md shows; or take it away, and let the search find it again"
        )
    try:
        kept = msgspec.convert(source, Kept)
    except msgspec.ValidationError as error:
        raise FoundError(f"{path}: {error}") from None
    return _sound(kept, path)


def _sound(kept: Kept, where: Path | str) -> Kept:
    """Return a finding with all its settings; raise FoundError where there is no such invariant, or no such setting."""
    if kept.invariant not in INVARIANTS:
        raise FoundError(f"{where}: there is no invariant {kept.invariant!r}; {nearest(kept.invariant, INVARIANTS)}")
    for name, value in kept.settings.items():
        if name not in WISHES:
            raise FoundError(f"{where}: settings: there is no setting {name!r}; {nearest(name, WISHES)}")
        if not 0 < value < _DAY_SECONDS:
            raise FoundError(
                f"{where}: settings: {name}: {value:g} came; a number of seconds above 0 and below a day is expected"
            )
    return msgspec.structs.replace(kept, settings={**QUICK, **kept.settings})


def read_files(folder: Path) -> dict[Path, Kept]:
    """Return the findings of a folder by their files, none where it is not there yet.

    Raise FoundError for a file that is none, and where it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise FoundError(f"{folder} is no folder: a folder for findings is expected")
    return {path: read_kept(path) for path in sorted(folder.glob("*.yaml"))}


def check_corpus(folder: Path) -> None:
    """Raise FoundError where findings could not be written there. It tries to, and leaves nothing behind."""
    try:
        check_places(folder, ())
    except ReportError:
        raise FoundError(f"findings cannot be written into {folder}: name another folder with --corpus") from None


def check_playable(findings: Mapping[Path, Kept] | Mapping[str, Kept], twin: Twin) -> None:
    """Raise FoundError, naming the file, where there is no such scenario, or the request has faults."""
    reason_of = unplayable(twin.program, twin.catalogue)
    for where, kept in findings.items():
        if reason := reason_of(kept.behaviour):
            raise FoundError(f"{where}: {reason}")


def write_kept(folder: Path, kept: Kept, command: Sequence[str], options: Sequence[str]) -> tuple[Path, Path]:
    """Write a finding, and a test for it; return both paths. `options` are those of `omnimock replay`."""
    test = folder / f"test_{kept.name.replace('-', '_')}.py"
    path = write_finding(folder, kept)
    _write(test, test_text(kept, command, options))
    return path, test


def write_finding(folder: Path, kept: Kept) -> Path:
    """Write a finding; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kept.name}.yaml"
    _write(path, kept.text())
    return path


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def test_text(kept: Kept, command: Sequence[str], options: Sequence[str]) -> str:
    """Return a pytest file that replays a finding: it fails until the client keeps the invariant.

    `options` are those of `omnimock replay`. A variable whose value is withheld is taken from the environment.
    """
    withheld = any(_withheld(each) for each in options)
    found = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(kept, story="")), indent=2).decode()
    imported = "import os\n\n"
    note = "# The values of variables may be secrets, so none stand here: set them where the test runs.\n"
    return (
        f'"""Found by `omnimock fuzz`: {INVARIANTS[kept.invariant].rule}.\n\n{_documented(kept.story)}\n"""\n\n'
        f"{imported * withheld}"
        f"from contracts.replay_command import broken_by\n\n"
        f"COMMAND = {_listed(map(repr, command))}\n"
        f"{note * withheld}"
        f"OPTIONS = {_listed(map(_option, options))}\n"
        f'FOUND = r"""\n{found}\n"""\n\n\n'
        f"def test_{kept.name.replace('-', '_')}() -> None:\n"
        f"    broken = broken_by(FOUND, OPTIONS, COMMAND)\n"
        f"    assert broken is None, broken.seen\n"
    )


def kept_from_text(text: str) -> Kept:
    """Return a finding from its JSON; raise FoundError where it is none."""
    try:
        return _sound(msgspec.json.decode(text.strip().encode(), type=Kept), HERE)
    except msgspec.DecodeError as error:
        raise FoundError(f"this is no finding of `omnimock fuzz`: {error}") from None


def _withheld(option: str) -> str | None:
    """Return the name of a variable whose value is withheld."""
    name, equals, value = option.removeprefix(_ENV).partition("=")
    return name if option.startswith(_ENV) and equals and value == WITHHELD else None


def _option(option: str) -> str:
    """Return an option as an expression in Python."""
    name = _withheld(option)
    return repr(option) if name is None else f"{f'{_ENV}{name}='!r} + os.environ[{name!r}]"


def _listed(expressions: Iterable[str]) -> str:
    rows = "".join(f"    {each},\n" for each in expressions)
    return f"[\n{rows}]" if rows else "[]"


def _documented(text: str) -> str:
    """Return a text as it may stand in a docstring."""
    wrapped = textwrap.fill(clean(text), _COLUMNS)
    return wrapped.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
