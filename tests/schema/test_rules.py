"""Properties of the rules: what fits them, what breaks exactly one, when they hold, and how a refusal tells of them."""

import functools
import itertools
import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mock_server.exchange import Exchange
from mock_server.program import Program
from mock_server.rules import Rule, all_rules, choose_profile, newest_date, operation_rules
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin
from mock_server.validation import Violation
from tests.schema.test_corpus import INVALID, VALID, read, submit_validation, validation_under
from tests.support import MINIMAL, Caller, explanation, is_refused

O1, V3 = "kling-video-o1", "kling-v3-omni"
NEWEST = "2026-06-17"


bounded = settings(deadline=None, max_examples=200)
brief = settings(deadline=None, max_examples=30)

Body = dict[str, Any]
Frames = Literal["none", "first", "both"]
Video = Literal["none", "base", "feature"]
Shots = Literal["none", "intelligence", "customize"]

FRAMES: tuple[Frames, ...] = ("none", "first", "both")
VIDEOS: tuple[Video, ...] = ("none", "base", "feature")
SHOTS: tuple[Shots, ...] = ("none", "intelligence", "customize")
MODELS = (O1, V3)

FIRST = {"image_url": "https://example.com/first.png", "type": "first_frame"}
END = {"image_url": "https://example.com/end.png", "type": "end_frame"}
PICTURE = {"image_url": "https://example.com/1.png"}

# A body is UTF-8, which has no surrogates.
characters = st.characters(codec="utf-8")
# Without < there is no reference.
texts = st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1, max_size=20)
element_ids = st.one_of(st.integers(1, 10**18 - 1), st.from_regex(r"[1-9][0-9]{14,17}", fullmatch=True))
elements = element_ids.map(lambda element_id: {"element_id": element_id})
addresses = st.sampled_from(["https://example.com/2.png", "iVBORw0KGgoAAAANSUhEUg==", "dataAAAA"])


def omni_rules(program: Program) -> list[Rule]:
    """The rules of the operation that this file reads again."""
    return operation_rules(program.spec, program.submits["omni-video"].operation)


# Bodies


def applicable(model: str, frames: Frames, video: Video, shots: Shots) -> bool:
    return not (
        (model == O1 and shots != "none")
        or (video == "base" and frames != "none")
        or (video == "feature" and shots == "customize")
    )


@st.composite
def kept(
    draw: st.DrawFn,
    *,
    models: tuple[str, ...] = MODELS,
    frames: tuple[Frames, ...] = FRAMES,
    videos: tuple[Video, ...] = VIDEOS,
    shots: tuple[Shots, ...] = SHOTS,
    pictures_max: int = 7,
    elements_max: int = 7,
) -> Body:
    """A body that keeps every rule of the newest day; the arguments narrow what it asks for."""
    possible = [each for each in itertools.product(models, frames, videos, shots) if applicable(*each)]
    model, frame, video, shot = draw(st.sampled_from(possible))
    body: Body = {"prompt": draw(texts)}
    if model == V3 or draw(st.booleans()):
        body["model_name"] = model
    body |= draw(references(model, frame, video, pictures_max, elements_max))
    duration = draw(st.integers(3, 15 if model == V3 else 10) | st.none())
    if duration is not None:
        body["duration"] = str(duration)
    body |= draw(multi_shot(shot, duration or 5))
    if shot == "customize" and draw(st.booleans()):
        body["prompt"] = ""
    needs_ratio = frame == "none" and video == "none"
    ratio = draw(st.sampled_from(["16:9", "9:16", "1:1"]) if needs_ratio else st.sampled_from(["1:1", "", None]))
    if ratio is not None:
        body["aspect_ratio"] = ratio
    if model == V3 and video == "none" and draw(st.booleans()):
        body["sound"] = "on"
    return body | draw(extras(model))


