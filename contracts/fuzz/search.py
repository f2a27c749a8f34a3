"""Searches for behaviours that break an invariant.

Hypothesis draws behaviours and aims at trouble; over sockets many of its draws go on side by side, each in a thread of
its own that waits for its session. What breaks is played again before it counts, and the others pause meanwhile: a
client that breaks only now and then is told as intermittent. An invariant that was found broken is not looked for
again, so a client that always crashes is one finding.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, Phase, Verbosity, given, settings, target
from hypothesis import seed as seeded
from hypothesis import strategies as st

from contracts.coverage import cells_of
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.invariants import INVARIANTS, Broken, broken_in
from contracts.fuzz.outcome import SHRINK_SECONDS, Budget, Found, Outcome
from contracts.fuzz.shrinking import smallest
from contracts.observation import Session

# Plays behaviours side by side, and returns what was seen.
Plays = Callable[[Sequence[Behaviour]], Sequence[Session]]
# How often what broke is played again.
CONFIRMATIONS = 4
# What broke no more often than this, of all its plays, is what a busy machine does: it is counted, and no more.
DOUBTFUL_MAX = 1
# An invariant that was told as intermittent so often is not looked for any longer.
_INTERMITTENT_MAX = 3
# After so many draws Hypothesis begins anew, with another seed: alone it draws for long, and many side by side do not.
_ROUND, _ROUND_SIDE_BY_SIDE = 320, 48


class Over(BaseException):
    """The time is over. Hypothesis takes an Exception for a finding, and plays it again; this ends a round at once."""


class _Failed(BaseException):
    """Carries an exception past Hypothesis."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Search:
    """One search. `width` draws go on side by side; `valid` says of what is smaller whether it can be played."""

    def __init__(
        self,
        plays: Plays,
        strategy: st.SearchStrategy[Behaviour],
        *,
        valid: Callable[[Behaviour], bool],
        seed: int,
        budget: Budget,
        names: Sequence[str] = tuple(INVARIANTS),
        width: int = 1,
    ) -> None:
        self._plays, self._strategy, self._seed, self._budget = plays, strategy, seed, budget
        self._names, self._width, self._valid = frozenset(names), width, valid
        self._progress: Callable[[Outcome], None] = lambda outcome: None
        self.outcome = Outcome(found={}, intermittent={})
        self._doubted: Counter[str] = Counter()
        self._noting, self._looking_closer = threading.Lock(), threading.Lock()
        # How many draws were begun, how many are being played, and whether more may begin.
        self._gate, self._begun, self._under_way, self._paused = threading.Condition(), 0, 0, False

    def on_progress(self, told: Callable[[Outcome], None]) -> None:
        """Tell from now on how far it has come."""
        self._progress = told

    def first(self, behaviours: Sequence[Behaviour]) -> None:
        """Play these first, such as those of a corpus; what breaks is a finding as it is."""
        self._budget.start()
        with contextlib.suppress(Over):
            for start in range(0, len(behaviours), self._width):
                several = behaviours[start : start + self._width]
                for each, session in zip(several, self._play(several), strict=True):
                    self.outcome.held += not broken_in(session, self._names)
                    for broken in broken_in(session, self._looked_for):
                        self._confirmed(broken, each, session)
                self._progress(self.outcome)

    def run(self) -> Outcome:
        """Search until the budget is used up, or all invariants were found broken. What was found stays on Ctrl-C."""
        self._budget.start()
        try:
            if self._width == 1:
                self._explore(0)
            else:
                self._explore_side_by_side()
        except KeyboardInterrupt:
            self._budget.stopped = True
        self.outcome.seconds = self._budget.now() - self._budget.began
        return self.outcome

    def _explore_side_by_side(self) -> None:
        with ThreadPoolExecutor(self._width, "omnimock-fuzz") as pool:
            futures = [pool.submit(self._explore, number) for number in range(self._width)]
        errors = [error for each in futures if (error := each.exception()) is not None]
        # What ended one of them has interrupted the others.
        for error in sorted(errors, key=lambda each: isinstance(each, KeyboardInterrupt)):
            raise error

    @property
    def _looked_for(self) -> frozenset[str]:
        # Copies, for other threads may just be adding to them.
        doubted = {name for name, count in list(self._doubted.items()) if count >= _INTERMITTENT_MAX}
        return self._names - set(self.outcome.found) - doubted

    @property
    def _over(self) -> bool:
        examples = self._budget.examples
        enough = examples is not None and self._begun >= examples
        return enough or self._budget.over or not self._looked_for

    def _explore(self, number: int) -> None:
        """Draw, play and judge until the search is over."""
        rounds = 0
        try:
            while not self._over:
                # Seeds of one search and another do not meet.
                self._round(((self._seed << 8) + number << 24) + rounds)
                rounds += 1
        except BaseException:
            # The others need not go on for something that ends them all.
            self._budget.stopped = True
            raise

    def _round(self, seed: int) -> None:
        @seeded(seed)
        @settings(
            max_examples=_ROUND if self._width == 1 else _ROUND_SIDE_BY_SIDE,
            database=None,
            deadline=None,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=[Phase.generate, Phase.target],
            suppress_health_check=list(HealthCheck),
        )
        @given(self._strategy)
        def shows(behaviour: Behaviour) -> None:
            with self._let_in():
                session = self._played(behaviour)
            aim(session)
            for broken in broken_in(session, self._looked_for):
                self._look_closer(broken, behaviour, session)

        showing: Callable[[], None] = shows
        try:
            showing()
        except Over:
            pass
        except _Failed as failed:
            raise failed.error from None

    def _played(self, behaviour: Behaviour) -> Session:
        try:
            return self._play([behaviour])[0]
        except Exception as error:
            raise _Failed(error) from error

    def _look_closer(self, broken: Broken, behaviour: Behaviour, session: Session) -> None:
        """Play what broke again, and shrink it.

        The others pause meanwhile: one of them may have made it late, or ended the client that it shared.
        """
        with self._looking_closer, self._alone():
            try:
                self._look(broken, behaviour, session)
            except Exception as error:
                raise _Failed(error) from error
            self._progress(self.outcome)

    def _look(self, broken: Broken, behaviour: Behaviour, session: Session) -> None:
        wanted = broken.invariant in self._looked_for and not self._budget.overdrawn
        if wanted and self._confirmed(broken, behaviour, session):
            self._shrink(broken.invariant, behaviour)

    @contextlib.contextmanager
    def _let_in(self) -> Iterator[None]:
        """Wait until it may begin; raise Over where no more is to be drawn."""
        with self._gate:
            self._gate.wait_for(lambda: not self._paused)
            if self._over:
                raise Over
            self._begun += 1
            self._under_way += 1
        try:
            yield
        finally:
            with self._gate:
                self._under_way -= 1
                self._gate.notify_all()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else begin, and wait until those that have begun are through."""
        with self._gate:
            self._paused = True
            self._gate.wait_for(lambda: not self._under_way)
        try:
            yield
        finally:
            with self._gate:
                self._paused = False
                self._gate.notify_all()

    def _confirmed(self, broken: Broken, behaviour: Behaviour, session: Session) -> bool:
        """Play what broke again; what does not break every time is intermittent."""
        wanted = frozenset((broken.invariant,))
        again = self._play([behaviour] * CONFIRMATIONS)
        broke, played = 1 + sum(bool(broken_in(each, wanted)) for each in again), 1 + CONFIRMATIONS
        found = Found(broken, behaviour, session, broke, played)
        if broke == played:
            self.outcome.found[broken.invariant] = found
            return True
        if broke > DOUBTFUL_MAX:
            self.outcome.intermittent.setdefault(broken.invariant, found)
            self._doubted[broken.invariant] += 1
        else:
            self.outcome.doubtful[broken.invariant] += 1
        return False

    def _shrink(self, invariant: str, behaviour: Behaviour) -> None:
        """Keep what is smaller and breaks too; where the time is over, for a moment longer."""
        began, wanted = self._budget.now(), frozenset((invariant,))

        def breaks(behaviours: Sequence[Behaviour]) -> list[tuple[Broken, Session] | None]:
            sessions = self._play(behaviours)
            return [(found[0], each) if (found := broken_in(each, wanted)) else None for each in sessions]

        def keep(smaller: Behaviour, shown: tuple[Broken, Session]) -> None:
            self.outcome.found[invariant] = Found(shown[0], smaller, shown[1])

        smallest(
            behaviour,
            breaks=breaks,
            valid=self._valid,
            room=self._width,
            over=lambda: self._budget.overdrawn or self._budget.now() - began > SHRINK_SECONDS,
            kept=keep,
        )

    def _play(self, behaviours: Sequence[Behaviour]) -> Sequence[Session]:
        sessions = self._plays(behaviours)
        outcome = self.outcome
        with self._noting:
            outcome.sessions += len(sessions)
            for each in sessions:
                outcome.cells.update(cells_of(each))
                outcome.requests += len(each.wire)
                outcome.ends_told += each.first_final() is not None
                outcome.most_requests = max(outcome.most_requests, len(each.wire))
                outcome.outcomes.update(job.outcome or "not reported" for job in each.jobs)
        self._progress(outcome)
        return sessions


def aim(session: Session) -> None:
    """Tell Hypothesis which draws come nearer to trouble."""
    worst: Mapping[str, float] = {
        "requests beside the polls": _beside_polls(session),
        "creates for one job": len(session.submits),
        "seconds until the end was noticed": _unnoticed(session),
        "bytes": _bytes(session),
    }
    for label, value in worst.items():
        target(float(value), label=label)


def _beside_polls(session: Session) -> float:
    """How many more requests came than one for each interval."""
    spent = max(each.ending.ended - each.ending.began for each in session.jobs)
    return max(0.0, len(session.wire) - spent / session.setting("poll_interval_seconds"))


def _unnoticed(session: Session) -> float:
    final = session.first_final()
    return max(0.0, session.ended - final.ended) if final is not None else 0.0


def _bytes(session: Session) -> int:
    return sum(len(each.exchange.incoming.body) for each in session.wire)
