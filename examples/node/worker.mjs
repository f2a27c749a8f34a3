// The driver `worker`: one program for many jobs at a time, with a JSON message a line in both directions.
//
//   omnimock check --worker -- node worker.mjs [--relay | --no-callbacks]
//
// With --relay it has no port, and gets its callbacks through the examiner; else it has a receiver of its own.
import { createInterface } from "node:readline";

import { Mailbox, Receiver } from "./callbacks.mjs";
import { resultOf } from "./jobs.mjs";
import { isObject, parseJson, shown } from "./texts.mjs";

const MAILBOXES_MAX = 1000;
const flags = process.argv.slice(2);
const isUsed = flags.length <= 1 && flags.every((flag) => ["--relay", "--no-callbacks"].includes(flag));
if (!isUsed) {
  process.stderr.write("usage: worker.mjs [--relay | --no-callbacks]\n");
  process.exit(2);
}
const [flag] = flags;

const receiver = flag === undefined ? await Receiver.listen() : undefined;
// Of each job by its name; also after its end, since callbacks go on coming.
const relayed = new Map();
const running = new Set();

process.on("SIGTERM", () => process.exit(0));
// The examiner has left.
process.stdout.on("error", () => process.exit(1));

const ways = { undefined: ["callbacks"], "--relay": ["callbacks", "callback-relay"], "--no-callbacks": [] };
tell({
  type: "hello",
  protocol: 1,
  name: `omnimock example for Node ${process.versions.node}`,
  capabilities: ["polling", ...ways[flag], "parallel", "images", "videos", "elements", "multi-shot", "local-validation"],
  settings: {},
});
for await (const line of createInterface({ input: process.stdin })) {
  const message = messageIn(line);
  if (message?.type === "bye") break;
  if (message?.type === "run") start(message);
  else if (message?.type === "callback") passOn(message);
  else if (line.trim()) tell({ type: "log", text: `not understood: ${shown(line, 100)}` });
}
await Promise.all(running);
receiver?.close();
process.stdout.write("", () => process.exit(0));

function start(job) {
  const work = resultOf(job, { open: openerFor(job), log: (text) => tell({ type: "log", text: `${job.job}: ${text}` }) })
    .then((result) => tell({ type: "result", ...result }))
    .finally(() => running.delete(work));
  running.add(work);
}

function openerFor(job) {
  if (receiver) return (secret) => receiver.open(secret);
  if (flag !== "--relay") return undefined;
  return (secret) => {
    const mailbox = new Mailbox(secret);
    relayed.set(job.job, mailbox);
    if (relayed.size > MAILBOXES_MAX) relayed.delete(relayed.keys().next().value);
    return { mailbox };
  };
}

function passOn({ job, id, headers, body_base64 }) {
  const lower = Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
  const status = relayed.get(job)?.take(lower, Buffer.from(body_base64 ?? "", "base64")) ?? 404;
  tell({ type: "callback-reply", id, status });
}

function messageIn(line) {
  try {
    const message = parseJson(line);
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
