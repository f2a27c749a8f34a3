// What can be known to be wrong before a request is sent, for Kling's omni-video of autumn 2026.
// The rules move a few times a year: `omnimock rules` shows them with their sources and dates.
import { isObject } from "./texts.mjs";

const O1 = "kling-video-o1";
const FIELDS = {
  model_name: oneOf(O1, "kling-v3-omni"),
  prompt: text(2500),
  multi_shot: (value) => typeof value !== "boolean" && "is true or false",
  shot_type: oneOf("customize", "intelligence"),
  multi_prompt: listOf({ index: whole, prompt: text(512), duration: seconds }, ["index", "prompt", "duration"], 6),
  sound: oneOf("on", "off"),
  image_list: listOf({ image_url: text(), type: oneOf("first_frame", "end_frame") }, ["image_url"]),
  element_list: listOf({ element_id: elementId }, ["element_id"]),
  video_list: listOf({ video_url: text(), refer_type: oneOf("base", "feature"), keep_original_sound: oneOf("yes", "no") }, ["video_url"], 1),
  mode: oneOf("std", "pro", "4k"),
  aspect_ratio: oneOf("16:9", "9:16", "1:1"),
  duration: oneOf(...Array.from({ length: 13 }, (_, index) => String(index + 3))),
  watermark_info: (value) => !(isObject(value) && Object.keys(value).every((key) => key === "enabled") && typeof value.enabled === "boolean") && "is {enabled: true or false}",
  callback_url: (value) => !(typeof value === "string" && /^https?:\/\/[^\s/?#]+\S*$/.test(value)) && "is an address with http or https",
  external_task_id: text(),
};

/**
 * Return a request as the wire wants it, without changing what it means: numbers that the API has as text become
 * text, bare addresses become objects, and what is not set is not there (the API takes "" and [] for that).
 */
export function normalised(request) {
  // Without a prototype, so that a field may have any name until it is checked.
  const wire = Object.create(null);
  for (const [name, value] of Object.entries(request)) {
    const isUnset = value === null || value === undefined || (name !== "prompt" && (value === "" || (Array.isArray(value) && value.length === 0)));
    if (!isUnset) wire[name] = Object.hasOwn(NORMAL, name) ? NORMAL[name](value) : value;
  }
  // The API wants a prompt even where it does not read it.
  if (wire.multi_shot === true && wire.shot_type === "customize") wire.prompt ??= "";
  return wire;
}

const asText = (value) => (typeof value === "number" ? String(value) : value);
const asFlag = (value) => (value === "true" ? true : value === "false" ? false : value);
const each = (key, change = {}) => (list) =>
  Array.isArray(list) ? list.map((item) => (isObject(item) ? changed(item, change) : { [key]: item })) : list;
const changed = (item, change) =>
  Object.fromEntries(Object.entries(item).filter(([, value]) => value !== null && value !== "").map(([key, value]) => [key, Object.hasOwn(change, key) ? change[key](value) : value]));

const NORMAL = {
  duration: asText,
  multi_shot: asFlag,
  multi_prompt: each("prompt", { duration: asText }),
  image_list: each("image_url"),
  element_list: each("element_id"),
  video_list: each("video_url"),
  watermark_info: (value) => (typeof value === "boolean" ? { enabled: value } : isObject(value) ? changed(value, { enabled: asFlag }) : value),
};

/** Return what is wrong with a normalised request, in sentences; nothing where it may be sent. */
export function violations(request) {
  const shape = Object.entries(request).flatMap(([name, value]) => {
    const wrong = Object.hasOwn(FIELDS, name) ? FIELDS[name](value) : "is no field of this API; check its name";
    return wrong ? [`${name} ${wrong}`] : [];
  });
  // The rules between fields are about values that are well formed.
  return shape.length > 0 ? shape : RULES.filter(([holds]) => !holds(facts(request))).map(([, sentence]) => sentence);
}

function facts(request) {
  const { image_list: images = [], element_list: elements = [], video_list: videos = [], multi_prompt: shots = [] } = request;
  const has = (type) => images.some((image) => image.type === type);
  return {
    ...{ ...request, images, elements, videos, shots },
    isO1: (request.model_name ?? O1) === O1,
    first: has("first_frame"),
    end: has("end_frame"),
    edits: videos.some((video) => (video.refer_type ?? "base") === "base"),
    customized: request.multi_shot === true && request.shot_type === "customize",
    length: Number(request.duration ?? 5),
  };
}

// Each holds, or its sentence is the reason to refuse.
const RULES = [
  [(r) => r.customized || r.prompt, "prompt is needed, except with multi_shot true and shot_type customize"],
  [(r) => !r.multi_shot || r.shot_type, "multi_shot true needs a shot_type"],
  [(r) => !r.multi_shot || !r.isO1, `${O1} has no multi_shot`],
  [(r) => !r.customized || r.shots.length > 0, "shot_type customize needs 1 to 6 shots in multi_prompt"],
  [(r) => !r.customized || r.shots.reduce((sum, shot) => sum + Number(shot.duration), 0) === r.length, "the durations of multi_prompt do not add up to duration"],
  [(r) => !r.multi_shot || r.edits || r.videos.length === 0 || r.shot_type === "intelligence", "a feature video with multi_shot needs shot_type intelligence"],
  [(r) => !r.end || r.first, "an end_frame needs a first_frame"],
  [(r) => !r.end || !r.isO1 || r.images.length <= 2, `with more than 2 pictures ${O1} takes no end_frame`],
  [(r) => !(r.first || r.end) || !r.edits, "first_frame and end_frame do not go with a video to edit (refer_type base)"],
  [(r) => r.videos.length === 0 || (r.sound ?? "off") === "off", "with a video the sound is off"],
  [(r) => !r.isO1 || (r.sound ?? "off") === "off", `${O1} makes no sound`],
  [(r) => r.images.length + r.elements.length <= (r.videos.length > 0 ? 4 : 7), "pictures and elements are at most 7 together, and 4 beside a video"],
  [(r) => !r.first || r.elements.length <= 3, "with a first_frame there are at most 3 elements"],
  [(r) => !(r.isO1 && r.first && r.end) || r.elements.length === 0, `${O1} takes no elements beside first_frame and end_frame`],
  [(r) => r.images.every((image) => !/^data:/i.test(image.image_url)), "an image_url in Base64 has no data: before it"],
  [(r) => r.first || r.videos.length > 0 || r.aspect_ratio, "aspect_ratio is needed where there is neither a first_frame nor a video"],
  [(r) => !r.isO1 || r.length <= 10, `${O1} makes 3 to 10 seconds`],
  [(r) => !r.isO1 || r.mode !== "4k", "only kling-v3-omni makes 4k"],
  [(r) => missingReferences(r).length === 0, "the text names a picture, an element or a video that is not there, such as <<<image_2>>>"],
];

function missingReferences(r) {
  const given = { image: r.images, element: r.elements, video: r.videos };
  const texts = [r.prompt ?? "", ...r.shots.map((shot) => shot.prompt)];
  return texts.flatMap((words) => [...words.matchAll(/<<<(image|element|video)_([0-9]{1,9})>>>/g)]).filter(
    ([, kind, number]) => Number(number) < 1 || Number(number) > given[kind].length,
  );
}

// Checks of one value: they return what is wrong with it, or something false.

function oneOf(...known) {
  return (value) => !known.includes(value) && `is one of ${known.join(", ")}`;
}

function text(charactersMax = Infinity) {
  // Counted in characters, of which an emoji is one.
  return (value) => (typeof value !== "string" && "is text") || ([...value].length > charactersMax && `has more than ${charactersMax} characters`);
}

function whole(value) {
  return !Number.isSafeInteger(value) && "is a whole number";
}

function seconds(value) {
  return !(typeof value === "string" && /^[1-9][0-9]?$/.test(value)) && "is a number of seconds";
}

function elementId(value) {
  return !(Number.isSafeInteger(value) || (typeof value === "string" && value)) && "is an id";
}

function listOf(checks, needed, itemsMax = Infinity) {
  return (list) => {
    if (!Array.isArray(list)) return "is a list";
    if (list.length > itemsMax) return `has more than ${itemsMax} entries`;
    for (const item of list) {
      if (!isObject(item)) return "is a list of objects";
      const missing = needed.find((key) => item[key] === undefined);
      if (missing) return `has an entry without ${missing}`;
      for (const [key, value] of Object.entries(item)) {
        const wrong = Object.hasOwn(checks, key) ? checks[key](value) : "is not known there";
        if (wrong) return `has an entry whose ${key} ${wrong}`;
      }
    }
    return undefined;
  };
}
