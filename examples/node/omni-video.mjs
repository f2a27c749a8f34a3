// A client of Kling Omni Video behind DeerAPI: it submits a task once, follows it to its end, and says what became of it.
//
//   const client = new OmniVideo({ baseUrl: "https://api.deerapi.com", apiKey: process.env.DEERAPI_KEY });
//   const result = await client.generate({ prompt: "A lighthouse.", aspect_ratio: "16:9" });
//
// A result has an `outcome`: succeed (with `url`), failed, refused, rejected, timeout, unknown or error.
import { randomUUID } from "node:crypto";

import { exchange } from "./exchange.mjs";
import { meaning } from "./reading.mjs";
import { normalised, violations } from "./rules.mjs";
import { isObject, keyRemover, shown } from "./texts.mjs";

const PATH = "/kling/v1/videos/omni-video";
// How long a client waits that is throttled, and not told how long.
const THROTTLED_SECONDS_MIN = 1;
// Polls that find a success without a video, before that is an error.
const EMPTY_SUCCESSES_MAX = 3;

export class OmniVideo {
  #url;
  #settings;
  #headers;
  #withoutKey;

  constructor({ baseUrl, apiKey, ...settings }) {
    // fetch would name the key in its error.
    if (!/^[\x21-\x7e]+$/.test(apiKey ?? "")) throw new TypeError("apiKey is empty, or has characters that a header cannot carry");
    if (!/^https?:\/\//.test(baseUrl ?? "")) throw new TypeError("baseUrl does not begin with http:// or https://");
    this.#url = baseUrl.replace(/\/+$/, "") + PATH;
    this.#headers = { authorization: `Bearer ${apiKey}` };
    this.#withoutKey = keyRemover(apiKey);
    this.#settings = {
      ...{ pollIntervalSeconds: 5, requestTimeoutSeconds: 30, deadlineSeconds: 900, attemptsMax: 6, backoffSeconds: 0.4 },
      ...{ log: () => {}, random: Math.random },
      ...settings,
    };
  }

