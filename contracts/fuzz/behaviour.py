"""A behaviour: how the server behaves in one session, and what the client is asked. It is drawn, and replayed."""

from typing import Any

import msgspec

from contracts.case import Case, Play

# A client that polls on when it has given its result does so within an interval.
_WATCHED_INTERVALS = 2.5
# A task takes minutes where nothing is said. A session is over in a moment, and a client polls a few times meanwhile.
PACE = "10ms"
USUAL_LIFECYCLE = {"pace": PACE}
# Another pace says something, however short it is.
_LIFECYCLE_SIZE = 5
# To be told by callbacks as well is so much more to understand, in characters.
_CALLBACKS_SIZE = 20


class Behaviour(msgspec.Struct, frozen=True):
    """One session to be played.

    `scenario` is in the common format, `request` what the client is asked for, laid over the usual one. `callbacks`
    says that the client's receiver is told the story.
    """

    scenario: dict[str, Any] = {}
    request: dict[str, Any] = {}
    callbacks: bool = False

    def size(self) -> int:
        """Return how much there is to understand of it, in characters."""
        unusual = bool(self.scenario.get("lifecycle", USUAL_LIFECYCLE) != USUAL_LIFECYCLE)
        written = len(msgspec.json.encode((self.scenario, self.request)))
        return written + _CALLBACKS_SIZE * self.callbacks + _LIFECYCLE_SIZE * unusual

    def key(self) -> bytes:
        """Return what is the same for equal behaviours alone."""
        return msgspec.json.encode(self, order="deterministic")

    def play(self, settings: dict[str, float]) -> Play:
        """Return the play of a case that shows it."""
        return Play(
            name="fuzz",
            scenario=self.scenario,
            request=self.request,
            callbacks=self.callbacks,
            settings=settings,
            virtual_settings=settings,
            watched_seconds=_WATCHED_INTERVALS * settings["poll_interval_seconds"],
        )


FUZZ = Case(
    id="FUZZ",
    title="generated server behaviour",
    requirement="Whatever the server does, the client keeps the invariants.",
    level="must",
    basis="ours",
    source="money and safety rules of omnimock's own",
    why="",
    fix="",
    example="",
    plays=(),
    checks=(),
)
