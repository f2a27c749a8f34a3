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
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.invariants import INVARIANTS
from mock_server.document import Document, SpecError
from mock_server.names import nearest

FORMAT = 1
_WIDTH = 100


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

    def shown(self) -> str:
        """Return as YAML what is played."""
        return self._yaml("scenario", "request", "callbacks")

    def _yaml(self, *names: str) -> str:
        rows = {name: getattr(self, name) for name in names}
        shown = {name: value for name, value in rows.items() if value not in ({}, "", False)}
        return str(yaml.dump(shown, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=_WIDTH))


class _Plain(yaml.SafeDumper):
    """Writes what stands in two places twice: it is for people."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


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
    if kept.invariant not in INVARIANTS:
        raise FoundError(f"{path}: there is no invariant {kept.invariant!r}; {nearest(kept.invariant, INVARIANTS)}")
    return kept


def read_corpus(folder: Path) -> list[Kept]:
    """Return the findings of a folder, by name; none where there is no such folder yet."""
    return [read_kept(path) for path in sorted(folder.glob("*.yaml"))] if folder.is_dir() else []


def write_kept(folder: Path, kept: Kept, command: Sequence[str], *, worker: bool) -> tuple[Path, Path]:
    """Write a finding, and a test for it; return both paths."""
    test = folder / f"test_{kept.name.replace('-', '_')}.py"
    path = write_finding(folder, kept)
    _write(test, test_text(kept, command, worker=worker))
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


def test_text(kept: Kept, command: Sequence[str], *, worker: bool) -> str:
    """Return a pytest file that replays a finding: it fails until the client keeps the invariant."""
    rule = INVARIANTS[kept.invariant].rule
    name = kept.name.replace("-", "_")
    found = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(kept, story="")), indent=2).decode()
    client = f"COMMAND = {list(command)!r}" if command else "COMMAND: list[str] = []  # Your client's command."
    return (
        f'"""Found by `omnimock fuzz`: {rule}.\n\n{_wrapped(kept.story)}\n"""\n\n'
        f"from contracts.fuzz.replaying import replay_text\n\n"
        f"# {shlex.join(command) if command else 'a function of yours'}\n{client}\n"
        f'FOUND = r"""\n{found}\n"""\n\n\n'
        f"def test_{name}() -> None:\n"
        f"    broken = replay_text(FOUND, COMMAND, worker={worker})\n"
        f"    assert broken is None, broken.seen\n"
    )


def kept_from_text(text: str) -> Kept:
    """Return a finding from its JSON; raise FoundError where it is none."""
    try:
        return msgspec.json.decode(text.strip().encode(), type=Kept)
    except msgspec.DecodeError as error:
        raise FoundError(f"this is no finding of `omnimock fuzz`: {error}") from None


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text.replace("\\", "/").replace('"""', "'''"), _WIDTH)
