"""The example project runs alone, as it is: in one process, and in two workers of pytest-xdist."""

import shutil
from pathlib import Path

import pytest

from tests.plugin.support import ROOT, run_pytest


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_every_test_of_the_example_project_passes(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples/pytest-project", project, ignore=shutil.ignore_patterns("__pycache__"))
    ended = run_pytest(project, *arguments)
    assert ended.status == 0, ended.text
    assert ended.outcomes == {"passed": 11}


def test_the_page_runs_as_it_is_written(tmp_path: Path) -> None:
    page = (ROOT / "docs/pytest.md").read_text(encoding="utf-8")
    examples = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    shutil.copy(ROOT / "examples/pytest-project/video_client.py", tmp_path)
    shutil.copy(ROOT / "examples/pytest-project/pyproject.toml", tmp_path)
    (tmp_path / "test_page.py").write_text("\n\n".join(examples), encoding="utf-8")
    ended = run_pytest(tmp_path)
    assert ended.status == 0, ended.text
    assert ended.outcomes == {"passed": 5}
