"""What a search has to spend, and what it comes to."""

import time
from collections import Counter
from collections.abc import Callable

import msgspec

from contracts.coverage import Cell
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.invariants import INVARIANTS, Broken
from contracts.observation import Session

# To shrink takes a few seconds over sockets; what is not smaller by then stays.
SHRINK_SECONDS = 20.0


class Found(msgspec.Struct, frozen=True):
    """An invariant that a client breaks, with the smallest behaviour that was found to break it."""

    broken: Broken
    behaviour: Behaviour
    session: Session
    # In how many of how many plays it broke; it is intermittent where it did not always.
    broke: int = 1
    played: int = 1

    @property
    def intermittent(self) -> bool:
        """Whether it broke only now and then."""
        return self.broke < self.played


class Budget(msgspec.Struct):
    """How long, and how much, is searched. `now` tells seconds."""

    seconds: float
    examples: int | None = None
    now: Callable[[], float] = time.monotonic
    began: float = 0.0
    stopped: bool = False

    def start(self) -> None:
        """Begin to count, once."""
        self.began = self.began or self.now()

    @property
    def over(self) -> bool:
        """Whether it is used up."""
        return self.stopped or self.now() - self.began >= self.seconds

    @property
    def overdrawn(self) -> bool:
        """Whether so much more than it is used up that what is under way must end."""
        return self.stopped or self.left_seconds <= 0

    @property
    def left_seconds(self) -> float:
        """How long what is under way may go on."""
        return self.began + self.seconds + SHRINK_SECONDS - self.now()


class Outcome(msgspec.Struct):
    """What a search came to."""

    found: dict[str, Found] = {}
    intermittent: dict[str, Found] = {}
    sessions: int = 0
    # How many of those that were known already broke nothing any more.
    held: int = 0
    # What the client was shown, with how many exchanges or callbacks showed it.
    cells: Counter[Cell] = msgspec.field(default_factory=Counter)
    requests: int = 0
    most_requests: int = 0
    # How many sessions were told the end of a task.
    ends_told: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    # How often an invariant broke once, and did not when it was played again.
    doubtful: Counter[str] = msgspec.field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def all_found(self) -> list[Found]:
        """What was found, then what broke only now and then."""
        return [*self.found.values(), *(each for name, each in self.intermittent.items() if name not in self.found)]

    @property
    def counted(self) -> list[Found]:
        """What makes the client wrong. What is only late now and then, the machine may be."""
        return [each for each in self.all_found if not (each.intermittent and INVARIANTS[each.broken.invariant].timed)]
