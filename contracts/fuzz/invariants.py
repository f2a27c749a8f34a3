"""What holds whatever the server does: each invariant looks at one session, and says what broke it, if anything did.

Each has an exception type of its own, so that tests can tell them apart.
"""

import functools
from collections.abc import Callable, Mapping

import msgspec

from contracts.fuzz.result_invariants import agrees, converges, ends, tells_the_truth
from contracts.fuzz.wire_invariants import fits_the_spec, is_paid_once, is_quiet, keeps_its_key, stays_bounded
from contracts.observation import Session
from contracts.wire import Sighting
from mock_server.redaction import Redactor

# What was seen, in a sentence, with the requests that show it; None where the invariant holds.
Check = Callable[[Session], str | tuple[str, list[Sighting]] | None]


class Broken(msgspec.Struct, frozen=True):
    """An invariant that a session broke: what was seen, in a sentence, and the lines of the wire that show it."""

    invariant: str
    seen: str
    lines: tuple[int, ...] = ()


class Violated(AssertionError):
    """An invariant was broken. Each invariant has a subclass of its own."""

    broken: Broken


@functools.cache
def violation_of(invariant: str) -> type[Violated]:
    """Return the exception type of an invariant."""
    return type("".join(each.capitalize() for each in invariant.split("-")), (Violated,), {})


class Invariant(msgspec.Struct, frozen=True):
    """A check, and the sentence that it stands for. `timed` says that a busy machine may break it."""

    check: Check
    rule: str
    timed: bool = False


INVARIANTS: Mapping[str, Invariant] = {
    "ends": Invariant(ends, "a job ends within its deadline, with an answer", timed=True),
    "paid-once": Invariant(is_paid_once, "one job is paid at most once"),
    "truth": Invariant(tells_the_truth, "what the client reports is what became of the task"),
    "converges": Invariant(
        converges, "what the client was told in the end, it reports, within a poll interval of trouble", timed=True
    ),
    "fits-the-spec": Invariant(fits_the_spec, "every request fits the spec"),
    "bounded": Invariant(stays_bounded, "the requests for one job stay bounded"),
    "secret": Invariant(keeps_its_key, "the key stays secret"),
    "quiet-after-the-end": Invariant(is_quiet, "polls stop after the end"),
    "agrees": Invariant(agrees, "each job has one result, and its receiver does not fail on a callback"),
}


def broken_in(session: Session, names: frozenset[str]) -> list[Broken]:
    """Return what a session broke, of these invariants, in the order of the table. No key is told."""
    found = []
    for name, invariant in INVARIANTS.items():
        if name in names and (seen := invariant.check(session)) is not None:
            text, shown = seen if isinstance(seen, tuple) else (seen, [])
            found.append(Broken(name, Redactor([session.key]).text(text), session.places(shown)))
    return found
