"""Which settings the twin of a test run has: those of its project, of the plugin's own lines, and of a marker.

A line is `NAME = VALUE`, or `NAME` alone for what is true or false. Names and values are those of `omnimock serve`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from mock_server.cli import serve
from mock_server.defaults import defaults_from_project
from mock_server.names import nearest
from mock_server.settings import Settings

# Where the server listens, who may steer it and how it says that it is ready is between the plugin and the server.
_OF_THE_PLUGIN = frozenset(("host", "port", "ready-file", "control-token"))
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Chosen(msgspec.Struct, frozen=True):
    """What was chosen: as arguments of `omnimock serve`, and as the settings that come of them."""

    arguments: tuple[str, ...]
    settings: Settings


def choose(lines: Iterable[str], folder: Path, *, clock: str | None = None, profile: str | None = None) -> Chosen:
    """Return the settings of these lines; later ones win, and a marker's `clock` and `profile` win over all.

    What they do not say comes from the environment and the `pyproject.toml` of `folder`, as for the command. Where
    nobody says how time passes, it stands still. Raise ValueError for what cannot be.
    """
    arguments = [argument for line in lines for argument in _arguments(line)]
    if profile is not None:
        arguments += ["--profile", profile]
    if clock is not None:
        arguments += ["--clock", clock]
    elif _nobody_says(_context(arguments, folder), "clock", "time_scale"):
        arguments += ["--clock", "manual"]
    context = _context(arguments, folder)
    if clock == "manual" and context.params["time_scale"] != 1:
        arguments += ["--time-scale", "1"]
        context = _context(arguments, folder)
    # Clients of a test need no certificate: what a project says of TLS is for the server that people start.
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in context.params.items()
        if not name.startswith("tls")
    }
    return Chosen(tuple(arguments), Settings(**values))


def in_process(settings: Settings) -> dict[str, Any]:
    """Return those of the settings that a twin in process takes, with a clock that stands still."""
    mine = {
        name: value
        for name, value in msgspec.structs.asdict(settings).items()
        if value != getattr(_DEFAULTS, name) and not name.startswith("tls") and name not in _OF_A_SERVER
    }
    return {**mine, "clock": "manual", "time_scale": 1.0}


_DEFAULTS = Settings()
_OF_A_SERVER = frozenset(("host", "port", "allowed_hosts", "control_token", "callback_allow", "callback_ca"))


def _options() -> Mapping[str, click.Option]:
    return {
        name.lstrip("-"): each
        for each in serve.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
    }


def _arguments(line: str) -> list[str]:
    name, equals, value = (part.strip() for part in line.partition("="))
    options = {
        name: each
        for name, each in _options().items()
        if name not in _OF_THE_PLUGIN and not name.removeprefix("no-").startswith("tls")
    }
    if name in _options() and name not in options:
        raise ValueError(f"the setting {name!r} is the plugin's own: a test's server is on this machine, without TLS")
    if name not in options:
        raise ValueError(f"there is no setting {name!r}; {nearest(name, sorted(options))}")
    option = options[name]
    if not option.is_flag:
        if not equals or not value:
            raise ValueError(f"the setting {name!r} has no value: write {name} = VALUE")
        return [f"--{name}", value]
    if equals and value.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(f"the setting {name} = {value!r}: true or false is expected")
    meant = not equals or value.lower() in _TRUE
    return [f"--{name}" if meant else _opposite(option, name)]


def _opposite(option: click.Option, name: str) -> str:
    return (option.opts if f"--{name}" in option.secondary_opts else option.secondary_opts)[0]


def _context(arguments: list[str], folder: Path) -> click.Context:
    try:
        context = serve.make_context("serve", list(arguments), default_map=defaults_from_project(folder, serve))
    except click.ClickException as error:
        raise ValueError(error.format_message()) from None
    context.params.pop("ready_file", None)
    return context


def _nobody_says(context: click.Context, *names: str) -> bool:
    return all(context.get_parameter_source(name) == ParameterSource.DEFAULT for name in names)
