"""Shrinks a behaviour that breaks an invariant to the smallest that still does.

Of the candidates that are one step smaller, as many as there is room for are played side by side, each a few times:
over sockets a session waits far more than it works. What breaks each time takes the place of what was, until nothing
smaller breaks.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.smaller import smaller

# How often what is smaller has to break, each time it is played.
_TIMES = 2

# What shows that it broke.
T = TypeVar("T")
Breaks = Callable[[Sequence[Behaviour]], Sequence[T | None]]


def smallest(
    first: Behaviour,
    *,
    breaks: Breaks[T],
    valid: Callable[[Behaviour], bool],
    room: int,
    over: Callable[[], bool],
    kept: Callable[[Behaviour, T], None],
) -> Behaviour:
    """Return the smallest that breaks, and tell each one on the way to `kept`, until the time is over.

    `breaks` plays behaviours, `room` at once, and returns for each what shows that it broke, or None.
    """
    best, tried = first, {first.key()}
    while not over():
        candidates = [each for each in smaller(best, valid=valid) if each.key() not in tried]
        broken = next(_broken(candidates, breaks, room, tried, over), None)
        if broken is None:
            break
        best = broken[0]
        kept(*broken)
    return best


def _broken(
    candidates: Sequence[Behaviour], breaks: Breaks[T], room: int, tried: set[bytes], over: Callable[[], bool]
) -> Iterator[tuple[Behaviour, T]]:
    """Yield those that break every time, in their order."""
    at_once = max(1, room // _TIMES)
    for start in range(0, len(candidates), at_once):
        if over():
            return
        several = candidates[start : start + at_once]
        tried.update(each.key() for each in several)
        for each, shown in zip(several, _every_time(several, breaks, room), strict=True):
            if shown is not None:
                yield each, shown


def _every_time(several: Sequence[Behaviour], breaks: Breaks[T], room: int) -> list[T | None]:
    if room >= _TIMES:
        shown = iter(breaks([each for each in several for _ in range(_TIMES)]))
        each_time = [[next(shown) for _ in range(_TIMES)] for _ in several]
        return [one[-1] if all(each is not None for each in one) else None for one in each_time]
    return [_in_turn(each, breaks) for each in several]


def _in_turn(behaviour: Behaviour, breaks: Breaks[T]) -> T | None:
    """Play one after the other: what does not break is not played again."""
    shown: T | None = None
    for _ in range(_TIMES):
        (shown,) = breaks([behaviour])
        if shown is None:
            break
    return shown
