from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.routes import Routes, slot_text

LIST, ONE = "/kling/v1/videos/omni-video", "/kling/v1/videos/omni-video/{task_id}"
ENTRIES = [(LIST, "POST", "submit"), (LIST, "GET", "list"), (ONE, "GET", "query")]
MOUNTS = ("/kling", "", "/proxy/kling")
ROUTES = Routes(ENTRIES, MOUNTS)

slots = st.text(min_size=1)


def target(path: str, method: str = "GET", routes: Routes[str] = ROUTES) -> str | None:
    match = routes.match(path.encode())
    return match.methods.get(method) if match else None


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/videos/omni-video", "submit"),
        ("GET", "/v1/videos/omni-video", "list"),
        ("GET", "/v1/videos/omni-video/7", "query"),
        ("POST", "/v1/videos/omni-video/7", None),
        ("DELETE", "/v1/videos/omni-video", None),
    ],
)
def test_the_same_operations_answer_under_every_mount(
    mount: str, method: str, path: str, operation: str | None
) -> None:
    assert target(mount + path, method) == operation


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/kling",
        "/other/v1/videos/omni-video",
        "/kling/kling/v1/videos/omni-video",
        "/kling/v1/videos/omni-video/",
        "/kling/v1/videos/omni-video//",
        "/kling/v1/videos//omni-video",
        "//kling/v1/videos/omni-video",
        "/kling/v1/videos/omni-video/7/",
        "/kling/v1/videos/omni-video/7/8",
        "/kling/v1/videos/omni-video//7",
        "/KLING/v1/videos/omni-video",
        "/kling/v1/videos/omni-videos",
        "/kling%2Fv1/videos/omni-video",
        "/kling/v1/videos/omni-video?pageNum=1",
        "/kling/v1/videos/omni-video\n",
        "kling/v1/videos/omni-video",
    ],
)
def test_a_path_that_is_not_exactly_one_leads_nowhere(path: str) -> None:
    assert ROUTES.match(path.encode()) is None


@given(name=slots)
def test_any_text_percent_encoded_arrives_whole_in_the_slot(name: str) -> None:
    match = ROUTES.match(f"/v1/videos/omni-video/{quote(name, safe='')}".encode())
    assert match is not None
    assert [slot_text(slot) for slot in match.slots] == [name]


def test_an_encoded_slash_is_no_slash() -> None:
    match = ROUTES.match(b"/kling/v1/videos/omni-video/a%2Fb")
    assert match is not None
    assert (match.slots, slot_text(match.slots[0])) == ((b"a%2Fb",), "a/b")


@pytest.mark.parametrize("raw", [b"%ff", b"\xff", b"%ed%a0%80", b"a%c3"])
def test_a_slot_that_is_not_utf_8_has_no_text(raw: bytes) -> None:
    assert slot_text(raw) is None


@pytest.mark.parametrize(
    ("raw", "text"), [(b"7", "7"), (b"%", "%"), (b"%zz", "%zz"), (b"a+b", "a+b"), (b"%2525", "%25")]
)
def test_a_slot_is_decoded_once(raw: bytes, text: str) -> None:
    assert slot_text(raw) == text


def test_the_methods_of_a_path_are_told_in_order() -> None:
    match = ROUTES.match(LIST.encode())
    assert match is not None
    assert match.allow == "GET, POST"


def test_the_paths_that_can_be_called_are_told_without_slots() -> None:
    assert ROUTES.paths == [f"{mount}/v1/videos/omni-video" for mount in MOUNTS]


def test_a_mount_named_twice_counts_once() -> None:
    assert Routes(ENTRIES, (*MOUNTS, "/kling", "")).paths == ROUTES.paths


def test_a_fixed_path_comes_before_a_slot() -> None:
    routes = Routes([("/k/{id}", "GET", "slot"), ("/k/all", "GET", "fixed")], ("/k",))
    assert [target("/k/all", routes=routes), target("/k/one", routes=routes)] == ["fixed", "slot"]


@given(mount=st.text(st.characters(codec="ascii", categories=["P", "S", "L"], exclude_characters="/{}%?#"), min_size=1))
def test_a_mount_is_taken_literally(mount: str) -> None:
    routes = Routes([("/k/{id}/x.y", "GET", "found")], ("/k", f"/{mount}"))
    assert target(f"/{mount}/7/x.y", routes=routes) == "found"
    assert target(f"/{mount}/7/xzy", routes=routes) is None


def test_a_path_outside_the_first_mount_is_refused() -> None:
    with pytest.raises(ValueError, match="/klingon/v1 does not start with /kling"):
        Routes([("/klingon/v1", "GET", "x")], MOUNTS)


def test_an_address_that_two_operations_would_share_is_refused() -> None:
    entries = [("/kling/jobs", "GET", "list"), ("/kling/v2/jobs", "GET", "other")]
    with pytest.raises(ValueError, match="another operation's address"):
        Routes(entries, ("/kling", "/kling/v2"))


def test_two_methods_share_an_address() -> None:
    routes = Routes([("/kling/jobs", "GET", "list"), ("/kling/v2/jobs", "POST", "other")], ("/kling", "/kling/v2"))
    assert [target("/kling/v2/jobs", method, routes) for method in ("GET", "POST")] == ["list", "other"]
