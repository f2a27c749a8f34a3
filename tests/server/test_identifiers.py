import re
import uuid
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.identifiers import IdFormat, derived_uuid, digit_ids, ids, opaque_tag, stream, uuid_ids

seeds = st.integers(-(2**40), 2**40)
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def drawn(seed: int, count: int = 20, length: int = 18) -> list[str]:
    draw = digit_ids(length, stream(seed, "tasks"))
    return [draw() for _ in range(count)]


@given(seed=seeds)
def test_the_same_seed_gives_the_same_ids(seed: int) -> None:
    assert drawn(seed) == drawn(seed)


@given(seed=seeds)
def test_another_seed_gives_other_ids(seed: int) -> None:
    assert not set(drawn(seed)) & set(drawn(seed + 1))


@given(seed=seeds, length=st.integers(16, 40))
def test_ids_are_decimal_of_the_length_asked_for_and_rise(seed: int, length: int) -> None:
    found = drawn(seed, length=length)
    assert all(re.fullmatch(rf"[1-9][0-9]{{{length - 1}}}", each) for each in found)
    assert found == sorted(set(found))


def test_a_hundred_thousand_ids_are_all_different_and_still_rise() -> None:
    found = drawn(0, 100_000)
    assert found == sorted(set(found))
    assert {len(each) for each in found} == {18}


def test_an_id_looks_like_those_of_the_provider() -> None:
    assert drawn(0, 1)[0].startswith("8")


@pytest.mark.parametrize("length", [0, 12, 15])
def test_ids_too_short_to_stay_apart_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        IdFormat("digits", length)


@pytest.mark.parametrize(("length", "alphabet"), [(1, "abc"), (12, "0123456789"), (59, "01"), (200, "aaaa"), (0, "ab")])
def test_texts_too_few_to_stay_apart_are_refused(length: int, alphabet: str) -> None:
    with pytest.raises(ValueError, match="too few for ids that stay apart: give it a longer `length` or `alphabet`"):
        IdFormat("text", length, alphabet=alphabet)


@given(seed=seeds, prefix=st.sampled_from(["", "task_", "video-"]), length=st.integers(20, 40))
def test_text_ids_are_a_prefix_and_so_many_characters_of_the_alphabet(seed: int, prefix: str, length: int) -> None:
    draw = ids(IdFormat("text", length, prefix, "abcdefgh"), stream(seed, "tasks"))
    drawn_ids = [draw() for _ in range(50)]
    assert all(re.fullmatch(f"{prefix}[a-h]{{{length}}}", each) for each in drawn_ids)
    assert len(set(drawn_ids)) == 50


@given(seed=seeds, draws=st.integers(0, 50))
def test_draws_from_one_stream_leave_another_as_it_was(seed: int, draws: int) -> None:
    alone, beside, noise = stream(seed, "pace"), stream(seed, "pace"), stream(seed, "requests")
    for _ in range(draws):
        noise.random()
        assert beside.random() == alone.random()


@given(seed=seeds)
def test_streams_of_different_names_differ(seed: int) -> None:
    assert stream(seed, "pace").random() != stream(seed, "tasks").random()


@given(seed=seeds)
def test_uuids_are_version_4_and_all_different(seed: int) -> None:
    draw = uuid_ids(stream(seed, "requests"))
    found = list(islice(iter(draw, ""), 50))
    assert all(UUID4.fullmatch(each) and uuid.UUID(each).version == 4 for each in found)
    assert len(set(found)) == 50


@given(name=st.text())
def test_a_derived_uuid_is_always_the_same_and_of_version_4(name: str) -> None:
    assert derived_uuid(name) == derived_uuid(name)
    assert UUID4.fullmatch(derived_uuid(name))


@given(names=st.sets(st.text(), min_size=2, max_size=20))
def test_other_names_derive_other_uuids_and_tags(names: set[str]) -> None:
    assert len({derived_uuid(name) for name in names}) == len({opaque_tag(name) for name in names}) == len(names)


@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6))
def test_a_tag_does_not_tell_its_secret(secret: str) -> None:
    tag = opaque_tag(secret)
    assert re.fullmatch("[0-9a-f]{16}", tag)
    assert secret not in tag