@st.composite
def references(draw: st.DrawFn, model: str, frame: Frames, video: Video, pictures_max: int, elements_max: int) -> Body:
    body: Body = {}
    of_frames: dict[Frames, list[Body]] = {"none": [], "first": [FIRST], "both": [END, FIRST]}
    pictures = of_frames[frame]
    room = (7 if video == "none" else 4) - len(pictures)
    plain = 0 if frame == "both" else draw(st.integers(0, min(room, pictures_max)))
    pictures = pictures + [{"image_url": draw(addresses)} for _ in range(plain)]
    empty_list = draw(st.booleans())
    if pictures or empty_list:
        body["image_list"] = draw(st.permutations(pictures))
    most = 7 if frame == "none" else 0 if frame == "both" and model == O1 else 3
    count = draw(st.integers(0, min(room - plain, most, elements_max)))
    if count or draw(st.booleans()):
        body["element_list"] = [draw(elements) for _ in range(count)]
    if video != "none":
        kinds = [{"refer_type": video}, {}] if video == "base" else [{"refer_type": video}]
        body["video_list"] = [{"video_url": "https://example.com/take.mp4", **draw(st.sampled_from(kinds))}]
    elif draw(st.booleans()):
        body["video_list"] = []
    return body


@st.composite
def multi_shot(draw: st.DrawFn, shot: Shots, seconds: int) -> Body:
    if shot == "none":
        return draw(st.sampled_from([{}, {"multi_shot": False}, {"shot_type": ""}, {"shot_type": "customize"}]))
    body: Body = {"multi_shot": True, "shot_type": shot}
    if shot == "customize":
        cuts = sorted(draw(st.sets(st.integers(1, seconds - 1), max_size=5)))
        lengths = [end - start for start, end in itertools.pairwise([0, *cuts, seconds])]
        body["multi_prompt"] = [
            {"index": index, "prompt": draw(texts), "duration": str(length)} for index, length in enumerate(lengths, 1)
        ]
    return body


def extras(model: str) -> st.SearchStrategy[Body]:
    """What no rule ties to anything else."""
    return st.fixed_dictionaries(
        {},
        optional={
            "mode": st.sampled_from(["std", "pro", "4k"] if model == V3 else ["std", "pro"]),
            "watermark_info": st.fixed_dictionaries({}, optional={"enabled": st.booleans()}),
            "callback_url": st.sampled_from(["", "https://example.com/done", "http://127.0.0.1:8080/?a=b"]),
            "external_task_id": st.text(characters, max_size=8),
        },
    )


def sound_bodies() -> st.SearchStrategy[Body]:
    """Bodies that fit the types, values and limits of the schema, and break rules as it happens."""
    picture = st.builds(
        lambda address, more: {"image_url": address, **more},
        addresses | st.just("Data:image/png;base64,iVBORw0KGgo="),
        st.sampled_from([{}, {}, {"type": "first_frame"}, {"type": "end_frame"}]),
    )
    video = st.fixed_dictionaries(
        {"video_url": st.just("https://example.com/take.mp4")}, optional={"refer_type": st.sampled_from(VIDEOS[1:])}
    )
    shot = st.fixed_dictionaries({"index": st.integers(1, 6), "prompt": PROMPTS, "duration": st.sampled_from("1234")})
    return st.fixed_dictionaries(
        {"prompt": PROMPTS},
        optional={
            "model_name": st.sampled_from(MODELS),
            "multi_shot": st.booleans(),
            "shot_type": st.sampled_from(["customize", "intelligence", ""]),
            "multi_prompt": st.lists(shot, max_size=6),
            "sound": st.sampled_from(["on", "off"]),
            "image_list": st.lists(picture, max_size=9),
            "element_list": st.lists(elements, max_size=9),
            "video_list": st.lists(video, max_size=1),
            "mode": st.sampled_from(["std", "pro", "4k"]),
            "aspect_ratio": st.sampled_from(["16:9", "9:16", "1:1", ""]),
            "duration": st.integers(3, 15).map(str),
            "enable_audio": st.just(value=True),
        },
    )


PROMPTS = st.sampled_from(
    [
        "",
        "雨",
        "<<<image_1>>>",
        "<<<image_0>>> <<<image_7>>>",
        "<<<element_2>>>",
        "<<<video_1>>>",
        "<<<audio_1>>> <<<image_>>>",
    ]
)


# A second reading of the same rules, from the facts and not from the spec


def dangling(prompt: str, body: Body) -> bool:
    lists = {"image": "image_list", "element": "element_list", "video": "video_list"}
    for part in prompt.split("<<<")[1:]:
        kind, _, number = part.partition(">>>")[0].partition("_")
        if kind in lists and number.isdigit() and not 1 <= int(number) <= len(body.get(lists[kind], [])):
            return True
    return False


