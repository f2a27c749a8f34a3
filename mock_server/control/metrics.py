"""The twin's numbers in the text format of Prometheus. They are counted elsewhere, and only read here.

Labels come from the spec and from short lists of ours, never from a request: so they stay few, and hold no key.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from mock_server import __version__
from mock_server.twin import Twin

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def exposition(twin: Twin) -> bytes:
    """Return all numbers, as they are now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(twin))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def collect(self) -> Iterable[Metric]:
        yield from self._counters()
        yield from self._gauges()
        info = {"version": __version__, "profile": self._twin.program.profile.name}
        yield InfoMetricFamily("omnimock_build", "What runs.", value=info)

    def _counters(self) -> Iterator[Metric]:
        tally = self._twin.tally
        requests = CounterMetricFamily(
            "omnimock_requests",
            "Requests to the spec's operations. Without an operation none was reached; status 0: the client left.",
            labels=("operation", "status"),
        )
        for (operation, status), count in list(tally.exchanges.items()):
            requests.add_metric((operation or "", str(status)), count)
        yield requests
        counted = (
            ("omnimock_tasks_submitted", "Tasks that were created.", "type", tally.tasks),
            ("omnimock_callback_attempts", "Attempts to deliver a callback.", "outcome", tally.attempts),
            ("omnimock_callback_deliveries", "Deliveries that have ended.", "outcome", tally.deliveries),
        )
        for name, about, label, counts in counted:
            family = CounterMetricFamily(name, about, labels=(label,))
            for value, count in list(counts.items()):
                family.add_metric((value,), count)
            yield family
        yield CounterMetricFamily(
            "omnimock_crashes", "Requests that the twin failed on itself.", value=self._twin.endpoint.crashes
        )

    def _gauges(self) -> Iterator[Metric]:
        twin = self._twin
        worlds = [twin.worlds.lobby, *twin.worlds]
        gauges = (
            ("omnimock_worlds", "Worlds that are open.", len(twin.worlds)),
            ("omnimock_tasks_kept", "Tasks that are kept.", sum(len(each.store) for each in worlds)),
            ("omnimock_callbacks_booked", "Callbacks that are due later.", sum(len(each.outbox) for each in worlds)),
            ("omnimock_journal_entries", "Journal entries that are kept.", sum(len(each.journal) for each in worlds)),
            ("omnimock_journal_bytes", "About how large those are.", twin.journal_room.used),
            ("omnimock_journal_readers", "Waits and streams that are under way.", len(twin.readers)),
        )
        for name, about, value in gauges:
            yield GaugeMetricFamily(name, about, value=value)
