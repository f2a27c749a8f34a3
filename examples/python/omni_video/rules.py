"""What a request must be before it is sent: the documented types, and the vendor's rules that span several fields.

A wrong request costs a round trip at best and money at worst. What the vendor's pages dispute, or nobody documents, is
left to the provider. The ids are those that `omnimock rules` explains.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_O1 = "kling-video-o1"
_PROMPT_CHARACTERS_MAX = 2_500
_SHOT_CHARACTERS_MAX = 512
_SHOTS_MAX = 6


def normalised(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request in the documented types: a duration is text, a switch is true or false, lists hold objects.

    What is not set stays unset: nothing, an empty text and an empty list are not sent. The prompt always is.
    """
    body: dict[str, Any] = {}
    for name, given in request.items():
        value = _READERS[name](given) if name in _READERS else given
        if name == "prompt" or not _is_unset(value):
            body[name] = value
    if body.get("prompt") is None:
        body.pop("prompt", None)
        if _View(body).customize:
            body["prompt"] = ""
    return body


def broken_rules(body: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a normalised request, each with its rule; nothing where it may be sent."""
    misshapen = [f"there is no field {name!r}" for name in body if name not in _TYPES]
    misshapen += [
        f"{name} is {type(body[name]).__name__}, and must be {wanted.__name__}"
        for name, wanted in _TYPES.items()
        if name in body and not isinstance(body[name], wanted)
    ]
    misshapen += [
        f"{name} is {body[name]!r}, and must be one of {', '.join(allowed)}"
        for name, allowed in _CHOICES.items()
        if name in body and body[name] not in allowed
    ]
    if misshapen:
        return misshapen
    view = _View(body)
    return [f"{rule}: {message}" for rule, message, is_broken in RULES if is_broken(view)]


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def _text(value: Any) -> Any:
    """5 and 5.0 are "5"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _switch(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def _on_off(value: Any) -> Any:
    return ("on" if value else "off") if isinstance(value, bool) else value


def _object(**readers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        members = {name: readers[name](member) if name in readers else member for name, member in value.items()}
        return {name: member for name, member in members.items() if name == "prompt" or not _is_unset(member)}

    return read


def _objects(short: str, **readers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A list of objects; one may be written as its most important member alone."""
    read_one = _object(**readers)

    def read(value: Any) -> Any:
        if _is_unset(value):
            return value
        items = list(value) if isinstance(value, list | tuple) else [value]
        return [read_one(item if isinstance(item, Mapping) else {short: item}) for item in items]

    return read


_READERS: dict[str, Callable[[Any], Any]] = {
    "multi_shot": _switch,
    "duration": _text,
    "sound": _on_off,
    "watermark_info": _object(enabled=_switch),
    "image_list": _objects("image_url"),
    "video_list": _objects("video_url"),
    "element_list": _objects("element_id"),
    "multi_prompt": _objects("prompt", index=_number, duration=_text),
}

_TYPES: dict[str, type] = {
    "model_name": str,
    "prompt": str,
    "multi_shot": bool,
    "shot_type": str,
    "multi_prompt": list,
    "sound": str,
    "image_list": list,
    "element_list": list,
    "video_list": list,
    "mode": str,
    "aspect_ratio": str,
    "duration": str,
    "watermark_info": dict,
    "callback_url": str,
    "external_task_id": str,
}

_CHOICES: dict[str, tuple[str, ...]] = {
    "shot_type": ("customize", "intelligence"),
    "sound": ("on", "off"),
    "mode": ("std", "pro", "4k"),
    "aspect_ratio": ("16:9", "9:16", "1:1"),
    "duration": tuple(str(seconds) for seconds in range(3, 16)),
}


@dataclass(frozen=True)
class _View:
    """A request as the rules look at it."""

    body: Mapping[str, Any]

    def items(self, name: str) -> list[Mapping[str, Any]]:
        value = self.body.get(name, [])
        return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []

    @property
    def o1(self) -> bool:
        return bool(self.body.get("model_name", _O1) == _O1)

    @property
    def frames(self) -> set[Any]:
        return {image.get("type") for image in self.items("image_list")} & {"first_frame", "end_frame"}

    @property
    def videos(self) -> set[Any]:
        """How the videos are used; to edit, where nothing is said."""
        return {video.get("refer_type", "base") for video in self.items("video_list")}

    @property
    def multi_shot(self) -> bool:
        return self.body.get("multi_shot") is True

    @property
    def customize(self) -> bool:
        return self.multi_shot and self.body.get("shot_type") == "customize"

    @property
    def elements(self) -> int:
        return len(self.items("element_list"))

    @property
    def shots(self) -> list[Mapping[str, Any]]:
        return self.items("multi_prompt")

    @property
    def shot_seconds(self) -> list[int]:
        """How long each shot is; 0 where it does not say, which no shot may be."""
        lengths = [str(shot.get("duration", "")) for shot in self.shots]
        return [int(length) if length.isascii() and length.isdigit() else 0 for length in lengths]

    @property
    def seconds(self) -> int:
        return int(self.body.get("duration", "5"))

    def lacks(self, name: str, member: str) -> bool:
        return any(not item.get(member) for item in self.items(name))


Rule = tuple[str, str, Callable[[_View], bool]]

RULES: tuple[Rule, ...] = (
    (
        "prompt-needed",
        "the prompt must not be empty, except with multi_shot and shot_type customize",
        lambda view: not view.body.get("prompt") and not view.customize,
    ),
    (
        "prompt-length",
        f"a prompt has at most {_PROMPT_CHARACTERS_MAX} characters",
        lambda view: len(view.body.get("prompt", "")) > _PROMPT_CHARACTERS_MAX,
    ),
    (
        "callback-url",
        "callback_url is an http or https address",
        lambda view: not view.body.get("callback_url", "http://").startswith(("http://", "https://")),
    ),
    ("image-url", "each picture needs an image_url", lambda view: view.lacks("image_list", "image_url")),
    ("video-url", "each video needs a video_url", lambda view: view.lacks("video_list", "video_url")),
    ("element-id", "each element needs an element_id", lambda view: view.lacks("element_list", "element_id")),
    ("one-video", "there is at most one video", lambda view: len(view.items("video_list")) > 1),
    ("R1", "an end_frame needs a first_frame beside it", lambda view: view.frames == {"end_frame"}),
    (
        "R2",
        "with more than 2 pictures there can be no end_frame",
        lambda view: view.o1 and "end_frame" in view.frames and len(view.items("image_list")) > 2,
    ),
    (
        "R3",
        "frames and a video to edit exclude each other",
        lambda view: bool(view.frames) and "base" in view.videos,
    ),
    (
        "R4",
        "pictures and elements together are at most 7, beside a video at most 4",
        lambda view: len(view.items("image_list")) + view.elements > (4 if view.videos else 7),
    ),
    (
        "R5",
        "with a first_frame there are at most 3 elements",
        lambda view: "first_frame" in view.frames and view.elements > 3,
    ),
    (
        "R6",
        f"{_O1} takes no elements beside first_frame and end_frame",
        lambda view: view.o1 and len(view.frames) == 2 and view.elements > 0,
    ),
    ("R8", "with a video the sound is off", lambda view: bool(view.videos) and view.body.get("sound") == "on"),
    ("R9", f"{_O1} makes no sound", lambda view: view.o1 and view.body.get("sound") == "on"),
    ("R10", f"{_O1} has no multi-shot", lambda view: view.o1 and view.multi_shot),
    (
        "R11",
        "a feature video in a multi-shot task needs shot_type intelligence",
        lambda view: "feature" in view.videos and view.multi_shot and view.body.get("shot_type") != "intelligence",
    ),
    (
        "R14",
        "Base64 stands alone, without a `data:` prefix",
        lambda view: any(str(image.get("image_url")).lower().startswith("data:") for image in view.items("image_list")),
    ),
    (
        "shot-type-needed",
        "multi_shot needs a shot_type",
        lambda view: view.multi_shot and not view.body.get("shot_type"),
    ),
    (
        "shots-needed",
        f"shot_type customize needs 1 to {_SHOTS_MAX} shots in multi_prompt",
        lambda view: view.customize and not 1 <= len(view.shots) <= _SHOTS_MAX,
    ),
    (
        "shot-length",
        f"a shot's prompt has at most {_SHOT_CHARACTERS_MAX} characters",
        lambda view: any(len(str(shot.get("prompt", ""))) > _SHOT_CHARACTERS_MAX for shot in view.shots),
    ),
    (
        "shot-members",
        "each shot has an index, a prompt, and a duration of at least 1 second",
        lambda view: (
            any(
                not isinstance(shot.get("index"), int) or not isinstance(shot.get("prompt"), str) for shot in view.shots
            )
            or 0 in view.shot_seconds
        ),
    ),
    (
        "shots-sum",
        "the durations of the shots add up to the duration",
        lambda view: view.customize and sum(view.shot_seconds) != view.seconds,
    ),
    (
        "duration-o1",
        f"{_O1} makes 3 to 10 seconds",
        lambda view: view.o1 and view.seconds > 10,
    ),
    ("4k-model", f"{_O1} makes no 4k", lambda view: view.o1 and view.body.get("mode") == "4k"),
)
