"""What the twin does in a case, as files of scenarios that anybody can serve."""

from collections.abc import Iterator
from typing import Any

from contracts.case import Case, Play
from contracts.stage import fills_of
from mock_server.document_text import yaml_text

_COLUMNS = 100
# Where strangers listen while a client is examined. By hand, nobody listens on port 9.
_NOBODY = "http://127.0.0.1:9"
# Long enough to be told from others, short enough to be read.
_TEXT_CHARACTERS_MAX = 1_000


def documents_of(case: Case) -> list[dict[str, Any]]:
    """Return the scenarios of a case, each with a name of its own."""
    many = len(case.plays) > 1
    return [
        document_of(case, play, case.id.lower() + (f"-{number}" if many else ""))
        for number, play in enumerate(case.plays, 1)
    ]


def document_of(case: Case, play: Play, name: str) -> dict[str, Any]:
    """Return the scenario of a play; what the examiner fills in is a parameter that has a default."""
    about = case.title + (f" ({play.name})" if play.name else "")
    own = play.scenario.get("parameters", {})
    fills = fills_of("sk-omnimock-by-hand", _NOBODY, _NOBODY)
    named = [each for each in _named(play.scenario) if each in fills]
    filled = {each: {"default": fills[each][:_TEXT_CHARACTERS_MAX]} for each in named} | own
    parameters = {"parameters": filled} if filled else {}
    return {"name": name, "about": about, **play.scenario, **parameters}


def scenario_text(document: dict[str, Any]) -> str:
    """Return a scenario as the text of its file."""
    return yaml_text(document, columns=_COLUMNS)


def _named(value: Any) -> Iterator[str]:
    """Yield what a scenario names with `$`."""
    if isinstance(value, str) and value.startswith("$"):
        yield value[1:]
    elif isinstance(value, dict):
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)
