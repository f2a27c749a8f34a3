"""Where the settings of a test's twin come from, and what is said of those that cannot be."""

from pathlib import Path

import pytest

from contracts.plugin.settings import choose, in_process


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("seed = 7", ["--seed", "7"]),
        ("callback-retries=1s,2s", ["--callback-retries", "1s,2s"]),
        ("explain = false", ["--no-explain"]),
        ("explain", ["--explain"]),
        ("no-explain", ["--no-explain"]),
        ("no-explain = off", ["--explain"]),
    ],
)
def test_a_line_is_an_argument_of_the_server(tmp_path: Path, line: str, arguments: list[str]) -> None:
    assert list(choose([line], tmp_path).arguments) == [*arguments, "--clock", "manual"]


def test_later_lines_win(tmp_path: Path) -> None:
    assert choose(["seed = 1", "seed = 2"], tmp_path).settings.seed == 2


@pytest.mark.parametrize("line", ["clock = system", "time-scale = 60"])
def test_the_clock_stands_still_unless_somebody_says_how_time_passes(tmp_path: Path, line: str) -> None:
    assert choose([], tmp_path).settings.clock == "manual"
    assert choose([line], tmp_path).settings.clock == "system"


def test_the_project_and_the_environment_have_a_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.omnimock]\ntime-scale = 60\nport = 1\ntls = true\ntls-name = ["twin.test"]\n', encoding="utf-8"
    )
    monkeypatch.setenv("OMNIMOCK_SEED", "9")
    settings = choose(["profile = page"], tmp_path).settings
    assert (settings.time_scale, settings.clock, settings.seed) == (60, "system", 9)
    assert (settings.profile, settings.tls, settings.tls_names) == ("page", False, ())


def test_a_marker_wins_over_all(tmp_path: Path) -> None:
    settings = choose(["time-scale = 60", "profile = kling"], tmp_path, clock="manual", profile="page").settings
    assert (settings.time_scale, settings.clock, settings.profile) == (1, "manual", "page")


def test_in_process_there_are_no_settings_of_a_server(tmp_path: Path) -> None:
    lines = ["seed = 7", "time-scale = 60", "callback-allow = a.test", "allowed-host = b.test", "api-key = sk-one"]
    assert in_process(choose(lines, tmp_path).settings) == {
        "seed": 7,
        "api_keys": ("sk-one",),
        "clock": "manual",
        "time_scale": 1.0,
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("time-scal = 3", "there is no setting 'time-scal'; did you mean time-scale?"),
        ("seed = x", "'x' is not a valid integer"),
        ("seed", "the setting 'seed' has no value: write seed = VALUE"),
        ("seed =", "the setting 'seed' has no value: write seed = VALUE"),
        ("explain = perhaps", "the setting explain = 'perhaps': true or false is expected"),
        ("port = 1", "the setting 'port' is the plugin's own"),
        ("tls", "the setting 'tls' is the plugin's own"),
        ("no-tls", "the setting 'no-tls' is the plugin's own"),
        ("time-scale = 0", "time-scale is above 0"),
    ],
)
def test_a_line_that_cannot_be_is_refused(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        choose([line], tmp_path)
    assert words in str(raised.value)
