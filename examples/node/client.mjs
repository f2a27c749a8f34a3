// The driver `exec`: one job on standard input (or in OMNIMOCK_JOB), its result as the last line of standard output.
//
//   omnimock check -- node client.mjs [--callbacks]
import { Receiver } from "./callbacks.mjs";
import { resultOf } from "./jobs.mjs";
import { isObject, parseJson } from "./texts.mjs";

const [flag, ...more] = process.argv.slice(2);
if (more.length > 0 || (flag !== undefined && flag !== "--callbacks")) leave("usage: client.mjs [--callbacks] < job.json");

const text = process.stdin.isTTY ? "" : (await process.stdin.setEncoding("utf8").toArray()).join("");
let job;
try {
  job = parseJson(text.trim() || process.env.OMNIMOCK_JOB || "");
} catch {
  leave("there is no job in JSON, neither on standard input nor in OMNIMOCK_JOB");
}
if (!isObject(job)) leave("the job is not a JSON object");

const receiver = flag === "--callbacks" ? await Receiver.listen() : undefined;
const result = await resultOf(job, {
  open: receiver && ((secret) => receiver.open(secret)),
  log: (line) => process.stderr.write(`${line}\n`),
});
receiver?.close();
// A connection that is kept open would keep the program, too.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(result.outcome === "succeed" ? 0 : 1));

function leave(why) {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}
