"""Where settings come from besides the command line: the environment, and `[tool.omnimock]` in `pyproject.toml`.

What is written there and is no setting is an error: somebody believes that it works.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

# Set by the driver protocol for clients under test: no settings of the server, and none to complain about.
_OTHER_VARIABLES = frozenset(("OMNIMOCK_BASE_URL", "OMNIMOCK_API_KEY", "OMNIMOCK_JOB"))


def defaults_from_project(folder: Path, serve: click.Command) -> dict[str, Any]:
    """Return the settings of `[tool.omnimock]` in the `pyproject.toml` of `folder`, by the names of click's parameters.

    Raise ValueError for a table or a setting that is not known, suggesting the nearest.
    """
    path = folder / "pyproject.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("omnimock", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    known = {each.opts[0].lstrip("-"): str(each.name) for each in serve.params if isinstance(each, click.Option)}
    defaults: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise ValueError(f"{path}: [tool.omnimock] {name}: {_no_setting(name, known)}")
        if isinstance(value, dict):
            raise ValueError(f"{path}: [tool.omnimock] {name} is a table; it is a value")
        defaults[known[name]] = value
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


def _no_setting(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
    return f"there is no such setting; {hint}"
