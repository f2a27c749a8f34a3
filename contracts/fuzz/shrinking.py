"""Shrinks a behaviour that breaks an invariant to the smallest that still does.

Of the candidates that are one step smaller, as many as there is room for are played side by side, each a few times:
over sockets a session waits far more than it works. What breaks each time takes the place of what was, until nothing
smaller breaks.
"""

from collections.abc import Callable, Sequence

from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.invariants import Broken, broken_in
from contracts.fuzz.smaller import smaller
from contracts.observation import Session

# Plays behaviours side by side, and returns what was seen.
Plays = Callable[[Sequence[Behaviour]], Sequence[Session]]
# How often what is smaller has to break, each time it is played.
_TIMES = 2


class Shrinker:
    """Shrinks behaviours. `width` sessions are played side by side."""

    def __init__(self, plays: Plays, valid: Callable[[Behaviour], bool], *, width: int) -> None:
        self._plays, self._valid, self._width = plays, valid, width

    def smallest(
        self,
        first: Behaviour,
        invariant: str,
        *,
        over: Callable[[], bool],
        smaller_found: Callable[[Behaviour, Broken, Session], None],
    ) -> Behaviour:
        """Return the smallest that breaks the invariant, and tell each one on the way, until the time is over."""
        best, tried = first, {first.key()}
        while not over():
            candidates = [each for each in smaller(best, valid=self._valid) if each.key() not in tried]
            broken = self._first_that_breaks(candidates, invariant, tried, over)
            if broken is None:
                break
            best = broken[0]
            smaller_found(*broken)
        return best

    def _first_that_breaks(
        self, candidates: Sequence[Behaviour], invariant: str, tried: set[bytes], over: Callable[[], bool]
    ) -> tuple[Behaviour, Broken, Session] | None:
        room = max(1, self._width // _TIMES)
        for start in range(0, len(candidates), room):
            if over():
                return None
            several = candidates[start : start + room]
            tried.update(each.key() for each in several)
            for each, sessions in zip(several, self._played(several, invariant), strict=True):
                if sessions:
                    return each, broken_in(sessions[-1], frozenset((invariant,)))[0], sessions[-1]
        return None

    def _played(self, several: Sequence[Behaviour], invariant: str) -> list[list[Session]]:
        """Return the sessions of each that broke every time, and none for the others."""
        wanted = frozenset((invariant,))
        if self._width > 1:
            flat = iter(self._plays([each for each in several for _ in range(_TIMES)]))
            played = [[next(flat) for _ in range(_TIMES)] for _ in several]
            return [each if all(broken_in(one, wanted) for one in each) else [] for each in played]
        return [self._played_in_turn(each, wanted) for each in several]

    def _played_in_turn(self, behaviour: Behaviour, wanted: frozenset[str]) -> list[Session]:
        """Play one after the other: what does not break is not played again."""
        sessions: list[Session] = []
        for _ in range(_TIMES):
            sessions += self._plays([behaviour])
            if not broken_in(sessions[-1], wanted):
                return []
        return sessions
