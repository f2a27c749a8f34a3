"""What a mutant is, and the table of all of them."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any, TypeVar

from omni_video.answers import Reading
from omni_video.job import OmniJob

# Parts of a client have no base in common.
Part = TypeVar("Part", bound=type)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A broken client: the part that is broken, and the case that must catch it."""

    case: str
    part: type

    @property
    def name(self) -> str:
        """How it is called."""
        return self.part.__name__

    @property
    def address(self) -> str:
        """How a driver of the example client is told of it."""
        return f"{self.part.__module__}:{self.part.__name__}"

    @property
    def wrong(self) -> str:
        """What is wrong with it."""
        return (self.part.__doc__ or "").strip().splitlines()[0]


MUTANTS: list[Mutant] = []


def caught_by(case: str) -> Callable[[Part], Part]:
    """Enter a mutant into the table."""

    def enter(part: Part) -> Part:
        MUTANTS.append(Mutant(case, part))
        return part

    return enter


class Spoiling(OmniJob):
    """A job whose body is spoiled after it was found to be right."""

    def prepared(self) -> bytes:
        """Return the spoiled body."""
        body = json.loads(super().prepared())
        self.spoil(body)
        return json.dumps(body, ensure_ascii=False).encode()

    def spoil(self, body: dict[str, Any]) -> None:
        """Change the body."""


def changed(reading: Reading, **members: Any) -> Reading:
    """Return a reading that says something else."""
    return dataclasses.replace(reading, **members)
