"""The examiner: validates clients against the twin. Its command line is the command `omnimock`.

In Python it is `examine(client)`, which is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.examine import examine

__all__ = ["examine"]

_LATER = {"examine": "contracts.examine"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)
