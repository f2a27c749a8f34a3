"""The examiner: validates clients against the twin. Its command line is the command `omnimock`.

In Python it is `examine(client)` and `fuzz_client(client)`, which are imported when they are asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.examine import examine
    from contracts.fuzz.client import fuzz_client

__all__ = ["examine", "fuzz_client"]

_LATER = {"examine": "contracts.examine", "fuzz_client": "contracts.fuzz.client"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)
