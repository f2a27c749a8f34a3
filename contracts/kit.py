"""What the parts of the examiner need that not everybody installs: one line says what is missing, and how to get it."""

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def need_kit(command: str) -> None:
    """Raise ValueError where what `command` generates its requests with is not installed."""
    for name in ("hypothesis", "schemathesis"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"omnimock {command} needs {name}, which cannot be imported ({error}): pip install 'omnimock[kit]'"
            ) from None


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Let Hypothesis keep its notes in a folder that goes away, not in the folder that the user happens to be in."""
    from hypothesis.configuration import set_hypothesis_home_dir

    if "HYPOTHESIS_STORAGE_DIRECTORY" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="omnimock-") as folder:
        set_hypothesis_home_dir(Path(folder))
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)
