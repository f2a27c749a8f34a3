"""The package in all the ways it can be had: a wheel, an sdist, an editable install, and a bare checkout.

The artefacts are built once, from a copy of the source. Each way has a Python of its own, which sees the dependencies
of the one that runs the tests and nothing else, and every command runs in a folder that is no checkout.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

from mock_server import __version__
from tests.support import MINIMAL

ROOT = Path(__file__).parents[2]
PACKAGES = ("mock_server", "contracts")
# What belongs to the source, as far as it is there yet.
SOURCE = (
    *PACKAGES,
    "fixtures",
    "openapi.yaml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "ARCHITECTURE.md",
    "docs",
    "examples",
    "tests",
    ".gitignore",
)
# What a builder writes besides, into the top folder of an sdist.
ADDED_TO_SDIST = ("PKG-INFO",)
CACHES = ("__pycache__", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache", "*.pyc")
# Only a failing test waits so long.
PATIENCE_SECONDS = 120.0


def run(*command: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it wrote to standard output."""
    done = run_to_end(*command, folder=folder, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_to_end(
    *command: str | Path, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail. Neither this process's settings nor its modules reach it."""
    mine = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMNIMOCK_", "PYTHON", "COVERAGE_"))
    }
    return subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**mine, "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, so that nothing is built in the real one."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*CACHES))
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, copy / name)
    return copy


@dataclass(frozen=True)
class Built:
    """The artefacts: a wheel built from the checkout, an sdist, and a wheel built from that."""

    wheel: Path
    sdist: Path
    wheel_from_sdist: Path


@pytest.fixture(scope="session")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    direct, through_sdist = tmp_path_factory.mktemp("direct"), tmp_path_factory.mktemp("through-sdist")
    build = (sys.executable, "-m", "build", "--no-isolation")
    run(*build, "--wheel", "--outdir", direct, folder=checkout)
    run(*build, "--outdir", through_sdist, folder=checkout)
    return Built(*direct.glob("*.whl"), *through_sdist.glob("*.tar.gz"), *through_sdist.glob("*.whl"))


# What is in them


def content(archive: Path) -> dict[str, bytes]:
    """Return the files of a wheel or an sdist, without the folder that an sdist puts everything in."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    files = {}
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            if member.isfile() and (file := sdist.extractfile(member)) is not None:
                top, _, name = member.name.partition("/")
                assert top == f"omnimock-{__version__}", member.name
                files[name] = file.read()
    return files


@pytest.fixture(scope="session")
def wheel(built: Built) -> dict[str, bytes]:
    return content(built.wheel)


@pytest.fixture(scope="session")
def sdist(built: Built) -> dict[str, bytes]:
    return content(built.sdist)


def source_files(checkout: Path, *names: str) -> set[str]:
    """Return the files of the checkout below these names."""
    return {
        path.relative_to(checkout).as_posix()
        for name in names
        for path in ((checkout / name).rglob("*") if (checkout / name).is_dir() else [checkout / name])
        if path.is_file()
    }


def top_names(names: Mapping[str, bytes]) -> set[str]:
    return {PurePosixPath(name).parts[0] for name in names}


def test_the_wheel_has_the_packages_and_nothing_else(wheel: dict[str, bytes]) -> None:
    assert top_names(wheel) == {*PACKAGES, f"omnimock-{__version__}.dist-info"}


def test_the_sdist_has_the_source_and_nothing_else(sdist: dict[str, bytes]) -> None:
    assert top_names(sdist) - {*SOURCE, *ADDED_TO_SDIST} == set()


def test_the_sdist_has_all_of_the_source(sdist: dict[str, bytes], checkout: Path) -> None:
    assert source_files(checkout, *SOURCE) - set(sdist) == set()


def test_the_wheel_has_every_file_of_the_packages(wheel: dict[str, bytes], checkout: Path) -> None:
    assert source_files(checkout, *PACKAGES) - set(wheel) == set()


@pytest.mark.parametrize("name", ["openapi.yaml", "fixtures/media", "fixtures/schemas"])
def test_the_wheel_has_the_data(wheel: dict[str, bytes], checkout: Path, name: str) -> None:
    wanted = {f"mock_server/{each}": (checkout / each).read_bytes() for each in source_files(checkout, name)}
    assert wanted
    assert {each: wheel.get(each) for each in wanted} == wanted


def test_every_video_of_the_manifest_is_in_the_wheel(wheel: dict[str, bytes]) -> None:
    manifest = json.loads(wheel["mock_server/fixtures/media/manifest.json"])
    assert {f"mock_server/fixtures/media/{each['file']}" for each in manifest["files"]} - set(wheel) == set()


def test_a_wheel_made_from_the_sdist_is_the_wheel(wheel: dict[str, bytes], built: Built) -> None:
    assert content(built.wheel_from_sdist) == wheel


def test_no_cache_is_packed(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    assert [name for name in (*wheel, *sdist) if "cache" in name or name.endswith(".pyc")] == []


def test_the_wheel_says_that_it_is_typed_only_if_it_is(wheel: dict[str, bytes], checkout: Path) -> None:
    """Without `py.typed` a type checker takes everything of the package for Any."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    typed = {package for package in PACKAGES if f"{package}/py.typed" in wheel}
    assert typed == (set(PACKAGES) if "Typing :: Typed" in project["classifiers"] else set())


def metadata(wheel: dict[str, bytes], name: str) -> str:
    return wheel[f"omnimock-{__version__}.dist-info/{name}"].decode()