def refusals_by_reading(body: Body, day: str) -> dict[str, bool]:
    """Whether `body` breaks each rule of severity `refuse` on `day`."""
    model = body.get("model_name", O1)
    pictures, videos = body.get("image_list", []), body.get("video_list", [])
    kinds = [each.get("type") for each in pictures]
    first, end = "first_frame" in kinds, "end_frame" in kinds
    count, refer = len(body.get("element_list", [])), [each.get("refer_type", "base") for each in videos]
    multi, shot_type = body.get("multi_shot", False), body.get("shot_type", "")
    multi_v3, shots = multi and model == V3, body.get("multi_prompt", [])
    custom = multi_v3 and shot_type == "customize"
    seconds, mode = int(body.get("duration", "5")), body.get("mode", "pro")
    prompts = [body["prompt"], *(shot["prompt"] for shot in shots)]
    return {
        "R1": end and not first,
        "R2": model == O1 and end and len(pictures) > 2,
        "R3": (first or end) and "base" in refer,
        "R4": len(pictures) + count > (4 if videos else 7),
        "R5": first and count > 3,
        "R6": day >= "2026-03-11" and model == O1 and first and end and count > 0,
        "R8": bool(videos) and body.get("sound") == "on",
        "R9": model == O1 and body.get("sound") == "on",
        "R10": model == O1 and multi,
        "R11": day >= "2026-06-17" and multi_v3 and "feature" in refer and shot_type != "intelligence",
        "R12": "2026-03-11" <= day < "2026-05-07" and multi_v3 and (first or end),
        "R14": any(each["image_url"].lower().startswith("data:") for each in pictures),
        "R18": any(dangling(prompt, body) for prompt in prompts),
        "prompt-needed": body["prompt"] == "" and not (multi and shot_type == "customize"),
        "shot-type-needed": multi_v3 and shot_type == "",
        "shots-needed": custom and not shots,
        "shots-sum": custom and bool(shots) and sum(int(shot["duration"]) for shot in shots) != seconds,
        "aspect-ratio-needed": not first and not videos and body.get("aspect_ratio", "") == "",
        "duration-o1": model == O1 and seconds > 10,
        "4k-model": model == O1 and mode == "4k",
        "v3-omni-date": day < "2026-02-25" and model == V3,
        "intelligence-date": day < "2026-03-11" and shot_type == "intelligence",
        "4k-date": day < "2026-04-23" and mode == "4k",
        "4k-video": "2026-04-23" <= day < "2026-06-17" and mode == "4k" and bool(videos),
    }


def warnings_by_reading(body: Body) -> dict[str, bool]:
    """Whether `body` breaks each rule of severity `warn`."""
    model = body.get("model_name", O1)
    pictures, videos = body.get("image_list", []), body.get("video_list", [])
    count = len(body.get("element_list", []))
    feature = any(each.get("refer_type") == "feature" for each in videos)
    only_first = all(each.get("type") == "first_frame" for each in pictures)
    end = any(each.get("type") == "end_frame" for each in pictures)
    return {
        "R2-v3-omni": model == V3 and end and len(pictures) > 2,
        "R7": model == V3 and count > (1 if videos else 4),
        "R13": model == O1 and only_first and not count and not videos and body.get("duration", "5") not in ("5", "10"),
        "R17": "enable_audio" in body,
        "aspect-ratio-with-feature-video": feature and body.get("aspect_ratio", "") == "",
    }


def those_of(findings: dict[str, bool]) -> set[str]:
    return {rule for rule, breaks in findings.items() if breaks}


def rules_of(found: list[Violation]) -> set[str]:
    names = [each.rule for each in found]
    # R18 is told once for each reference; every other rule once.
    assert len(names) - len(set(names)) == max(names.count("R18") - 1, 0)
    return set(names)


def broken(body: Any, profile: str = "kling") -> set[str]:
    return rules_of(validation_under(profile).check(body, None, ())[0])


DAYS = [
    f"2026-{each}"
    for each in ("02-25", "03-10", "03-11", "04-22", "04-23", "05-06", "05-07", "06-16", "06-17", "12-31")
]


@bounded
@given(body=sound_bodies(), day=st.sampled_from(DAYS))
def test_the_rules_that_refuse_are_those_of_a_second_reading_of_the_facts(body: Body, day: str) -> None:
    assert broken(body, f"kling@{day}") == those_of(refusals_by_reading(body, day))


