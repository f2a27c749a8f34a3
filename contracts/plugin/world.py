"""The world of one test: what a test asks of its twin, and what it asserts of the client that talked to it."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.plugin.lines import lines, wrongs
from contracts.plugin.pages import Pages

# Where something fails, the reader wants the line of the test, not ours.
__tracebackhide__ = True

# What the provider answers whom there are too many of.
_TOO_MANY = 429


class World(Pages):
    """A world with assertions about its journal. One that fails says what was expected, and shows what came."""

    def assert_requests(
        self,
        *,
        count: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """Assert how many requests pass the filters (`operation`, `method`, `path`, `http_status`, …); return them.

        At least one must, unless `count`, `at_least` or `at_most` say otherwise.
        """
        return self._assert_entries("exchange", "requests", _bounds(count, at_least, at_most), filters)

    def assert_callbacks(
        self,
        *,
        count: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """Assert how many attempts of callbacks pass the filters (`status`, `outcome`, `task_id`, …); return them."""
        return self._assert_entries("callback", "callback attempts", _bounds(count, at_least, at_most), filters)

    def assert_paid_at_most(self, count: int, *, external_id: str | None = None) -> None:
        """Assert that no more than `count` tasks are paid for: those that have succeeded, and those that still may."""
        tasks = [each for each in self.tasks(external_id=external_id) if each["final"] != "failure"]
        if len(tasks) <= count:
            return
        whose = f" of {external_id!r}" if external_id is not None else ""
        ledger = self.ledger(external_id)["total"]
        paid = [
            f"  task {each['id']}  {each['status']:<10}  {_units(each)}"
            + (f"  external id {each['external_id']}" if each["external_id"] is not None else "")
            for each in tasks
        ]
        submits = [each for each in self.journal(kind="exchange") if each["request"]["method"] == "POST"]
        told = (
            f"tasks{whose} that are paid for: {_said((0, count))} expected, {len(tasks)} came "
            f"({ledger['units']} units charged so far)"
        )
        raise AssertionError("\n".join((told, *paid, *_block("the submits:", submits, self._began_ms()))))

    def assert_no_violations(self, *, warnings: bool = False) -> None:
        """Assert that no request broke the spec or a rule; with `warnings`, not even one that may be taken amiss."""
        entries = self.journal(kind="exchange")
        broken = [(each, told) for each in entries if (told := _wrongs(each, warnings=warnings))]
        if not broken:
            return
        told = [
            f"requests that break the spec or a rule: none expected, {len(broken)} of {len(entries)} came",
        ]
        for entry, reasons in broken:
            bare = {**entry, "explanation": {"problem": (entry["explanation"] or {}).get("problem")}}
            told += [f"  {line}" for line in lines([bare], since_ms=self._began_ms())]
            told += [f"         {reason}" for reason in reasons]
        raise AssertionError("\n".join(told))

    def _assert_entries(
        self, kind: str, what: str, bounds: tuple[int, int | None], filters: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        found = self.journal(kind=kind, **filters)
        least, most = bounds
        if len(found) >= least and (most is None or len(found) <= most):
            return found
        asked = f" with {', '.join(f'{name}={value}' for name, value in filters.items())}" if filters else ""
        told = f"{what}{asked}: {_said(bounds)} expected, {len(found) or 'none'} came"
        if found:
            shown = _block("these came:", found, self._began_ms())
        else:
            shown = _block("what came instead:", self.journal()) or ["  the journal is empty: no request came"]
        raise AssertionError("\n".join((told, *shown)))

    def _began_ms(self) -> int | None:
        first = self.ask("GET", "journal", limit=1)["entries"]
        return int(first[0]["at_ms"]) if first else None


def _block(title: str, entries: Sequence[Mapping[str, Any]], since_ms: int | None = None) -> list[str]:
    return [title, *(f"  {line}" for line in lines(entries, since_ms=since_ms))] if entries else []


def _wrongs(entry: Mapping[str, Any], *, warnings: bool) -> list[str]:
    """What the client did wrong; being too many or too fast for the provider is no violation."""
    response = entry["response"]
    if response is not None and response["status"] == _TOO_MANY:
        return []
    return wrongs(entry["explanation"] or {}, warnings=warnings)


def _units(task: Mapping[str, Any]) -> str:
    return f"{task['units']} units" if task["units"] is not None else "units not known"


def _bounds(count: int | None, at_least: int | None, at_most: int | None) -> tuple[int, int | None]:
    if count is not None:
        if at_least is not None or at_most is not None:
            raise TypeError("count says it all; leave out at_least and at_most, or count")
        return count, count
    if at_least is None and at_most is None:
        return 1, None
    return at_least or 0, at_most


def _said(bounds: tuple[int, int | None]) -> str:
    least, most = bounds
    if least == most:
        return f"exactly {least}" if least else "none"
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if not least else f"{least} to {most}"
