"""Searches for behaviours that break an invariant, and shrinks each to the smallest that still does.

Hypothesis draws a handful of behaviours at a time, which are played side by side. What breaks is played again before it
counts: a client that breaks only now and then is told as intermittent. An invariant that was found broken is not looked
for again, so a client that always crashes is one finding.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, given, settings, target
from hypothesis import seed as seeded
from hypothesis import strategies as st

from contracts.coverage import Cell, cells_of
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.invariants import INVARIANTS, Broken, Violated, broken_in, violation_of
from contracts.observation import Session

# As many are played side by side as a small machine carries.
BATCH = 24
# How often what broke is played again, and how often it has to break then.
CONFIRMATIONS = 2
# A round draws about so many sessions before it begins anew with another seed.
_SESSIONS_A_ROUND = 320
# To shrink takes a few hundred sessions; what is not smaller by then stays.
SHRINK_SECONDS = 45.0

# Plays behaviours side by side, and returns what was seen.
Plays = Callable[[Sequence[Behaviour]], Sequence[Session]]


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


class Outcome(msgspec.Struct):
    """What a search came to."""

    found: dict[str, Found] = {}
    intermittent: dict[str, Found] = {}
    sessions: int = 0
    # What the client was shown, with how many exchanges or callbacks showed it.
    cells: Counter[Cell] = msgspec.field(default_factory=Counter)
    most_requests: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    seconds: float = 0.0


class Search:
    """One search."""

    def __init__(
        self,
        plays: Plays,
        strategy: st.SearchStrategy[Behaviour],
        *,
        seed: int,
        budget: Budget,
        names: Sequence[str] = tuple(INVARIANTS),
        batch: int = BATCH,
    ) -> None:
        self._plays, self._strategy, self._seed, self._budget = plays, strategy, seed, budget
        self._names, self._batch = frozenset(names), batch
        self._progress: Callable[[Outcome], None] = lambda outcome: None
        self.outcome = Outcome(found={}, intermittent={})
        # What is known of behaviours that were played while one is shrunk.
        self._known: dict[bytes, str | None] = {}
        self._shrinking_since: float | None = None

    def on_progress(self, told: Callable[[Outcome], None]) -> None:
        """Tell from now on how far it has come."""
        self._progress = told

    def run(self) -> Outcome:
        """Search until the budget is used up, or all invariants were found broken. What was found stays on Ctrl-C."""
        self._budget.start()
        number = 0
        try:
            while not self._budget.over and self._looked_for and not self._enough:
                self._round(self._seed * 1_000 + number)
                number += 1
        except KeyboardInterrupt:
            self._budget.stopped = True
        self.outcome.seconds = self._budget.now() - self._budget.began
        return self.outcome

    @property
    def _looked_for(self) -> frozenset[str]:
        return self._names - self.outcome.found.keys()

    @property
    def _enough(self) -> bool:
        examples = self._budget.examples
        return examples is not None and self.outcome.sessions >= examples

    def first(self, behaviours: Sequence[Behaviour]) -> None:
        """Play these first, such as those of a corpus; what breaks is a finding as it is."""
        self._budget.start()
        for each in behaviours:
            session = self._play([each])[0]
            for broken in broken_in(session, self._looked_for):
                if self._confirmed(broken, each, session):
                    self.outcome.found[broken.invariant] = Found(broken, each, session)
            self._progress(self.outcome)

    def _round(self, seed: int) -> None:
        self._known, self._shrinking_since = {}, None

        @seeded(seed)
        @settings(
            max_examples=max(1, _SESSIONS_A_ROUND // self._batch),
            database=None,
            deadline=None,
            print_blob=False,
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.target, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(self._strategy, min_size=max(1, self._batch * 2 // 3), max_size=self._batch))
        def keeps(behaviours: list[Behaviour]) -> None:
            self._judge(behaviours)

        test: Callable[[], None] = keeps
        try:
            test()
        except Violated:
            pass
        except BaseExceptionGroup as group:
            # A client whose behaviour changes from play to play makes Hypothesis doubt the test.
            if group.split((Violated, Exception))[1] is not None:
                raise

    def _judge(self, behaviours: Sequence[Behaviour]) -> None:
        """Raise the violation of what is found first; the last that is raised is the smallest."""
        shrinking = self._shrinking_since is not None
        if shrinking:
            self._judge_smaller(behaviours)
            return
        if self._budget.over or self._enough:
            return
        sessions = self._play(behaviours)
        self._aim(sessions)
        self._progress(self.outcome)
        self._known = {each.key(): None for each in behaviours}
        for behaviour, session in zip(behaviours, sessions, strict=True):
            for broken in broken_in(session, self._looked_for):
                if self._confirmed(broken, behaviour, session):
                    self._shrinking_since = self._budget.now()
                    self._keep(broken, behaviour, session)
                    self._known[behaviour.key()] = broken.invariant
                    _raise(broken)

    def _judge_smaller(self, behaviours: Sequence[Behaviour]) -> None:
        """Of a handful those that were not played yet are played alone, until one breaks what is shrunk."""
        wanted = next(reversed(self.outcome.found))
        for behaviour in behaviours:
            key = behaviour.key()
            if key not in self._known:
                assert self._shrinking_since is not None
                if self._budget.now() - self._shrinking_since > SHRINK_SECONDS or self._budget.stopped:
                    continue
                self._known[key] = self._breaks_again(behaviour, wanted)
            if self._known[key] == wanted:
                _raise(self.outcome.found[wanted].broken)

    def _breaks_again(self, behaviour: Behaviour, wanted: str) -> str | None:
        """Play what is smaller until it does not break, or has broken often enough."""
        for _ in range(CONFIRMATIONS):
            session = self._play([behaviour])[0]
            found = broken_in(session, frozenset((wanted,)))
            if not found:
                return None
        self._keep(found[0], behaviour, session)
        return wanted

    def _keep(self, broken: Broken, behaviour: Behaviour, session: Session) -> None:
        """Keep the smaller of two findings of one invariant, and the later of two that are equally small."""
        kept = self.outcome.found.get(broken.invariant)
        if kept is None or behaviour.size() <= kept.behaviour.size():
            self.outcome.found.pop(broken.invariant, None)
            self.outcome.found[broken.invariant] = Found(broken, behaviour, session)

    def _confirmed(self, broken: Broken, behaviour: Behaviour, session: Session) -> bool:
        """Play what broke again, alone; what does not break every time is intermittent."""
        broke = 1
        for _ in range(CONFIRMATIONS):
            again = self._play([behaviour])[0]
            broke += bool(broken_in(again, frozenset((broken.invariant,))))
        played = 1 + CONFIRMATIONS
        if broke == played:
            return True
        # Once in three is what a busy machine does; it is told only where it was seen more often.
        if broke > 1:
            found = Found(broken, behaviour, session, broke=broke, played=played)
            self.outcome.intermittent.setdefault(broken.invariant, found)
        return False

    def _play(self, behaviours: Sequence[Behaviour]) -> Sequence[Session]:
        sessions = self._plays(behaviours)
        outcome = self.outcome
        outcome.sessions += len(sessions)
        for each in sessions:
            outcome.cells.update(cells_of(each))
            outcome.most_requests = max(outcome.most_requests, len(each.wire))
            outcome.outcomes.update(job.outcome or "not reported" for job in each.jobs)
        return sessions

    def _aim(self, sessions: Sequence[Session]) -> None:
        """Tell Hypothesis which draws come nearer to trouble."""
        worst: Mapping[str, float] = {
            "requests beside the polls": max(_beside_polls(each) for each in sessions),
            "creates for one job": max(len(each.submits) for each in sessions),
            "seconds until the end was noticed": max(_unnoticed(each) for each in sessions),
            "bytes": max(_bytes(each) for each in sessions),
        }
        for label, value in worst.items():
            target(float(value), label=label)


def _raise(broken: Broken) -> NoReturn:
    """Raise a violation, always from this line: Hypothesis takes those of two lines for two."""
    violation = violation_of(broken.invariant)(broken.seen)
    violation.broken = broken
    raise violation


def _beside_polls(session: Session) -> float:
    """How many more requests came than one for each interval."""
    spent = max(each.ending.ended - each.ending.began for each in session.jobs)
    return max(0.0, len(session.wire) - spent / session.setting("poll_interval_seconds"))


def _unnoticed(session: Session) -> float:
    final = session.first_final()
    return max(0.0, session.ended - final.ended) if final is not None else 0.0


def _bytes(session: Session) -> int:
    return sum(len(each.exchange.incoming.body) for each in session.wire)