@bounded
@given(body=sound_bodies())
def test_the_rules_that_warn_are_those_of_a_second_reading_of_the_facts(body: Body) -> None:
    assert rules_of(validation_under("kling").check(body, None, ())[1]) == those_of(warnings_by_reading(body))


def test_the_second_reading_leaves_out_no_rule(program: Program) -> None:
    read_again = refusals_by_reading(MINIMAL, NEWEST).keys() | warnings_by_reading(MINIMAL).keys()
    # R15 needs a world, and R16 a model that the schema refuses before.
    assert {rule.id for rule in omni_rules(program)} == read_again | {"R15", "R16"}


# What fits, and what breaks exactly one rule


@bounded
@given(body=kept())
def test_a_body_that_keeps_the_rules_is_accepted(body: Body) -> None:
    assert broken(body) == set()


class Change:
    """A change that makes a body break exactly one rule, the bodies it suits, and the day it is judged on."""

    def __init__(self, suits: st.SearchStrategy[Body], change: Callable[[Body], Body], day: str = NEWEST) -> None:
        self.suits, self.change, self.day = suits, change, day


def with_pictures(*pictures: Body) -> Callable[[Body], Body]:
    return lambda body: {**body, "image_list": [*body.get("image_list", []), *pictures]}


def with_elements(count: int) -> Callable[[Body], Body]:
    return lambda body: {**body, "element_list": [{"element_id": number} for number in range(1, count + 1)]}


def with_video(refer_type: str) -> Callable[[Body], Body]:
    video = {"video_url": "https://example.com/take.mp4", "refer_type": refer_type}
    return lambda body: {**without("sound")(body), "video_list": [video]}


def without(name: str) -> Callable[[Body], Body]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def having(**values: Any) -> Callable[[Body], Body]:
    return lambda body: body | values


def with_a_longer_shot(body: Body) -> Body:
    first, *rest = body["multi_prompt"]
    return {**body, "multi_prompt": [{**first, "duration": str(int(first["duration"]) + 1)}, *rest]}


def few(**narrowed: Any) -> st.SearchStrategy[Body]:
    """Bodies with room for more pictures, elements and a video."""
    return kept(pictures_max=1, elements_max=1, **narrowed)


CHANGES = {
    "R1": Change(few(frames=("none",), videos=("none", "feature")), with_pictures(END)),
    "R2": Change(
        kept(models=(O1,), frames=("first",), videos=("none", "feature"), pictures_max=1, elements_max=0),
        with_pictures(END, PICTURE),
    ),
    "R3": Change(few(frames=("first", "both"), videos=("none",)), with_video("base")),
    "R4": Change(kept(frames=("none",)), with_elements(8)),
    "R5": Change(kept(frames=("first",), videos=("none",), pictures_max=2), with_elements(4)),
    "R6": Change(kept(models=(O1,), frames=("both",), videos=("none",)), with_elements(1)),
    "R8": Change(kept(models=(V3,), videos=("base", "feature")), having(sound="on")),
    "R9": Change(kept(models=(O1,), videos=("none",)), having(sound="on")),
    "R10": Change(kept(models=(O1,)), having(multi_shot=True, shot_type="intelligence")),
    "R11": Change(few(models=(V3,), frames=("none", "first"), shots=("customize",)), with_video("feature")),
    "R12": Change(
        few(models=(V3,), frames=("none",), videos=("none",), shots=("intelligence", "customize")),
        with_pictures(FIRST),
        "2026-05-06",
    ),
    "R14": Change(few(frames=("none", "first")), with_pictures({"image_url": "data:image/png;base64,iVBORw0KGgo="})),
    "R18": Change(kept(), lambda body: body | {"prompt": body["prompt"] + "<<<image_8>>>"}),
    "prompt-needed": Change(kept(shots=("none", "intelligence")), having(prompt="")),
    "shot-type-needed": Change(
        kept(models=(V3,), videos=("none", "base"), shots=("intelligence",)), without("shot_type")
    ),
    "shots-needed": Change(kept(models=(V3,), shots=("customize",)), without("multi_prompt")),
    "shots-sum": Change(kept(models=(V3,), shots=("customize",)), with_a_longer_shot),
    "aspect-ratio-needed": Change(kept(frames=("none",), videos=("none",)), without("aspect_ratio")),
    "duration-o1": Change(kept(models=(O1,)), having(duration="11")),
    "4k-model": Change(kept(models=(O1,)), having(mode="4k")),
    "v3-omni-date": Change(kept(models=(O1,)), having(model_name=V3), "2026-02-24"),
    "intelligence-date": Change(kept(models=(V3,), shots=("none",)), having(shot_type="intelligence"), "2026-03-10"),
    "4k-date": Change(kept(models=(V3,), shots=("none",)), having(mode="4k"), "2026-04-22"),
    "4k-video": Change(kept(models=(V3,), videos=("base", "feature")), having(mode="4k"), "2026-06-16"),
}


