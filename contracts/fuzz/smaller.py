"""What is smaller than a behaviour: with one thing less in it, or a simpler one in its place.

A behaviour is a small tree of JSON. Taking parts of it away, the largest first, leads in a few steps to what is needed,
and each step offers many candidates at once, which can be played side by side.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from contracts.fuzz.behaviour import USUAL_LIFECYCLE, Behaviour

# A member whose text is JSON: what is in it can be taken away as well.
_EMBEDDED = "other-body"
# Without it a task takes minutes, which is no simpler for being unsaid.
_KEPT = frozenset((("lifecycle",), ("lifecycle", "pace")))
# Texts become this at the least, and a text of up to so many characters is short enough to read.
_SHORT_TEXT = 12
# Where `{reset: {when: inside}}` is `reset`, with an argument.
_WITH_ARGUMENTS = frozenset(("submit", "query", "outages", "callbacks"))

Tree = Any
Path = tuple[str | int, ...]


def smaller(behaviour: Behaviour, *, valid: Callable[[Behaviour], bool]) -> list[Behaviour]:
    """Return what is one step smaller and valid, the smallest first."""
    found: dict[bytes, Behaviour] = {}
    for each in _candidates(behaviour):
        key = each.key()
        if each.size() < behaviour.size() and key not in found and valid(each):
            found[key] = each
    return sorted(found.values(), key=Behaviour.size)


def _candidates(one: Behaviour) -> Iterator[Behaviour]:
    if one.request:
        yield msgspec.structs.replace(one, request={})
        for request in _trees(one.request, ("request",)):
            yield msgspec.structs.replace(one, request=request)
    if one.callbacks:
        without = {key: value for key, value in one.scenario.items() if key != "callbacks"}
        yield msgspec.structs.replace(one, scenario=without, callbacks=False)
    yield msgspec.structs.replace(one, scenario={"lifecycle": USUAL_LIFECYCLE})
    yield msgspec.structs.replace(one, scenario={**one.scenario, "lifecycle": USUAL_LIFECYCLE})
    for scenario in _trees(one.scenario, ()):
        yield msgspec.structs.replace(one, scenario=scenario)


def _trees(tree: Tree, path: Path) -> Iterator[Tree]:
    """Yield the tree with one part of it taken away, or made simpler."""
    if isinstance(tree, dict):
        yield from _of_mapping(tree, path)
    elif isinstance(tree, list):
        yield from _of_list(tree, path)
    elif isinstance(tree, str):
        yield from _of_text(tree, path)


def _of_mapping(tree: dict[str, Tree], path: Path) -> Iterator[Tree]:
    names = [name for name in tree if (*path, name) not in _KEPT]
    if len(names) > 3:
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            yield {name: value for name, value in tree.items() if name not in half}
    for name in names:
        yield {key: value for key, value in tree.items() if key != name}
    if len(tree) == 1 and len(path) > 1 and path[0] in _WITH_ARGUMENTS:
        yield next(iter(tree))
    for name, value in tree.items():
        for each in _trees(value, (*path, name)):
            yield {**tree, name: each}


def _of_list(tree: list[Tree], path: Path) -> Iterator[Tree]:
    if len(tree) > 3:
        half = len(tree) // 2
        yield tree[half:]
        yield tree[:half]
    for index in range(len(tree)):
        yield tree[:index] + tree[index + 1 :]
    for index, value in enumerate(tree):
        # What comes after it may have to stay in its place.
        if path in (("submit",), ("query",)) and value != "normal":
            yield [*tree[:index], "normal", *tree[index + 1 :]]
        for each in _trees(value, (*path, index)):
            yield [*tree[:index], each, *tree[index + 1 :]]


def _of_text(tree: str, path: Path) -> Iterator[Tree]:
    if path and path[-1] == _EMBEDDED:
        with contextlib.suppress(ValueError):
            for each in _trees(json.loads(tree), ("",)):
                yield json.dumps(each)
    elif len(tree) > _SHORT_TEXT:
        yield tree[: len(tree) // 2]
