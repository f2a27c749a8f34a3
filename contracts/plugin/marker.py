"""What the marker says: `@pytest.mark.omnimock(scenario="maintenance; on=query")`. What it cannot say is refused."""

from typing import Any

import msgspec
import pytest

from mock_server.names import nearest

NAME = "omnimock"
REAL_HOST = "https://api.deerapi.com"


class Marked(msgspec.Struct, frozen=True):
    """What the markers of one test say, the closest first; None where none says it."""

    scenario: str | dict[str, Any] | None = None
    times: int | str | None = None
    clock: str | None = None
    profile: str | None = None
    host: str = REAL_HOST


def marked(item: pytest.Item) -> Marked:
    """Return what the markers of a test say; raise ValueError, naming the test, for what none can say."""
    said: dict[str, Any] = {}
    for mark in item.iter_markers(NAME):
        try:
            _check(mark)
        except ValueError as error:
            raise ValueError(f"{item.nodeid}: @pytest.mark.omnimock: {error}") from None
        said = {**mark.kwargs, **said}
    if said.get("times") is not None and said.get("scenario") is None:
        raise ValueError(f"{item.nodeid}: @pytest.mark.omnimock: times says how often a scenario plays; name it too")
    return Marked(**said)


def _check(mark: pytest.Mark) -> None:
    known = Marked.__struct_fields__
    if mark.args:
        raise ValueError(f"{mark.args[0]!r} has no name: write scenario={mark.args[0]!r}")
    for name, value in mark.kwargs.items():
        if name not in known:
            raise ValueError(f"there is no argument {name!r}; {nearest(name, known)}")
        if name == "clock" and value not in ("manual", "system"):
            raise ValueError(f"clock={value!r}: manual or system is expected")
        if name == "scenario" and not isinstance(value, str | dict):
            raise ValueError(f"scenario={value!r}: a name or a whole scenario (a dict) is expected")
        if name == "profile" and not isinstance(value, str):
            raise ValueError(f"profile={value!r}: the name of a profile is expected")
        if name == "host" and not (isinstance(value, str) and value.startswith(("http://", "https://"))):
            raise ValueError(f"host={value!r}: an address is expected, such as {REAL_HOST}")
