// A job of omnimock's driver protocol, done by the client. Of no use outside of tests.
import { OmniVideo } from "./omni-video.mjs";
import { isObject, shown } from "./texts.mjs";

/** Do a job, and return its result. `open` gives an address for callbacks and the mailbox behind it. */
export async function resultOf(job, { open, log }) {
  try {
    const callbacks = open?.(job.callback_secret);
    const client = new OmniVideo({ baseUrl: job.base_url, apiKey: job.api_key, log, ...settingsFrom(job.settings) });
    const told = await client.generate(job.request, {
      callbackUrl: job.callback_url ?? callbacks?.url,
      mailbox: callbacks?.mailbox,
    });
    return { job: job.job, ...told };
  } catch (error) {
    return { job: job.job, outcome: "error", reason: shown(`the job cannot be done: ${error.message}`) };
  }
}

function settingsFrom(wishes) {
  const named = {
    pollIntervalSeconds: wishes?.poll_interval_seconds,
    requestTimeoutSeconds: wishes?.request_timeout_seconds,
    deadlineSeconds: wishes?.deadline_seconds,
  };
  return Object.fromEntries(Object.entries(isObject(wishes) ? named : {}).filter(([, value]) => value > 0));
}