@pytest.mark.parametrize("rule", CHANGES)
@brief
@given(data=st.data())
def test_one_change_breaks_exactly_the_rule(rule: str, data: st.DataObject) -> None:
    case = CHANGES[rule]
    body = data.draw(case.suits)
    profile = f"kling@{case.day}"
    assume(broken(body, profile) == set())
    assert broken(case.change(body), profile) == {rule}


def test_there_is_a_change_for_every_rule_that_refuses(program: Program) -> None:
    refusing = {rule.id for rule in omni_rules(program) if rule.severity == "refuse"}
    # R15 is broken by a world that has seen the id, and not by a change of the body.
    assert refusing - CHANGES.keys() == {"R15"}


@brief
@given(body=kept(), external_id=texts)
def test_an_external_id_that_the_world_has_seen_breaks_r15(body: Body, external_id: str) -> None:
    validation = validation_under("kling")
    body |= {"external_task_id": external_id}
    assert validation.check(body, external_id, ())[0] == []
    assert rules_of(validation.check(body, external_id, (external_id,))[0]) == {"R15"}


FIELDS = {
    **dict.fromkeys(("prompt", "model_name", "shot_type", "sound", "mode", "aspect_ratio", "duration"), "text"),
    **dict.fromkeys(("callback_url", "external_task_id"), "text"),
    **dict.fromkeys(("multi_prompt", "image_list", "element_list", "video_list"), "array"),
    "multi_shot": "boolean",
    "watermark_info": "object",
}
OF_TYPE: dict[str, Any] = {"text": "x", "array": [], "boolean": True, "object": {}, "number": 7, "null": None}


# Rules ask whether these have one certain value, which a value of a wrong type has not.
SWITCHES = {"multi_shot", "shot_type", "sound"}


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - SWITCHES))
@brief
@given(body=kept(), kind=st.sampled_from(sorted(OF_TYPE)))
def test_a_value_of_a_wrong_type_breaks_the_fields_own_constraints_alone(field: str, body: Body, kind: str) -> None:
    assume(kind != FIELDS[field])
    # Without its list of pictures or videos, a body may need the ratio that they brought.
    found = validation_under("kling").check({**body, "aspect_ratio": "1:1", field: OF_TYPE[kind]}, None, ())[0]
    assert f"{field}.type" in {each.rule for each in found}
    assert {each.rule.partition(".")[0] for each in found} == {field}


NOT_OBJECTS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)


@brief
@given(body=NOT_OBJECTS)
def test_a_body_that_is_not_an_object_breaks_its_type_alone(body: Any) -> None:
    assert broken(body) == {"type"}


@bounded
@given(body=sound_bodies())
def test_a_rule_is_never_broken_by_a_model_that_it_is_not_about(body: Body) -> None:
    model = body.get("model_name", O1)
    validation = validation_under("kling")
    about = {rule.id: rule.models for rule in all_rules(validation.spec)}
    violations, warnings = validation.check(body, None, ())
    assert {each.rule for each in [*violations, *warnings] if model not in (about[each.rule] or MODELS)} == set()


# Profiles


def bodies_of_the_corpus() -> list[Any]:
    return [entry["body"] for path in [*VALID, *INVALID] if "operation" not in (entry := read(path))]


@bounded
@given(body=st.one_of(kept(), sound_bodies(), st.sampled_from(bodies_of_the_corpus())))
def test_a_body_valid_under_kling_is_valid_under_page(body: Any) -> None:
    """What page refuses, kling refuses for the same reasons at least."""
    page, kling = (validation_under(profile).check(body, None, ())[0] for profile in ("page", "kling"))
    assert {each.rule for each in page} <= {each.rule for each in kling}


