"""Finds the data files that belong to the project, in every way it can be installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """Return the path of a data file such as `openapi.yaml` or `fixtures/media/manifest.json`.

    A wheel carries the files inside the package; a checkout, or an editable install of one, has them a level up.
    """
    for folder in (_PACKAGE, _PACKAGE.parent):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is neither in {_PACKAGE} nor beside it: the installation is incomplete")
