"""A case: one claim about a client, with its requirement, level, source, story and checks. The catalogue is data.

`fixtures/cases/*.yaml` has a file for each group. A case is played in one session or several; in each, a fresh key
opens a world that is armed with the scenario of the play, and the client is given the jobs. Then the checks look.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

import msgspec

from contracts.jobs import Capability
from mock_server.document import Document, SpecError
from mock_server.names import nearest
from mock_server.resources import resource

Level = Literal["must", "should", "info"]
LEVELS: tuple[Level, ...] = ("must", "should", "info")
# What is behind a requirement: DeerAPI's page, the vendor, an RFC, a money or safety rule of our own, or good practice.
Basis = Literal["page", "vendor", "rfc", "ours", "practice"]

BASES: Mapping[str, str] = {
    "page": "DeerAPI's page",
    "vendor": "the vendor's documentation",
    "rfc": "an RFC",
    "ours": "a money or safety rule of omnimock's own",
    "practice": "good practice",
}

# A check by its name, with what it is told.
Check = Mapping[str, Any]


class Play(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One session of a case: a scenario, and the jobs that a client is given in it.

    `request` is laid over the usual request, and `jobs` over that for each of several jobs; null takes a member away.
    `settings` are wishes. `callbacks` says that the story is told to the client's receiver; `times` plays it so often.
    A play whose `needs` the client lacks is left out.
    """

    name: str = ""
    scenario: dict[str, Any] = {}
    request: dict[str, Any] = {}
    jobs: tuple[dict[str, Any], ...] = ({},)
    settings: dict[str, float] = {}
    times: int = 1
    needs: tuple[Capability, ...] = ()
    callbacks: bool = False
    # The level of what is seen here, where it is lower than that of the case.
    level: Level | None = None
    # How long the wire is watched when the jobs have ended, where it is not as long as usual.
    watched_seconds: float | None = None
    # How the base URL ends, and which of the twin's listeners it names.
    slash: bool = False
    listener: Literal["usual", "tls"] = "usual"
    # Checks for this play alone, besides those of the case.
    checks: tuple[Check, ...] = ()
    # Where the client is driven in virtual time, this comes in place of the scenario, and these settings.
    virtual_scenario: dict[str, Any] | None = None
    virtual_settings: dict[str, float] | None = None


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One claim about a client."""

    id: str
    title: str
    requirement: str
    level: Level
    basis: Basis
    source: str
    why: str
    fix: str
    # What it looks like on the wire where it goes wrong, and where it is right.
    example: str
    plays: tuple[Play, ...]
    checks: tuple[Check, ...]
    # Capabilities without which a client is not asked.
    needs: tuple[Capability, ...] = ()
    # The profile under which it is judged; under another it is for information.
    profile: str | None = None
    # Where a client does not declare this capability, the case is for information.
    claim: Capability | None = None
    # How many of its sessions may run side by side with others: 1 or 2 where time is judged finely.
    side_by_side: int = 8
    # Checks that look at all sessions of the case together.
    pooled: tuple[Check, ...] = ()
    # Checks that can judge what a command did of its own accord, where a client is only observed.
    observed: tuple[Check, ...] = ()
    # Whether the judgement needs the client's own word, its log, or its receiver (as in the catalogue: W, O, L, C).
    judges: str = "W"
    # Filled in when the catalogue is read: the group's name and title.
    group: str = ""
    group_title: str = ""

    @property
    def label(self) -> str:
        """The level with what is behind it, as reports show it."""
        return f"{self.level}, {BASES[self.basis]}"


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the catalogue."""

    group: str
    title: str
    cases: tuple[Case, ...]


class CaseError(ValueError):
    """A case that is asked for and is not there, or a file of the catalogue that is wrong."""


@cache
def catalogue() -> tuple[Case, ...]:
    """Return all cases, in the order of the catalogue."""
    cases: list[Case] = []
    for path in sorted(resource("fixtures/cases").glob("*.yaml")):
        try:
            group = msgspec.convert(Document(path).root, Group)
        except (SpecError, msgspec.ValidationError) as error:
            raise CaseError(f"{path.name}: {error}") from None
        cases += [msgspec.structs.replace(each, group=group.group, group_title=group.title) for each in group.cases]
    return tuple(cases)


def chosen(globs: Sequence[str], levels: Iterable[Level] = ("must", "should", "info")) -> list[Case]:
    """Return the cases that one of the globs names (all where there is none), of these levels.

    Raise CaseError, with the nearest id, where a glob names none.
    """
    cases, wanted = catalogue(), frozenset(levels)
    for glob in globs:
        if not any(fnmatchcase(each.id, glob.upper()) for each in cases):
            raise CaseError(f"there is no case {glob!r}; {nearest(glob.upper(), [each.id for each in cases])}")
    return [
        each
        for each in cases
        if each.level in wanted and (not globs or any(fnmatchcase(each.id, glob.upper()) for glob in globs))
    ]


def case_of(case_id: str) -> Case:
    """Return one case; raise CaseError, with the nearest id, where there is none."""
    found = chosen([case_id])
    if len(found) != 1:
        raise CaseError(f"{case_id!r} names {len(found)} cases; name one, such as {found[0].id}")
    return found[0]