@bounded
@given(body=st.one_of(kept(), sound_bodies()), day=st.sampled_from(DAYS))
def test_page_has_no_rules_and_warns_of_nothing_on_any_day(body: Body, day: str) -> None:
    assert validation_under(f"page@{day}").check(body, None, ()) == ([], [])


def on_the_day(rule: str, day: str) -> bool:
    """Tell whether the rule is in force; its schema may name another day's values, so nothing is tried on a body."""
    validation = validation_under(f"kling@{day}")
    return rule in {each.id for each in (*validation.rules, *validation.warning_rules)}


def day_before(day: str) -> str:
    return str(date.fromisoformat(day) - timedelta(days=1))


DATED = {
    "R6": ("2026-03-11", ""),
    "R11": ("2026-06-17", ""),
    "R12": ("2026-03-11", "2026-05-07"),
    "v3-omni-date": ("", "2026-02-25"),
    "intelligence-date": ("", "2026-03-11"),
    "4k-date": ("", "2026-04-23"),
    "4k-video": ("2026-04-23", "2026-06-17"),
}


def test_the_rules_with_a_day_are_these(program: Program) -> None:
    dated = {rule.id: (rule.since, rule.until) for rule in all_rules(program.spec) if rule.since or rule.until}
    assert dated == DATED


@pytest.mark.parametrize("rule", [rule for rule, (since, _) in DATED.items() if since])
def test_a_rule_holds_from_its_first_day_on(rule: str) -> None:
    since, _ = DATED[rule]
    assert not on_the_day(rule, day_before(since))
    assert on_the_day(rule, since)


@pytest.mark.parametrize("rule", [rule for rule, (_, until) in DATED.items() if until])
def test_a_rule_no_longer_holds_on_its_until_day(rule: str) -> None:
    _, until = DATED[rule]
    assert on_the_day(rule, day_before(until))
    assert not on_the_day(rule, until)


@pytest.mark.parametrize("rule", DATED)
@brief
@given(data=st.data())
def test_a_body_that_breaks_a_dated_rule_keeps_it_on_the_days_around(rule: str, data: st.DataObject) -> None:
    since, until = DATED[rule]
    case = CHANGES[rule]
    body = case.change(data.draw(case.suits))
    for day, holds in [(day_before(since or until), not since), (until or since, not until)]:
        assert (rule in broken(body, f"kling@{day}")) == holds


@pytest.mark.parametrize("day", ["2024-01-01", "2026-02-24", *DAYS, "2099-12-31"])
def test_a_twin_starts_on_every_day(day: str) -> None:
    assert load_program(Settings(profile=f"kling@{day}")).profile.name == f"kling@{day}"


def test_kling_without_a_day_means_the_newest_day_of_the_file(program: Program) -> None:
    assert newest_date(program.spec) == NEWEST
    assert choose_profile(program.spec, "kling") == choose_profile(program.spec, f"kling@{NEWEST}")


def test_without_a_profile_it_is_kling(program: Program) -> None:
    assert choose_profile(program.spec, None) == choose_profile(program.spec, "kling")


@pytest.mark.parametrize("name", ["deerapi", "Kling", " kling", "kling ", "kling2026-05-01"])
def test_an_unknown_profile_is_refused_with_those_there_are(program: Program, name: str) -> None:
    with pytest.raises(ValueError, match="there are page, kling"):
        choose_profile(program.spec, name)


@pytest.mark.parametrize(
    "day",
    [
        "",
        "today",
        "2026",
        "2026-5-1",
        "2026-13-01",
        "2026-00-10",
        "2026-05-32",
        "2026-02-30",
        "2026-05-01T00:00",
        "２026-05-01",
    ],
)
def test_a_malformed_day_is_refused(program: Program, day: str) -> None:
    with pytest.raises(ValueError, match="a date such as 2026-05-01"):
        choose_profile(program.spec, f"kling@{day}")


def test_disputed_rules_warn(program: Program) -> None:
    disputed = [rule for rule in all_rules(program.spec) if rule.confidence == "disputed"]
    assert {rule.id for rule in disputed} == {"R2-v3-omni", "R13", "R16", "aspect-ratio-with-feature-video"}
    assert {rule.severity for rule in disputed} == {"warn"}


