"""Where settings come from besides the command line: the environment, and `[tool.omnimock]` in `pyproject.toml`.

What is written there and is no setting is an error: somebody believes that it works.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from mock_server.names import nearest

# Set for clients under test, or for the examiner: no settings of the server, and none to complain about.
_OTHER_VARIABLES = frozenset(
    ("OMNIMOCK_BASE_URL", "OMNIMOCK_API_KEY", "OMNIMOCK_JOB", "OMNIMOCK_WARP", "OMNIMOCK_LIBFAKETIME")
)


def defaults_from_project(folder: Path, serve: click.Command) -> dict[str, Any]:
    """Return the settings of `[tool.omnimock]` in the `pyproject.toml` of `folder`, by the names of click's parameters.

    Raise ValueError for a table or a setting that is not known, suggesting the nearest.
    """
    path = folder / "pyproject.toml"
    if not path.exists():
        return {}
    # Imported where there is something to read: it takes a moment, and the start is short.
    import tomllib

    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    table: Any = project
    for name in ("tool", "omnimock"):
        table = table.get(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{path}: {name} is not a table: settings stand in [tool.omnimock]")
    known = {each.opts[0].lstrip("-"): each for each in serve.params if isinstance(each, click.Option)}
    defaults: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise ValueError(f"{path}: [tool.omnimock] {name}: {_no_setting(name, known)}")
        option = known[name]
        if isinstance(value, dict):
            raise ValueError(f"{path}: [tool.omnimock] {name} is a table; it is a value")
        if expected := _misfit(option, value):
            raise ValueError(f"{path}: [tool.omnimock] {name} = {value!r}: {expected} is expected")
        defaults[str(option.name)] = value
    return defaults


def check_environment(environment: Mapping[str, str], commands: Iterable[click.Command]) -> None:
    """Raise ValueError for an OMNIMOCK_… variable that is no setting, suggesting the nearest."""
    known = {
        str(option.envvar)
        for command in commands
        for option in command.params
        if isinstance(option, click.Option) and option.envvar
    }
    for name in environment:
        if name.startswith("OMNIMOCK_") and name not in known and name not in _OTHER_VARIABLES:
            raise ValueError(f"the environment variable {name}: {_no_setting(name, known)}")


def _misfit(option: click.Option, value: Any) -> str:
    """Return what the option takes, where `value` is of another type: TOML has types, and none is guessed."""
    if option.is_flag:
        return "" if isinstance(value, bool) else "true or false"
    if option.multiple:
        texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return "" if texts else "a list of texts"
    if isinstance(option.type, click.types.IntParamType):
        return "" if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return "" if isinstance(value, int | float) and not isinstance(value, bool) else "a number"
    return "" if isinstance(value, str) else "a text"


def _no_setting(name: str, known: Iterable[str]) -> str:
    return f"there is no such setting; {nearest(name, sorted(known))}"
