"""The driver `exec`: one job from standard input, its result as the last line of standard output.

omnimock check -- python examples/python/exec_once.py
"""

import argparse
import json
import sys
from typing import Any

from driving import ended, parts, settings_of, succeeded
from omni_video.errors import OmniVideoError


def main() -> int:
    """Do the job; the exit status is 0 where there is a video."""
    parser = argparse.ArgumentParser(description="Do one job of the examiner, which comes on standard input.")
    parser.add_argument("--client", metavar="MODULE:CLASS", help="a part of another client, such as its jobs")
    chosen = parser.parse_args()
    result = run(json.loads(sys.stdin.readline()), chosen.client)
    print(json.dumps(result), flush=True)
    return 0 if result["outcome"] == "succeed" else 1


def run(job: dict[str, Any], client_name: str | None = None) -> dict[str, Any]:
    """Return the result of a job."""
    of = parts(client_name)
    with of.sync_client(job["base_url"], job["api_key"], settings=settings_of(job), job_class=of.job) as client:
        try:
            video = client.generate(job["request"], callback_url=job.get("callback_url"))
        except OmniVideoError as error:
            return ended(job["job"], error)
        return succeeded(job["job"], video)


if __name__ == "__main__":
    sys.exit(main())