@bounded
@given(body=sound_bodies(), day=st.sampled_from(DAYS))
def test_a_rule_that_warns_never_refuses(body: Body, day: str) -> None:
    validation = validation_under(f"kling@{day}")
    warning = {rule.id for rule in validation.warning_rules}
    assert not rules_of(validation.check(body, None, ())[0]) & warning


def test_a_warning_about_an_unknown_field_names_it() -> None:
    body = {**MINIMAL, "prompt": "A lighthouse. " * 20, "enable_audio": True}
    (warning,) = validation_under("kling").check(body, None, ())[1]
    assert warning.rule == "R17"
    assert "enable_audio" in warning.pointer + warning.came


# Refusals

# Each is broken without regard to the others, by a text-to-video body for kling-video-o1.
INDEPENDENT: dict[str, tuple[str, Body]] = {
    "R9": ("/sound", {"sound": "on"}),
    "R10": ("/multi_shot", {"multi_shot": True, "shot_type": "intelligence"}),
    "R14": ("/image_list/0/image_url", {"image_list": [{"image_url": "data:image/png;base64,iVBORw0KGgo="}]}),
    "4k-model": ("/mode", {"mode": "4k"}),
    "aspect-ratio-needed": ("/aspect_ratio", {"aspect_ratio": ""}),
    "prompt-needed": ("/prompt", {"prompt": ""}),
    "duration.enum": ("/duration", {"duration": "99"}),
    "callback_url.pattern": ("/callback_url", {"callback_url": "nowhere"}),
    "external_task_id.type": ("/external_task_id", {"external_task_id": 7}),
    "watermark_info.enabled.type": ("/watermark_info/enabled", {"watermark_info": {"enabled": 1}}),
    "video_list.type": ("/video_list", {"video_list": {}}),
    "element_list.items.required": ("/element_list/0/element_id", {"element_list": [{}]}),
}
breakages = st.sets(st.sampled_from(sorted(INDEPENDENT)), min_size=2)


def breaking(names: set[str]) -> Body:
    body = dict(MINIMAL)
    for name in names:
        body |= INDEPENDENT[name][1]
    return body


@functools.cache
def shared_program() -> Program:
    return load_program(Settings())


def fresh_caller() -> Caller:
    return Caller(make_twin(Settings(clock="manual"), shared_program()))


def last_exchange(caller: Caller) -> Exchange:
    entry = caller.journal.entries[-1]
    assert isinstance(entry, Exchange)
    return entry


@bounded
@given(names=breakages)
def test_all_violations_of_a_body_are_found_each_at_its_place(names: set[str]) -> None:
    found = validation_under("kling").check(breaking(names), None, ())[0]
    assert {each.rule: each.pointer for each in found} == {name: INDEPENDENT[name][0] for name in names}
    assert len(found) == len(names)


CONFIDENCES = {"documented-by-provider", "documented-by-vendor", "observed", "assumed"}


@bounded
@given(
    body=st.one_of(breakages.map(breaking), sound_bodies(), st.sampled_from([read(path)["body"] for path in INVALID]))
)
def test_a_violation_says_where_what_came_what_is_allowed_and_how_that_is_known(body: Any) -> None:
    for each in validation_under("kling").check(body, None, ())[0]:
        assert each.pointer.startswith("/") or each.rule == "type"
        assert each.came
        assert each.allowed
        assert each.source
        assert each.confidence in CONFIDENCES


def test_the_violations_of_a_body_read_like_this() -> None:
    found = validation_under("kling").check({"aspect_ratio": "16:9", "duration": 5, "sound": "on"}, None, ())[0]
    shown = {each.rule: (each.pointer, each.came, each.allowed, each.confidence) for each in found}
    seconds = ", ".join(f"'{number}'" for number in range(3, 16))
    assert shown == {
        "required": ("/prompt", "nothing", "it is required", "documented-by-provider"),
        "duration.type": ("/duration", "5", "string", "documented-by-provider"),
        "duration.enum": ("/duration", "5", f"one of {seconds}", "documented-by-vendor"),
        "R9": ("/sound", "'on'", "kling-video-o1 makes no sound.", "documented-by-vendor"),
    }


@brief
@given(names=breakages)
def test_a_refused_body_is_answered_400_with_1201_and_the_first_violation(names: set[str]) -> None:
    caller, body = fresh_caller(), breaking(names)
    reply = caller.submit(body)
    assert is_refused(reply, 400, 1201)
    validation = submit_validation(shared_program())
    first = validation.check(body, None, ())[0][0]
    assert json.loads(reply.body)["message"] == validation.wire_messages.text(first)


