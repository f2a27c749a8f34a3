"""The external id of a request is not that of an earlier task of the same world."""

from collections.abc import Callable, Container, Mapping
from typing import Any


def make(arguments: Mapping[str, Any]) -> Callable[[Any, str | None, Container[str]], list[tuple[str, Any]]]:
    """Make the check; it is told nothing."""

    def check(body: Any, external_id: str | None, used: Container[str]) -> list[tuple[str, Any]]:
        return [("", external_id)] if external_id is not None and external_id in used else []

    return check