def test_the_wheel_carries_the_licence(wheel: dict[str, bytes], checkout: Path) -> None:
    assert metadata(wheel, "licenses/LICENSE") == (checkout / "LICENSE").read_text(encoding="utf-8")


def test_the_wheel_shows_the_readme(wheel: dict[str, bytes], checkout: Path) -> None:
    shown = Parser().parsestr(metadata(wheel, "METADATA")).get_payload()
    assert isinstance(shown, str)
    assert shown.strip() == (checkout / "README.md").read_text(encoding="utf-8").strip()


def test_the_wheel_is_for_every_platform(built: Built) -> None:
    assert built.wheel.name == f"omnimock-{__version__}-py3-none-any.whl"


# What they do


@dataclass(frozen=True)
class Installed:
    """omnimock, had in one of the ways."""

    python: Path
    # The command, as users of this way write it.
    omnimock: tuple[str | Path, ...]
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def make_python(folder: Path, *wheels: Path) -> Path:
    """Make a virtual environment, install wheels into it, and let it see the dependencies. Return its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder.parent)
    python = folder / "bin" / "python"
    for each in wheels:
        pip = (sys.executable, "-m", "pip", "--python", python)
        run(*pip, "install", "--quiet", "--no-deps", "--no-index", each, folder=folder.parent)
    # A path in a .pth file is looked through for modules; .pth files there, such as ours, are not read.
    (site_packages,) = (folder / "lib").glob("python*/site-packages")
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
    return python


MakeInstalled = Callable[[pytest.FixtureRequest, Path], Installed]


def from_wheel(request: pytest.FixtureRequest, folder: Path) -> Installed:
    built: Built = request.getfixturevalue("built")
    python = make_python(folder / "environment", built.wheel)
    return Installed(python, (python.with_name("omnimock"),), folder)


def from_sdist(request: pytest.FixtureRequest, folder: Path) -> Installed:
    built: Built = request.getfixturevalue("built")
    python = make_python(folder / "environment", built.wheel_from_sdist)
    return Installed(python, (python.with_name("omnimock"),), folder)


def from_editable(request: pytest.FixtureRequest, folder: Path) -> Installed:
    """The tests themselves run in one, as the README says: it is made by pip from this very checkout."""
    told = importlib.metadata.distribution("omnimock").read_text("direct_url.json")
    if told is None or not json.loads(told).get("dir_info", {}).get("editable"):
        pytest.skip("these tests do not run in an editable install, which the README's test command makes")
    return Installed(Path(sys.executable), (Path(sysconfig.get_path("scripts")) / "omnimock",), ROOT)


def from_checkout(request: pytest.FixtureRequest, folder: Path) -> Installed:
    """Nothing is installed; Python is told where the checkout is."""
    checkout: Path = request.getfixturevalue("checkout")
    python = make_python(folder / "environment")
    return Installed(python, (python, "-m", "contracts"), checkout, {"PYTHONPATH": str(checkout)})


@pytest.fixture(
    scope="session",
    params=[from_wheel, from_sdist, from_editable, from_checkout],
    ids=["wheel", "sdist", "editable", "checkout"],
)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    make: MakeInstalled = request.param
    return make(request, tmp_path_factory.mktemp("installed"))


def omnimock(installed: Installed, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command `omnimock` in a folder that is no checkout."""
    return run_to_end(*installed.omnimock, *arguments, folder=folder, environment=installed.environment)


def test_the_code_that_runs_is_the_one_that_was_installed(installed: Installed, tmp_path: Path) -> None:
    program = "import contracts, mock_server; print(contracts.__file__); print(mock_server.__file__)"
    told = run(installed.python, "-c", program, folder=tmp_path, environment=installed.environment)
    assert all(Path(line).is_relative_to(installed.home) for line in told.splitlines()), told


def test_the_server_alone_runs_as_a_module(installed: Installed, tmp_path: Path) -> None:
    told = run(installed.python, "-m", "mock_server", "--version", folder=tmp_path, environment=installed.environment)
    assert told == f"omnimock, version {__version__}\n"


def test_the_command_says_its_version(installed: Installed, tmp_path: Path) -> None:
    assert omnimock(installed, tmp_path, "--version").stdout == f"omnimock, version {__version__}\n"


def test_the_rules_are_found(installed: Installed, tmp_path: Path) -> None:
    done = omnimock(installed, tmp_path, "rules", "--json")
    assert done.returncode == 0, done.stderr
    assert {f"R{number}" for number in range(1, 16)} <= {
        each["id"].partition("-")[0] for each in json.loads(done.stdout)
    }


def test_the_problems_are_found(installed: Installed, tmp_path: Path) -> None:
    done = omnimock(installed, tmp_path, "problems", "--json")
    assert done.returncode == 0, done.stderr
    assert {1000, 1201, 1303, 5000} <= {each["code"] for each in json.loads(done.stdout)}


def test_a_body_that_keeps_the_rules_is_taken(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(MINIMAL), encoding="utf-8")
    done = omnimock(installed, tmp_path, "validate", "body.json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_body_that_breaks_a_rule_is_not_taken(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps({**MINIMAL, "sound": "on"}), encoding="utf-8")
    done = omnimock(installed, tmp_path, "validate", "--json", "body.json")
    assert (done.returncode, [each["rule"] for each in json.loads(done.stdout)["violations"]]) == (1, ["R9"])