  /**
   * Make a video, and return what became of it. Never throws.
   *
   * With a `callbackUrl` the provider is told it, and the `mailbox` that gets its callbacks makes the next poll come sooner.
   */
  async generate(request, { callbackUrl, mailbox } = {}) {
    return this.#reported(async (run) => {
      if (!isObject(request)) throw new Ending("refused", { reason: "the request is not an object" });
      const wire = normalised(request);
      if (callbackUrl) wire.callback_url ??= callbackUrl;
      const wrong = violations(wire);
      if (wrong.length > 0) throw new Ending("refused", { reason: wrong.join("; ") });
      // The provider takes an id once: with one of our own, a create that is sent again cannot make a second task.
      wire.external_task_id ??= `omni-${randomUUID()}`;
      await this.#follow(run, await this.#submit(run, wire));
    }, mailbox);
  }

  /** Follow a task that is there already, after a result with a `task_id` but without an end, say. */
  async follow(taskId, { mailbox } = {}) {
    return this.#reported((run) => this.#follow(run, { taskId }), mailbox);
  }

  async #reported(work, mailbox) {
    const run = { endsAtMs: performance.now() + this.#settings.deadlineSeconds * 1000, taskId: undefined, mailbox };
    try {
      await work(run);
      throw new Error("a task was left before its end");
    } catch (error) {
      const told = error instanceof Ending ? error.result : { outcome: "error", reason: `a mistake of this client: ${error}` };
      return this.#safe({ ...told, task_id: told.task_id ?? run.taskId });
    }
  }

  #safe(result) {
    const members = Object.entries(result).filter(([, value]) => value !== undefined);
    // The key is taken out before the text is cut, lest half of it stays.
    return Object.fromEntries(
      members.map(([name, value]) => [name, typeof value === "string" ? shown(this.#withoutKey(value), name === "url" ? 8192 : 500) : value]),
    );
  }

  // Submitting: whatever happens, at most one task.

  async #submit(run, wire) {
    const body = JSON.stringify(wire);
    const tries = this.#tries(run);
    // A create may have been accepted though we did not see it; then the provider is asked before another is sent.
    let doubtful = false;
    let oddAnswer;
    for (;;) {
      if (doubtful) {
        const found = await this.#ask(run, "GET", wire.external_task_id);
        if (found.kind === "ok" && found.task.taskId) return found.task;
        if (found.kind !== "missing") {
          await tries.again(found, "unknown");
          continue;
        }
        // Good by its status, but without a task: sending the same again would not make it better.
        if (oddAnswer) throw new Ending("error", { ...oddAnswer, message: "the answer to the create tells of no task" });
      }
      const answer = await this.#ask(run, "POST", "", body);
      if (answer.kind === "ok" && answer.task.taskId) return answer.task;
      if (isFinal(answer, doubtful)) {
        throw new Ending(answer.httpStatus === undefined ? "error" : "rejected", answer);
      }
      if (answer.kind === "ok" || answer.kind === "odd") oddAnswer = answer;
      doubtful ||= answer.kind !== "not-done";
      await tries.again(answer, doubtful ? "unknown" : answer.httpStatus === undefined ? "error" : "rejected");
    }
  }

  // Following: only what a query says ends a task.

  async #follow(run, first) {
    run.taskId = first.taskId;
    let task = first;
    let emptySuccesses = 0;
    let tries = this.#tries(run);
    for (;;) {
      if (task.status === "failed") throw new Ending("failed", { reason: task.reason ?? "the provider gave no reason" });
      if (task.status === "succeed" && task.url) throw new Ending("succeed", { url: task.url });
      if (task.status === "succeed" && (emptySuccesses += 1) >= EMPTY_SUCCESSES_MAX) {
        throw new Ending("error", { reason: "the task succeeded, and there is no video" });
      }
      await this.#untilNextPoll(run);
      let answer = await this.#ask(run, "GET", run.taskId);
      while (answer.kind !== "ok") {
        await tries.again(answer, "error");
        answer = await this.#ask(run, "GET", run.taskId);
      }
      tries = this.#tries(run);
      task = answer.task;
    }
  }

  async #untilNextPoll(run) {
    const left = this.#left(run);
    const interval = this.#settings.pollIntervalSeconds;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(interval, left) * 1000);
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (run.mailbox) run.mailbox.onWake = wake;
      if (run.mailbox?.woken) wake();
    });
    if (run.mailbox) Object.assign(run.mailbox, { woken: false, onWake: () => {} });
    if (this.#left(run) <= 0) throw new Ending("timeout", { reason: `the task was not at its end after ${this.#settings.deadlineSeconds} s` });
  }

  // Sending, waiting, giving up.

  async #ask(run, method, id, body) {
    const timeoutSeconds = Math.min(this.#settings.requestTimeoutSeconds, this.#left(run));
    if (timeoutSeconds <= 0) throw new Ending("timeout", { reason: "the deadline passed" });
    const url = id ? `${this.#url}/${encodeURIComponent(id)}` : this.#url;
    const headers = body === undefined ? this.#headers : { ...this.#headers, "content-type": "application/json" };
    const answer = meaning(await exchange(url, { method, headers, body, timeoutSeconds }), Date.now());
    if (answer.kind !== "ok") this.#settings.log(this.#safe({ text: `${method}: ${sentence(answer)}` }).text);
    return answer;
  }

  /** Return the tries of one thing: `again` waits for the next one, or gives up with an outcome. */
  #tries(run) {
    const { attemptsMax, backoffSeconds, random } = this.#settings;
    let made = 0;
    const again = async (answer, outcome) => {
      made += 1;
      if (answer.kind === "refused" || made >= attemptsMax) throw new Ending(outcome, answer);
      // Half of it is fixed and half is drawn, so that clients that failed together do not come back together.
      const backoff = backoffSeconds * 2 ** (made - 1) * (0.5 + random() / 2);
      const least = answer.kind === "not-done" && answer.httpStatus !== undefined ? THROTTLED_SECONDS_MIN : 0;
      const wait = Math.max(backoff, answer.retryAfterSeconds ?? least);
      if (wait >= this.#left(run)) {
        // No time would be left to try, so why wait. A task that nobody answers for has run out of time.
        throw new Ending(run.taskId !== undefined && answer.httpStatus === undefined ? "timeout" : outcome, answer);
      }
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    };
    return { again };
  }

  #left(run) {
    return (run.endsAtMs - performance.now()) / 1000;
  }
}

/** Tell whether a create is refused for good; `exists` is, unless a create of ours may have been the first. */
function isFinal({ kind, httpStatus }, doubtful) {
  return kind === "refused" || kind === "missing" || isRedirect(httpStatus) || (kind === "exists" && !doubtful);
}

/** Say what an answer was; the facts come first, since a message can be long enough to be cut. */
function sentence({ httpStatus, code, message, requestId }) {
  const facts = [
    httpStatus && `HTTP ${httpStatus}`,
    code !== undefined && `code ${code}`,
    requestId && `request ${requestId}`,
    httpStatus === 401 && "the API key was not accepted (auth)",
    isRedirect(httpStatus) && "a redirect, which is not followed",
  ];
  return [facts.filter(Boolean).join(", "), message].filter(Boolean).join(": ");
}

const isRedirect = (httpStatus) => httpStatus >= 300 && httpStatus < 400;

/** How a job ends: thrown from wherever that becomes clear, and turned into the result at one place. */
class Ending extends Error {
  constructor(outcome, { reason, ...facts }) {
    super(outcome);
    this.result = {
      outcome,
      url: facts.url,
      reason: reason ?? (outcome === "succeed" ? undefined : sentence(facts)),
      code: facts.code,
      http_status: facts.httpStatus,
      request_id: facts.requestId,
    };
  }
}
