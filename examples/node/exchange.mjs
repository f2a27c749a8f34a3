// One HTTP request and its answer. It is bounded in time and size, follows no redirect, and never throws:
// what goes wrong on the way is an answer as well, with its `trouble` in words.
import { parseJson } from "./texts.mjs";

const BODY_BYTES_MAX = 4 * 1024 * 1024;
// Nobody can have received a request that failed so.
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);
const DISTRUSTED = /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO_VERIFY/;

/**
 * Send a request, and return its answer: `{status, headers, text, json}`, where `json` is undefined unless the body is
 * JSON, or `{trouble, sent, distrusted}` where no whole answer came.
 */
export async function exchange(url, { timeoutSeconds, ...request }) {
  const control = new AbortController();
  // One timer for everything, the last byte of the body included: a server that drips does not get more time.
  const timer = setTimeout(() => control.abort(), timeoutSeconds * 1000);
  try {
    // A redirect could lead the key to somebody else, so it is an answer like any other.
    const response = await fetch(url, { ...request, redirect: "manual", signal: control.signal });
    const text = await textOf(response);
    return { status: response.status, headers: response.headers, text, json: jsonOf(text) };
  } catch (error) {
    if (control.signal.aborted) return { trouble: `no whole answer within ${timeoutSeconds.toFixed(1)} s`, sent: true };
    const why = String(error.cause?.code ?? error.cause?.message ?? error.message);
    return { trouble: `the connection failed (${why})`, sent: !NOT_SENT.has(why), distrusted: DISTRUSTED.test(why) };
  } finally {
    clearTimeout(timer);
    // Lets go of a body that was not read to its end.
    control.abort();
  }
}

async function textOf(response) {
  const parts = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`a body of more than ${BODY_BYTES_MAX} bytes`);
    parts.push(part);
  }
  // Takes a byte order mark away.
  return new TextDecoder().decode(Buffer.concat(parts));
}

function jsonOf(text) {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

const HTTP_DATE = /^[A-Z][a-z]+, \d.* GMT$/;

/** Return how many seconds a Retry-After asks to wait; undefined where it is none, or asks for nothing. */
export function retryAfterSeconds(value, nowMs) {
  const text = (value ?? "").trim();
  let seconds = Number.NaN;
  if (/^\d+$/.test(text)) seconds = Number(text);
  else if (HTTP_DATE.test(text)) seconds = (Date.parse(text) - nowMs) / 1000;
  return seconds > 0 ? seconds : undefined;
}
