"""Plain counts of what has happened since the start, over all worlds. Whoever wants numbers reads them here."""


class Tally:
    """Counts that only grow. The keys of each come from the spec or from a short list of ours, so they stay few."""

    def __init__(self) -> None:
        # By operation (None where a request reached none) and status (0 where the client left before an answer).
        self.exchanges: dict[tuple[str | None, int], int] = {}
        # By task type.
        self.tasks: dict[str, int] = {}
        # By outcome of the attempt.
        self.attempts: dict[str, int] = {}
        # Deliveries that will not be tried again, by outcome of the last attempt.
        self.deliveries: dict[str, int] = {}

    def exchange(self, operation: str | None, status: int) -> None:
        """Count an exchange."""
        key = (operation, status)
        self.exchanges[key] = self.exchanges.get(key, 0) + 1

    def task(self, task_type: str) -> None:
        """Count a task that was created."""
        self.tasks[task_type] = self.tasks.get(task_type, 0) + 1

    def attempt(self, outcome: str, *, final: bool) -> None:
        """Count an attempt to deliver a callback, and where it is the last one, the delivery."""
        self.attempts[outcome] = self.attempts.get(outcome, 0) + 1
        if final:
            self.deliveries[outcome] = self.deliveries.get(outcome, 0) + 1
