"""Plain counts of what has happened since the start, over all worlds. Whoever wants numbers reads them here."""

from collections import defaultdict


class Tally:
    """Counts that only grow. The keys of each come from the spec or from a short list of ours, so they stay few."""

    def __init__(self) -> None:
        # By operation (None where a request reached none) and status (0 where the client left before an answer).
        # Every request adds one here, so it is a plain dictionary: calling a method costs more than the addition.
        self.exchanges: defaultdict[tuple[str | None, int], int] = defaultdict(int)
        # By task type.
        self.tasks: defaultdict[str, int] = defaultdict(int)
        # By outcome of the attempt.
        self.attempts: defaultdict[str, int] = defaultdict(int)
        # Deliveries that will not be tried again, by outcome of the last attempt.
        self.deliveries: defaultdict[str, int] = defaultdict(int)

    def attempt(self, outcome: str, *, final: bool) -> None:
        """Count an attempt to deliver a callback, and where it is the last one, the delivery."""
        self.attempts[outcome] += 1
        if final:
            self.deliveries[outcome] += 1
