"""A client for the exec driver that does what it is told by its first argument, mostly something it should not."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

FOREVER_SECONDS = 600
how, *more = sys.argv[1:]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def succeed(**members: object) -> None:
    say(json.dumps({"outcome": "succeed", **members}))


def sleeper(*, session: bool) -> int:
    """Start a child that ignores SIGTERM, and holds standard output open; return when it does."""
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"sys.stderr.write('.'); sys.stderr.flush(); time.sleep({FOREVER_SECONDS})"
    )
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=None, stderr=subprocess.PIPE, start_new_session=session
    )
    assert child.stderr is not None
    child.stderr.read(1)
    return child.pid


match how:
    case "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("here I am")
        time.sleep(FOREVER_SECONDS)
    case "flood":
        block = b"x" * 1023 + b"\n"
        for _ in range(int(more[0])):
            os.write(1, block * 1024)
            os.write(2, block * 1024)
        succeed()
    case "short-lines":
        for _ in range(int(more[0])):
            os.write(1, b"\n{\n" * 300_000)
        succeed()
    case "long-line":
        for _ in range(100):
            os.write(1, b'{"outcome": "failed", ' * 50_000)
        say("")
        succeed()
    case "status":
        succeed()
        sys.exit(int(more[0]))
    case "only-status":
        sys.exit(int(more[0]))
    case "signal":
        os.kill(os.getpid(), int(more[0]))
    case "leave-a-child":
        succeed(reason=str(sleeper(session=more == ["session"])))
        os._exit(0)
    case "hang-with-a-child":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(str(sleeper(session=more == ["session"])))
        time.sleep(FOREVER_SECONDS)
    case "say":
        for each in more:
            sys.stdout.buffer.write(each.encode("latin-1").decode("unicode_escape").encode("latin-1") + b"\n")
    case "close-pipes":
        os.close(0)
        os.close(1)
        os.close(2)
        time.sleep(float(more[0]))
        os._exit(0)
    case "environment":
        names = ("OMNIMOCK_BASE_URL", "OMNIMOCK_API_KEY", "OMNIMOCK_JOB", "DEERAPI_BASE_URL", "DEERAPI_KEY", *more)
        succeed(reason=json.dumps({name: os.environ.get(name) for name in names}))
    case "echo":
        whole = sys.stdin.read()
        succeed(reason=json.dumps({"stdin": whole, "arguments": more}))
    case "post-with-null":
        job = json.loads(sys.stdin.readline())
        address = urlsplit(job["base_url"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        headers = {"authorization": f"Bearer {job['api_key']}", "content-type": "application/json"}
        body = json.dumps({**job["request"], "callback_url": None})
        connection.request("POST", "/kling/v1/videos/omni-video", body, headers)
        connection.getresponse().read()
        connection.close()
    case "answer":
        job = json.loads(sys.stdin.readline())
        succeed(job=job["job"])
