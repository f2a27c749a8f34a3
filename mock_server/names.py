"""What to say where somebody wrote a name that there is not: the nearest one, else all of them."""

from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint such as `did you mean page?`, or `there are page, kling` where nothing is near."""
    # Only a mistake needs it, and a start without one is quicker.
    import difflib

    known = list(names)
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
