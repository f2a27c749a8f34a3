// A receiver of callbacks. A callback is believed in one thing alone: that it is worth asking the provider now.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

import { taskIn } from "./reading.mjs";
import { parseJson } from "./texts.mjs";

const BODY_BYTES_MAX = 1024 * 1024;
const TOLERANCE_SECONDS = 5 * 60;
const SIGNATURES_MAX = 16;
// A sender that repeats itself does not make the client poll without end.
const WAKES_MAX = 10;
// Callbacks come after the end of a job as well, and are answered as long as so many younger jobs allow it.
const MAILBOXES_MAX = 1000;
const RECEIVING_MS_MAX = 10_000;

/** Where the callbacks of one job arrive. The one who waits for the job sets `onWake`. */
export class Mailbox {
  #secret;
  #wakes = 0;
  /** Whether a wake came before anybody waited for one. */
  woken = false;
  onWake = () => {};

  constructor(secret) {
    this.#secret = secret ?? undefined;
  }

  /** Take a callback, and return the HTTP status to answer with. Header names are in lower case, the body is raw bytes. */
  take(headers, body) {
    if (this.#secret !== undefined && !isSigned(headers, body, this.#secret, Date.now())) return 401;
    // The first callbacks only say that the task goes on.
    if (statusIn(body) !== "running" && this.#wakes < WAKES_MAX) {
      this.#wakes += 1;
      this.woken = true;
      this.onWake();
    }
    return 200;
  }
}

function statusIn(body) {
  try {
    return taskIn(parseJson(body.toString("utf8"))).status;
  } catch {
    // It cannot be read, so it is no news; answering with an error would only bring it again.
    return "running";
  }
}

/** Tell whether a message is signed with a secret, as Standard Webhooks has it: over the raw bytes, and lately. */
export function isSigned(headers, body, secret, nowMs) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !signatures || !/^\d{1,12}$/.test(timestamp ?? "")) return false;
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  return signatures.split(" ", SIGNATURES_MAX).some((signature) => {
    const [version, text] = signature.split(",", 2);
    const given = Buffer.from(text ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** An HTTP server for the callbacks of many jobs; each job has an address that nobody can guess. */
export class Receiver {
  #server;
  #publicUrl;
  #mailboxes = new Map();

  /** Listen; `publicUrl` is how the provider reaches this machine, where that is not the address listened on. */
  static async listen({ host = "127.0.0.1", port = 0, publicUrl } = {}) {
    const receiver = new Receiver();
    receiver.#server = createServer((request, response) => receiver.#receive(request, response));
    receiver.#server.requestTimeout = RECEIVING_MS_MAX;
    receiver.#server.headersTimeout = RECEIVING_MS_MAX;
    await new Promise((listening, failed) => {
      receiver.#server.once("error", failed).listen(port, host, listening);
    });
    receiver.#publicUrl = publicUrl ?? `http://${host}:${receiver.#server.address().port}`;
    return receiver;
  }

  /** Return a new mailbox and the address that leads to it. */
  open(secret) {
    const path = `/callbacks/${randomUUID()}`;
    const mailbox = new Mailbox(secret);
    this.#mailboxes.set(path, mailbox);
    if (this.#mailboxes.size > MAILBOXES_MAX) this.#mailboxes.delete(this.#mailboxes.keys().next().value);
    return { mailbox, url: this.#publicUrl.replace(/\/+$/, "") + path };
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #receive(request, response) {
    const mailbox = this.#mailboxes.get(request.url);
    const parts = [];
    let bytes = 0;
    request.on("error", () => {});
    request.on("data", (part) => {
      bytes += part.length;
      if (bytes <= BODY_BYTES_MAX) parts.push(part);
    });
    request.on("end", () => {
      if (request.method !== "POST" || mailbox === undefined) response.writeHead(404);
      else if (bytes > BODY_BYTES_MAX) response.writeHead(413);
      else response.writeHead(mailbox.take(request.headers, Buffer.concat(parts)));
      response.end();
    });
  }
}
