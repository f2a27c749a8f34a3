from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.media import Library, load_library

RATIOS = ("16:9", "9:16", "1:1")
LENGTHS = range(3, 16)
json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.mark.parametrize(("ratio", "seconds", "sound"), [*product(RATIOS, LENGTHS, (False, True))])
def test_what_is_asked_within_the_set_is_what_comes(library: Library, ratio: str, seconds: int, sound: bool) -> None:
    file, note = library.choose(ratio, str(seconds), sound)
    assert (file.aspect_ratio, file.seconds, file.sound, note) == (ratio, seconds, sound, "")
    assert (library.folder / file.file).is_file()
    assert abs(float(file.duration) - seconds) < 0.1


@pytest.mark.parametrize("seconds", [3, 5, 15])
def test_a_length_may_be_a_number_as_well(library: Library, seconds: int) -> None:
    assert library.choose("1:1", seconds, True) == library.choose("1:1", str(seconds), True)


@pytest.mark.parametrize("ratio", [None, ""])
def test_where_no_ratio_is_asked_any_is_exact(library: Library, ratio: str | None) -> None:
    file, note = library.choose(ratio, "5", False)
    assert (file.seconds, note) == (5, "")


@pytest.mark.parametrize(
    ("ratio", "seconds", "got", "note"),
    [
        ("16:9", "2", ("16:9", 3), "no prepared video has length 2: the result is 16:9, 3 s"),
        ("1:1", "60", ("1:1", 15), "no prepared video has length 60: the result is 1:1, 15 s"),
        ("9:16", "7.5", ("9:16", 7), "no prepared video has length 7.5: the result is 9:16, 7 s"),
        ("4:3", "5", ("16:9", 5), "no prepared video has aspect ratio 4:3: the result is 16:9, 5 s"),
        ("4:3", "99", ("16:9", 15), "no prepared video has aspect ratio 4:3 and length 99: the result is 16:9, 15 s"),
        ("16:9", None, ("16:9", 3), ""),
        ("16:9", "nan", ("16:9", 3), "no prepared video has length nan: the result is 16:9, 3 s"),
        ("16:9", "1e999", ("16:9", 3), "no prepared video has length 1e999: the result is 16:9, 3 s"),
    ],
)
def test_beyond_the_set_the_nearest_comes_with_a_note(
    library: Library, ratio: str, seconds: str | None, got: tuple[str, int], note: str
) -> None:
    file, said = library.choose(ratio, seconds, False)
    assert ((file.aspect_ratio, file.seconds), said) == (got, note)


@given(ratio=json_values, seconds=json_values, sound=st.booleans())
def test_whatever_is_asked_a_prepared_video_comes_with_the_sound_asked_for(
    library: Library, ratio: Any, seconds: Any, sound: bool
) -> None:
    file, _ = library.choose(ratio, seconds, sound)
    assert file.sound is sound
    assert (library.folder / file.file).is_file()