@brief
@given(names=breakages)
def test_a_refusal_tells_all_violations_in_the_journal_and_beside_the_reply(names: set[str]) -> None:
    caller, body = fresh_caller(), breaking(names)
    told = explanation(caller.submit(body))
    entry = last_exchange(caller)
    assert entry.explanation is not None
    everything = [msgspec.structs.asdict(each) for each in validation_under("kling").check(body, None, ())[0]]
    assert entry.explanation["violations"] == everything
    assert told["journal"] == entry.number
    assert told["problem"] == "invalid-value"
    assert everything[: len(told["violations"])] == told["violations"]
    assert told.get("cut", 0) == len(everything) - len(told["violations"])


@brief
@given(text=st.text(characters, min_size=1), count=st.integers(1, 400))
def test_the_explanation_header_is_ascii_of_at_most_4096_bytes_with_the_journal_number(text: str, count: int) -> None:
    caller = fresh_caller()
    reply = caller.submit({**MINIMAL, "image_list": [{"image_url": 7, "type": text}] * count, "mode": text * 9})
    header = dict(reply.headers)[b"x-mock-explanation"]
    assert len(header) <= 4_096
    assert header.isascii()
    assert b"\n" not in header
    assert json.loads(header)["journal"] == last_exchange(caller).number


def test_where_the_header_was_cut_the_journal_has_all_violations(caller: Caller) -> None:
    told = explanation(caller.submit({**MINIMAL, "element_list": [{"element_id": False}] * 60}))
    entry = last_exchange(caller)
    assert entry.explanation is not None
    assert [each["rule"] for each in entry.explanation["violations"]].count("element_list.items.element_id.type") == 60
    assert told["cut"] == len(entry.explanation["violations"]) - len(told["violations"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"aspect_ratio": "16:9"}, "prompt can not be null"),
        ({**MINIMAL, "image_list": [{"image": "https://example.com/1.png"}]}, "image_url can not be null"),
        ({**MINIMAL, "duration": "99"}, "duration value '99' is invalid"),
        ({**MINIMAL, "mode": "standard"}, "mode value 'standard' is invalid"),
        ({**MINIMAL, "sound": "on"}, "kling-video-o1 makes no sound."),
        ({**MINIMAL, "image_list": [{"image_url": "data:,x"}]}, "File is not in a valid base64 format"),
        ([], "body value [] is invalid"),
    ],
)
def test_the_message_on_the_wire_is_the_providers(caller: Caller, body: Any, message: str) -> None:
    reply = caller.submit(body)
    assert is_refused(reply, 400, 1201)
    assert json.loads(reply.body)["message"] == message


def test_a_repeated_external_id_is_refused_in_the_providers_words(caller: Caller) -> None:
    body = {**MINIMAL, "external_task_id": "order-7"}
    caller.created(body)
    reply = caller.submit(body)
    assert is_refused(reply, 400, 1201)
    assert json.loads(reply.body)["message"] == "external_task_id 'order-7' already exists"


def test_a_warning_comes_beside_an_accepted_body(caller: Caller) -> None:
    reply = caller.submit({**MINIMAL, "duration": "7"})
    assert reply.status == 200
    assert [each["rule"] for each in explanation(reply)["warnings"]] == ["R13"]


def test_a_refusal_leaves_no_task_and_no_used_id(caller: Caller) -> None:
    body = {**MINIMAL, "external_task_id": "order-7", "sound": "on"}
    assert caller.submit(body).status == 400
    assert caller.listed() == []
    assert caller.submit({**body, "sound": "off"}).status == 200


def test_a_refusal_names_warnings_beside_its_violations(caller: Caller) -> None:
    told = explanation(caller.submit({**MINIMAL, "duration": "7", "sound": "on"}))
    assert [each["rule"] for each in told["violations"]] == ["R9"]
    assert [each["rule"] for each in told["warnings"]] == ["R13"]


def test_under_page_the_endpoint_takes_what_only_the_vendor_refuses(make: Callable[..., Twin]) -> None:
    body = {"prompt": "", "sound": "on", "mode": "8k", "duration": "99"}
    assert Caller(make(profile="kling")).submit(body).status == 400
    assert Caller(make(profile="page")).submit(body).status == 200
