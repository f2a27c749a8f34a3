"""What to say where somebody wrote a name that there is not: the nearest one, else those there are."""

from collections.abc import Iterable

# A longer list helps nobody; a longer name is no slip of the pen.
_NAMED_MAX = 40
_NAME_CHARACTERS_MAX = 100


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint such as `did you mean page?`, or `there are page, kling` where nothing is near."""
    # Only a mistake needs it, and a start without one is quicker.
    import difflib

    known = list(names)
    near = difflib.get_close_matches(name[:_NAME_CHARACTERS_MAX], known, 1)
    if near:
        return f"did you mean {near[0]}?"
    if not known:
        return "there is none"
    more = f" and {len(known) - _NAMED_MAX} more" if len(known) > _NAMED_MAX else ""
    return f"there are {', '.join(known[:_NAMED_MAX])}{more}"
