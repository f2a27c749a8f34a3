"""docs/virtual-time.md is true: its examples run, and it names what is raised."""

import re
from pathlib import Path
from typing import Any

from contracts import virtual_loop, virtual_time

PAGE = (Path(__file__).parents[2] / "docs/virtual-time.md").read_text(encoding="utf-8")


def ran(number: int) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number], namespace)
    return namespace


def test_the_example_of_an_async_client_sees_what_it_says() -> None:
    example = ran(0)
    assert example["status"] == "succeed"
    for each in example["seen"][:2]:
        said = ", ".join(f'"{part}"' if isinstance(part, str) else str(part) for part in each)
        assert f"`({said})`" in PAGE


def test_the_example_of_a_sync_client_runs() -> None:
    example = ran(1)
    example["client"].close()
    assert example["moments"] == [0, 90]
    assert [each["task_status"] for each in example["page"]["data"]] == ["succeed"]


def test_the_example_without_a_twin_runs() -> None:
    ran(2)


def test_the_page_names_all_that_stops_a_client() -> None:
    for each in (*virtual_loop.Stopped.__subclasses__(), virtual_time.UnfitPython):
        assert f"| `{each.__name__}`" in PAGE
    assert f"{virtual_loop.REAL_SECONDS_MAX:g} s of it" in PAGE
