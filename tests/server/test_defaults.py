from pathlib import Path
from typing import Any

import click
import pytest

from mock_server.defaults import check_environment, defaults_from_project


@click.command()
@click.option("--port", envvar="OMNIMOCK_PORT", type=int)
@click.option("--api-key", "api_keys", envvar="OMNIMOCK_API_KEYS", multiple=True)
@click.option("--explain/--no-explain", envvar="OMNIMOCK_EXPLAIN")
@click.option("--json", "as_json", is_flag=True)
@click.argument("body")
def serve(**values: Any) -> None:
    """Stand in for the command whose settings are meant."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "pyproject.toml"


def test_settings_are_read_by_the_names_of_their_options(project: Path) -> None:
    project.write_text('[tool.omnimock]\nport = 0\napi-key = ["a", "b"]\nexplain = false\n')
    assert defaults_from_project(project.parent, serve) == {"port": 0, "api_keys": ["a", "b"], "explain": False}


@pytest.mark.parametrize("text", ["", "[tool]", "[tool.other]\nport = 1", "[tool.omnimock]", "[project]\nname = 'x'"])
def test_a_project_that_says_nothing_sets_nothing(project: Path, text: str) -> None:
    project.write_text(text)
    assert defaults_from_project(project.parent, serve) == {}


def test_a_folder_without_a_project_sets_nothing(tmp_path: Path) -> None:
    assert defaults_from_project(tmp_path, serve) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[tool.omnimock]\nprot = 1", "prot: there is no such setting; did you mean port?"),
        ("[tool.omnimock]\napi_keys = ['a']", "api_keys: there is no such setting; did you mean api-key?"),
        ("[tool.omnimock]\nzzz = 1", "there are api-key, explain, json, port"),
        ("[tool.omnimock]\nbody = 'x'", "body: there is no such setting"),
        ("[tool.omnimock.port]\na = 1", "port is a table; it is a value"),
        ("[tool.omnimock", "pyproject.toml: "),
        ("[[tool.omnimock]]\nport = 1", "omnimock"),
        ("tool.omnimock = 4747", "omnimock"),
        ("tool = 'omnimock'", "tool"),
    ],
)
def test_what_is_no_setting_is_refused_with_the_file(project: Path, text: str, reason: str) -> None:
    project.write_text(text)
    with pytest.raises(ValueError, match=r"pyproject\.toml") as caught:
        defaults_from_project(project.parent, serve)
    assert reason in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused(project: Path) -> None:
    project.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"pyproject\.toml"):
        defaults_from_project(project.parent, serve)


@pytest.mark.parametrize(
    "name",
    [
        "OMNIMOCK_PORT",
        "OMNIMOCK_API_KEYS",
        "OMNIMOCK_BASE_URL",
        "OMNIMOCK_API_KEY",
        "OMNIMOCK_JOB",
        "PATH",
        "omnimock_x",
    ],
)
def test_variables_that_are_settings_or_not_ours_are_fine(name: str) -> None:
    check_environment({name: "x"}, [serve])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("OMNIMOCK_PROT", "did you mean OMNIMOCK_PORT?"),
        ("OMNIMOCK_APIKEYS", "did you mean OMNIMOCK_API_KEYS?"),
        ("OMNIMOCK_", "there is no such setting"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        check_environment({"OMNIMOCK_PORT": "1", name: "x"}, [serve])
    assert hint in str(caught.value)
