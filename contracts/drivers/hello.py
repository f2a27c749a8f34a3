"""The first message of a worker: what it says of itself."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.drivers.base import Declared, HarnessError
from contracts.drivers.child import name_of
from contracts.jobs import CAPABILITIES, PROTOCOL, WISHES
from mock_server.names import nearest

_NAME_CHARACTERS_MAX = 100
# A day: nobody examines a client that waits longer.
_SECONDS_MAX = 86_400


def declared_by(command: Sequence[str], hello: Mapping[str, Any]) -> Declared:
    """Return what a hello says; raise HarnessError where it is not one of this protocol."""
    where = f"the hello of {shlex.join(command)}"
    protocol = hello.get("protocol")
    if isinstance(protocol, bool) or protocol != PROTOCOL:
        raise HarnessError(f"{where} names protocol {protocol!r:.100}; this examiner speaks {PROTOCOL}")
    name, capabilities, settings = hello.get("name"), hello.get("capabilities", []), hello.get("settings", {})
    if not isinstance(capabilities, list) or not all(isinstance(each, str) for each in capabilities):
        raise HarnessError(f"{where}: capabilities is {capabilities!r:.100}; a list of names is expected")
    for each in capabilities:
        if each not in CAPABILITIES:
            raise HarnessError(f"{where}: there is no capability {each!r:.100}; {nearest(each, CAPABILITIES)}")
    if not isinstance(settings, dict):
        raise HarnessError(f"{where}: settings is {settings!r:.100}; an object is expected")
    for key, value in settings.items():
        if key not in WISHES:
            raise HarnessError(f"{where}: there is no setting {key!r:.100}; {nearest(key, WISHES)}")
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < _SECONDS_MAX:
            raise HarnessError(f"{where}: {key} is {value!r:.100}; a number of seconds above 0 is expected")
    return Declared(_name(name) or name_of(command), frozenset(capabilities), dict(settings))


def _name(name: Any) -> str:
    """Return a name on one line, of a length that a report has room for."""
    return " ".join(name.split())[:_NAME_CHARACTERS_MAX] if isinstance(name, str) else ""
