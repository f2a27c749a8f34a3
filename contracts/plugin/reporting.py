"""What the report of a failed test says of the twin: the journal of each of its worlds."""

from contracts.plugin.in_process import InProcess
from contracts.plugin.pages import PageRefused, TwinGone
from contracts.plugin.world import World

TITLE = "omnimock journal"
# A client that changes its key with every request is not shown to its end.
_WORLDS_MAX = 5


def sections(seen: list[World | InProcess]) -> list[tuple[str, str]]:
    """Return a section for each world, as reports have them: a title and a text."""
    return [section for each in seen for section in (_in_process(each) if isinstance(each, InProcess) else _live(each))]


def _live(world: World) -> list[tuple[str, str]]:
    return [(TITLE, _text(world))]


def _in_process(twin: InProcess) -> list[tuple[str, str]]:
    worlds = twin.worlds()
    if not worlds:
        return [(f"{TITLE} (in process)", "(no request with a key came)")]
    return [(f"{TITLE} (in process)", _text(world)) for world in worlds[:_WORLDS_MAX]]


def _text(world: World) -> str:
    try:
        return world.text()
    except (PageRefused, TwinGone) as error:
        return f"(it cannot be read: {error})"
