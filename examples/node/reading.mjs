// What the answers mean: the provider's shape, those of the gateways before it, and what can be done about a refusal.
import { retryAfterSeconds } from "./exchange.mjs";
import { isObject } from "./texts.mjs";

// Gateways spell them in their own ways. A status that is not here may come one day: the task is then still going on.
const SUCCEEDED = new Set(["succeed", "succeeded", "success"]);
const FAILED = new Set(["failed", "fail", "failure", "error"]);
const UNDER_WAY = new Set(["submitted", "processing", "not_start", "queued", "in_progress"]);

/** Return `succeed`, `failed`, `running`, or `unheard-of`. */
function meaningOf(status) {
  const word = typeof status === "string" ? status.trim().toLowerCase() : "";
  if (SUCCEEDED.has(word)) return "succeed";
  if (FAILED.has(word)) return "failed";
  return UNDER_WAY.has(word) ? "running" : "unheard-of";
}

/**
 * Return the task that a body tells of: `{taskId, status, url, reason}`.
 *
 * The provider has it in `data`, a callback flat, and some gateways wrap the provider's whole answer in a `data` of
 * their own; so every layer is looked at, from the outside to the inside.
 */
export function taskIn(body) {
  const layers = [];
  for (let layer = body; isObject(layer) && layers.length < 4; layer = layer.data) layers.push(layer);
  const first = (pick) => layers.map(pick).find((value) => value !== undefined);
  const statuses = layers.map((layer) => meaningOf(layer.task_status ?? layer.status));
  const status = statuses.find((each) => each !== "unheard-of") ?? "unheard-of";
  // Old rows of such a gateway keep the address of the video where else the reason of a failure stands.
  const url = first(urlIn) ?? (status === "succeed" ? first((layer) => address(layer.fail_reason)) : undefined);
  return {
    taskId: first((layer) => idFrom(layer.task_id)),
    status,
    url,
    // Not `message`: that one says SUCCEED of failed tasks, too.
    reason: first((layer) => words(layer.task_status_msg) ?? words(layer.fail_reason)),
  };
}

const words = (value) => (typeof value === "string" && value.trim() ? value : undefined);
const address = (value) => (typeof value === "string" && /^https?:\/\//i.test(value) ? value : undefined);

function idFrom(value) {
  const id = typeof value === "number" ? String(value) : value;
  // A path cannot end in dots: `..` would ask for something else.
  return words(id) && id.length <= 256 && !/^\.{1,2}$/.test(id) ? id : undefined;
}

function urlIn(layer) {
  const videos = layer.task_result?.videos;
  // A list, though a page of the gateway shows one object.
  const each = Array.isArray(videos) ? videos : [videos];
  return each.map((video) => address(video?.url)).find(Boolean);
}

const AGAIN_LATER = new Set([1302, 1303, 5000, 5001, 5002]);
// The account is blocked, in arrears or used up, or this machine is not on its list: waiting does not mend it,
// though all of them come with 429.
const PERMANENT = new Set([1100, 1101, 1102, 1304, "insufficient_user_quota", "pre_consume_token_quota_failed", "invalid_request"]);
const STATUSES_AGAIN_LATER = new Set([408, 425, 429]);
const MISSING = /not[ _]?(found|exist)|no such task|不存在/i;
const EXISTS = /already[ _]?exist/i;
const SUCCESS_WORDS = new Set(["success", "ok", "succeed"]);

/**
 * Return what an answer means: `{kind, ...}`.
 *
 * | kind | |
 * |---|---|
 * | ok | it tells of a task |
 * | later | the same request may go through later |
 * | not-done | so, and nothing was done this time |
 * | missing | there is no such task (yet) |
 * | exists | the external id is taken |
 * | refused | the same request will be refused again |
 * | odd | an answer that should be good, and tells of no task |
 */
export function meaning(answer, nowMs) {
  if (answer.trouble) {
    return { kind: answer.distrusted ? "refused" : answer.sent ? "later" : "not-done", message: answer.trouble };
  }
  const { status, headers, json } = answer;
  const error = isObject(json?.error) ? json.error : isObject(json) ? json : {};
  const code = codeFrom(error.code);
  const message = words(error.message) ?? words(json?.error) ?? (json === undefined ? "a body that is not JSON" : "no message");
  const facts = {
    httpStatus: status,
    code,
    message,
    requestId: words(json?.request_id) ?? words(error.request_id) ?? headers.get("x-request-id") ?? headers.get("x-oneapi-request-id") ?? requestIdIn(message),
    retryAfterSeconds: retryAfterSeconds(headers.get("retry-after"), nowMs),
  };
  if (status >= 200 && status < 300) {
    if (json === undefined) return { ...facts, kind: "odd" };
    if (isGood(json, code)) {
      const task = taskIn(json);
      return { ...facts, kind: isObject(json.data) || task.taskId ? "ok" : "odd", task };
    }
  }
  return { ...facts, kind: kindOf(status, code, message) };
}

function codeFrom(value) {
  if (typeof value === "string") return /^\d{1,9}$/.test(value) ? Number(value) : words(value);
  return typeof value === "number" ? value : undefined;
}

function isGood(json, code) {
  if (!isObject(json) || isObject(json.error)) return false;
  return code === undefined || code === 0 || (typeof code === "string" && SUCCESS_WORDS.has(code.toLowerCase()));
}

function kindOf(status, code, message) {
  if (PERMANENT.has(code)) return "refused";
  if (EXISTS.test(message)) return "exists";
  if (status === 404 || MISSING.test(message) || MISSING.test(String(code))) return status < 500 ? "missing" : "later";
  if (status === 429 || code === 1302 || code === 1303) return "not-done";
  // A redirect is not followed; of a query, the next answer may be a better one.
  if (status >= 500 || (status >= 300 && status < 400) || STATUSES_AGAIN_LATER.has(status) || AGAIN_LATER.has(code)) return "later";
  return "refused";
}

const requestIdIn = (message) => /request id: ([\w-]{8,80})/i.exec(message)?.[1];
