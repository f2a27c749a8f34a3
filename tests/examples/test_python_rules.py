"""The example client's own look at a request: the types it corrects, and the rules it refuses by."""

from typing import Any

import pytest
from omni_video.rules import broken_rules, normalised

from tests.examples.python_support import REQUEST, generated

V3 = {**REQUEST, "model_name": "kling-v3-omni"}
SHOTS = {**V3, "multi_shot": True, "shot_type": "customize"}
FIRST, END = ({"image_url": "http://i.test/1.png", "type": f"{which}_frame"} for which in ("first", "end"))
PICTURE = {"image_url": "http://i.test/1.png"}
BASE = {"video_url": "http://v.test/1.mp4"}
FEATURE = {**BASE, "refer_type": "feature"}
ELEMENT = {"element_id": 310096591358267}


def shot(index: int, duration: Any) -> dict[str, Any]:
    return {"index": index, "prompt": "A wave.", "duration": duration}


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        ({**REQUEST, "prompt": ""}, "prompt-needed"),
        ({"aspect_ratio": "1:1"}, "prompt-needed"),
        ({**REQUEST, "prompt": "x" * 2_501}, "prompt-length"),
        ({**REQUEST, "image_list": [END]}, "R1"),
        ({**REQUEST, "image_list": [FIRST, END, PICTURE]}, "R2"),
        ({**V3, "image_list": [FIRST], "video_list": [BASE]}, "R3"),
        ({**V3, "image_list": [PICTURE] * 8}, "R4"),
        ({**V3, "image_list": [PICTURE] * 4, "element_list": [ELEMENT], "video_list": [FEATURE]}, "R4"),
        ({**V3, "image_list": [FIRST], "element_list": [ELEMENT] * 4}, "R5"),
        ({**REQUEST, "image_list": [FIRST, END], "element_list": [ELEMENT]}, "R6"),
        ({**V3, "video_list": [BASE], "sound": "on"}, "R8"),
        ({**REQUEST, "sound": "on"}, "R9"),
        ({**REQUEST, "multi_shot": True, "shot_type": "intelligence"}, "R10"),
        ({**SHOTS, "video_list": [FEATURE], "multi_prompt": [shot(1, 5)]}, "R11"),
        ({**REQUEST, "image_list": [{"image_url": "data:image/png;base64,AAAA"}]}, "R14"),
        ({**V3, "multi_shot": True}, "shot-type-needed"),
        ({**SHOTS}, "shots-needed"),
        ({**SHOTS, "multi_prompt": [shot(index, 1) for index in range(1, 8)], "duration": "7"}, "shots-needed"),
        ({**SHOTS, "multi_prompt": [shot(1, 2), shot(2, 2)]}, "shots-sum"),
        ({**SHOTS, "multi_prompt": [{**shot(1, 5), "prompt": "x" * 513}]}, "shot-length"),
        ({**SHOTS, "multi_prompt": [{"prompt": "x", "duration": "5"}]}, "shot-members"),
        ({**REQUEST, "duration": 12}, "duration-o1"),
        ({**REQUEST, "mode": "4k"}, "4k-model"),
        ({**REQUEST, "callback_url": "ftp://c.test"}, "callback-url"),
    ],
    ids=str,
)
def test_a_broken_rule_is_named_and_nothing_is_sent(request_: dict[str, Any], rule: str) -> None:
    outcome = generated(None, request_)
    assert outcome.said == "refused"
    assert outcome.error is not None
    assert rule in [said.partition(":")[0] for said in outcome.error.reason.split("; ")], outcome.error
    assert outcome.wire == []


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({**REQUEST, "enable_audio": True}, "there is no field 'enable_audio'"),
        ({**REQUEST, "duration": "long"}, "duration is 'long'"),
        ({**REQUEST, "mode": "standard"}, "mode is 'standard'"),
        ({**REQUEST, "prompt": 5}, "prompt is int"),
        ({**REQUEST, "prompt": "\ud800"}, "not JSON"),
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused(request_: dict[str, Any], said: str) -> None:
    outcome = generated(None, request_)
    assert outcome.said == "refused"
    assert said in str(outcome.error)


@pytest.mark.parametrize(
    "request_",
    [
        V3,
        {**V3, "image_list": [FIRST, END], "element_list": [ELEMENT] * 3},
        {**V3, "image_list": [PICTURE] * 4, "element_list": [ELEMENT] * 3},
        {**V3, "video_list": [BASE]},
        {**V3, "sound": True, "duration": 15},
        {**SHOTS, "prompt": None, "multi_prompt": [shot(1, 2), shot(2, "3")]},
        {**V3, "multi_shot": "true", "shot_type": "intelligence"},
        {**REQUEST, "image_list": "http://i.test/1.png", "watermark_info": {"enabled": "true"}},
    ],
    ids=str,
)
def test_what_keeps_the_rules_is_taken_by_the_provider(request_: dict[str, Any]) -> None:
    outcome = generated(None, request_)
    assert outcome.said == "succeed", outcome.error


def test_types_are_corrected_and_what_is_unset_stays_unset() -> None:
    body = normalised(
        {
            "prompt": "x",
            "duration": 5.0,
            "multi_shot": "True",
            "sound": False,
            "element_list": [1, {"element_id": "2"}],
            "multi_prompt": [{"index": "1", "prompt": "", "duration": 5}],
            "video_list": [],
            "image_list": None,
            "callback_url": "",
        }
    )
    assert body == {
        "prompt": "x",
        "duration": "5",
        "multi_shot": True,
        "sound": "off",
        "element_list": [{"element_id": 1}, {"element_id": "2"}],
        "multi_prompt": [{"index": 1, "prompt": "", "duration": "5"}],
    }


def test_nothing_that_comes_crashes_the_rules() -> None:
    values: list[Any] = [None, 0, "x", [], [None], [[]], {}, {"image_url": 5}, [{"type": "end_frame"}], True, 1e9]
    for value in values:
        for name in (*V3, "image_list", "video_list", "element_list", "multi_prompt", "watermark_info", "shot_type"):
            broken_rules(normalised({**SHOTS, name: value}))
